"""Video files of any origin: probed, decoded at a tick rate and resized; strangers' in a sandbox.

In come files, out go frames at the spec's size and tick rate; recordings, jobs and the labeling
tool call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .frames import DamageError as DamageError
    from .frames import decode_frames as decode_frames
    from .probe import VideoProbe as VideoProbe
    from .resize import FrameResizer as FrameResizer
    from .sandbox import open_decoder as open_decoder
    from .ticks import decode_ticks as decode_ticks
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".frames": ("DamageError", "decode_frames"),
            ".probe": ("VideoProbe",),
            ".resize": ("FrameResizer",),
            ".sandbox": ("open_decoder",),
            ".ticks": ("decode_ticks",),
        },
    )
