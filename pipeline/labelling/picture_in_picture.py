"""Face cams and other pictures in the picture, found by looking at seconds of asked frames.

n asked frames, H rows, W columns

A single frame hardly shows them: their pictures are as good as any. What is found of a stretch of
eight seconds holds for all of its frames. Stretches begin at frames of an absolute grid, and so no
answer depends on where a video was cut into segments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..filtering.insets import CHANGES, Inset, OwnLines, find_inset, gray_of, votes

Bools = NDArray[np.bool_]
PICTURE_IN_PICTURE = "picture_in_picture"  # why ticks are dropped
STEP = CHANGES // 8  # asked frames from one stretch to the next


class InsetFinder:
    """Finds insets in runs of asked frames of one video after the other.

    Args:
        own: lines that the game has itself; nothing is found where they are not known.
    """

    def __init__(self, own: OwnLines | None):
        self._own = own
        self._found: dict[int, Inset | None] = {}  # by the number of a stretch's first frame

    @property
    def reach(self) -> int:
        """How many asked frames on each side of one its answer depends on."""
        # The last frames of a video are as those before them: no stretch begins so late.
        return CHANGES + STEP if self._own is not None else 0

    def begin(self) -> None:
        """Begin a video."""
        self._found = {}

    def inside(self, frames: NDArray[np.uint8], first: int) -> Bools:
        """Which of consecutive asked frames, uint8 [n, H, W, 3], show an inset, bool [n].

        Args:
            first: the number of the first of them in the video.
        """
        found = np.zeros(len(frames), bool)
        starts = range(-(-first // STEP) * STEP, first + len(frames) - CHANGES, STEP)
        self._look(frames, first, [start for start in starts if start not in self._found])
        self._found = {at: inset for at, inset in self._found.items() if at >= first}
        for start in starts:
            if self._found[start] is not None:
                found[start - first : start - first + CHANGES + 1] = True
        if starts:
            end = starts[-1] - first + CHANGES
            found[end:] = found[end]
        return found

    def _look(self, frames: NDArray[np.uint8], first: int, starts: list[int]) -> None:
        """Find what stretches show that begin at frames of these numbers."""
        if self._own is None or not starts:
            self._found |= dict.fromkeys(starts)
            return
        gray = gray_of(frames[starts[0] - first : starts[-1] - first + CHANGES + 1])
        changes = np.diff(gray, axis=0)
        sums = [votes(changes[i : i + STEP]) for i in range(0, len(changes), STEP)]
        # Of two, four and eight steps, always in this order: what is said of a stretch is the same
        # to the last bit, wherever the first one lies.
        for apart in (1, 2, 4):
            sums = [
                (one[0] + other[0], one[1] + other[1])
                for one, other in zip(sums, sums[apart:], strict=False)
            ]
        wanted = set(starts)
        for start, sums_of in zip(range(starts[0], starts[-1] + 1, STEP), sums, strict=True):
            if start in wanted:
                self._found[start] = find_inset(sums_of, self._own)
