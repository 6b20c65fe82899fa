"""What a child process that reads strangers' bytes may take of the machine."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

MEMORY_GIB = 4.0
MAX_PIXELS = 7680 * 4320  # 8K


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of one child."""

    memory_bytes: int = int(MEMORY_GIB * 2**30)
    """Address space; the libraries alone map about 1 GiB."""
    max_pixels: int = MAX_PIXELS
    """The largest picture that is decoded."""
    file_bytes: int | None = None
    """The largest file that it may write; None for any."""
    cpu_s: int | None = None
    """Processor time in seconds; None for any, where a child serves many requests."""

    nice: int = 0
    """How far it stands back where others want the processor: 0 to 19."""

    def impose(self) -> None:
        """Bind this process to the limits, for good; the decoder minds `max_pixels` itself."""
        os.nice(self.nice)
        limits = {
            resource.RLIMIT_AS: self.memory_bytes,
            resource.RLIMIT_FSIZE: self.file_bytes,
            resource.RLIMIT_CPU: self.cpu_s,
            resource.RLIMIT_CORE: 0,  # crashes are expected here, and a core is as large as memory
        }
        for what, most in limits.items():
            if most is not None:
                resource.setrlimit(what, (most, most))
