"""Settings of what decodes strangers' video."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from ...settings import settings
from .limits import MAX_PIXELS, MEMORY_GIB


@settings(place="decoder")
class DecoderConfig:
    """Limits of the child process that decodes strangers' bytes."""

    child: bool = True
    """Decode in a child process of the worker, so that a crash, a hang or bloat costs one segment.
    """
    memory_gib: Annotated[float, Field(ge=1)] = MEMORY_GIB
    """Address space of the child, GiB (the libraries alone map about 1)."""
    max_pixels: PositiveInt = MAX_PIXELS
    """Largest picture that is decoded, pixels."""
    stall_s: PositiveFloat = 30.0
    """Seconds without a new batch of frames after which the child is killed."""
