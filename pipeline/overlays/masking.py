"""Frames without the overlay: whoever learns from them must not read it.

The box of an overlay, and a rim that compression smears it into, is filled from the pixels about
it; nothing within has a say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MARGIN = 8  # pixels: half a macroblock, over which H.264's transforms and filters reach

Box = tuple[int, int, int, int]


class Mask:
    """Covers boxes of frames.

    Args:
        boxes: left, top, right and bottom, half-open, without the rim.
        size: width and height of the frames.
    """

    def __init__(self, boxes: Sequence[Box], size: tuple[int, int]):
        width, height = size
        self.boxes = [
            (
                max(0, left - MARGIN),
                max(0, top - MARGIN),
                min(width, right + MARGIN),
                min(height, bottom + MARGIN),
            )
            for left, top, right, bottom in boxes
        ]
        self._size = size

    def cover(self, frames: NDArray[np.uint8]) -> None:
        """Fill the boxes of frames uint8 [n, H, W, 3], in place."""
        for box in self.boxes:
            self._fill(frames, box)

    def _fill(self, frames: NDArray[np.uint8], box: Box) -> None:
        """The mean of two lines between opposite sides; a side on the frame's end has no say."""
        left, top, right, bottom = box
        width, height = self._size
        down = _between(
            frames[:, top - 1, left:right] if top else None,
            frames[:, bottom, left:right] if bottom < height else None,
            bottom - top,
        )
        across = _between(
            frames[:, top:bottom, left - 1] if left else None,
            frames[:, top:bottom, right] if right < width else None,
            right - left,
        )
        parts = [] if down is None else [down.transpose(1, 0, 2, 3)]
        parts += [] if across is None else [across.transpose(1, 2, 0, 3)]
        inside = frames[:, top:bottom, left:right]
        inside[:] = np.mean(parts, axis=0).round() if parts else 0


def _between(
    first: NDArray[np.uint8] | None, last: NDArray[np.uint8] | None, count: int
) -> NDArray[np.float32] | None:
    """Lines of pixels [n, L, 3] on the way from one to another: [count, n, L, 3]."""
    if first is None or last is None:
        one = last if first is None else first
        return None if one is None else np.repeat(one[None].astype(np.float32), count, axis=0)
    share = (np.arange(count, dtype=np.float32) + 1) / (count + 1)
    start, end = first.astype(np.float32), last.astype(np.float32)
    return start + share[:, None, None, None] * (end - start)
