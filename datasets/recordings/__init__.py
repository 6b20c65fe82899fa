"""Recordings, labeled play: a video and a line of JSON per frame.

In come frames with device states, out go the files, or ticks with their actions; games write and
trainings read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .recording import Recording as Recording
    from .recording import find_recordings as find_recordings
    from .stream import TickStream as TickStream
    from .writer import RecordingWriter as RecordingWriter
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".recording": ("Recording", "find_recordings"),
            ".stream": ("TickStream",),
            ".writer": ("RecordingWriter",),
        },
    )
