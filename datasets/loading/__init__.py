"""Loaders: batches of clips or of recordings, in an order that can be resumed at any step.

In come datasets or recordings, out go batches; trainings call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .batch import Batch as Batch
    from .clips import ClipLoader as ClipLoader
    from .recordings import RecordingLoader as RecordingLoader
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".batch": ("Batch",),
            ".clips": ("ClipLoader",),
            ".recordings": ("RecordingLoader",),
        },
    )
