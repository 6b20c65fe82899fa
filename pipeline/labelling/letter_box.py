"""Black bars above and below a picture, or left and right of it: play that was boxed.

n ticks, H rows, W columns

Bars are told by the pictures alone: two opposite ones, equally thick, that stay as they are for
seconds. Whether a game has them itself, the pictures cannot say; an IDM that knows its game can
(`not_the_game.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import FrameSpec
from ...datasets.actions.stretches import stretches
from ...datasets.video.resize import FrameResizer

Bools = NDArray[np.bool_]
Bars = NDArray[np.int64]
LETTER_BOX = "letter_box"  # why ticks are dropped
BLACK_LEVEL = 24  # of 255: a codec smears the picture over the edge of a bar
STRAY = 0.02  # of a line's pixels that may be brighter: what a codec leaves
THINNEST = 0.04  # of a side that each bar covers: 16:10 in 16:9 leaves 0.05
THICKEST = 0.35  # what lies between is still a picture
UNEQUAL = 0.02  # of the side, by which the two may differ, or by a pixel: sizes need not be even
LEAST_TICKS = 30  # that bars stay as they are: nearly two seconds at 17.5 ticks


def bars_of(frame: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Black lines at the top, bottom, left and right of a picture uint8 [H, W, 3], where opposite
    sides have a bar each; zeros where they do not.
    """
    if not (_dark(frame[0]) and _dark(frame[-1])) and not (
        _dark(frame[:, 0]) and _dark(frame[:, -1])
    ):
        return 0, 0, 0, 0  # nearly every picture
    brightest = frame.max(axis=2) >= BLACK_LEVEL  # (H, W)
    found = [0, 0, 0, 0]
    for pair, side in ((0, 1), (2, 0)):  # rows are dark along the columns
        length = brightest.shape[1 - side]
        lit = np.flatnonzero(brightest.mean(axis=side) > STRAY)
        if not len(lit):
            return 0, 0, 0, 0  # black
        first, last = int(lit[0]), length - 1 - int(lit[-1])
        thick = THINNEST * length <= min(first, last) and max(first, last) <= THICKEST * length
        if thick and abs(first - last) <= max(1.0, UNEQUAL * length):
            found[pair : pair + 2] = first, last
    return found[0], found[1], found[2], found[3]


def _dark(line: NDArray[np.uint8]) -> bool:
    """Whether a line of pixels [L, 3] is black but for strays."""
    return int(np.count_nonzero(line >= BLACK_LEVEL)) <= STRAY * line.size


def boxed(frames: NDArray[np.uint8]) -> Bars:
    """Of consecutive frames uint8 [n, H, W, 3] the bars of each, int [n, 4], as `bars_of`, where
    they stay for `LEAST_TICKS`; zeros elsewhere.
    """
    found = np.array([bars_of(frame) for frame in frames], np.int64).reshape(len(frames), 4)
    stays = np.zeros(len(frames), bool)
    stays[1:] = (np.abs(np.diff(found, axis=0)) <= 1).all(1) & (found[1:] > 0).any(1)
    keeps = np.zeros(len(frames), bool)
    for a, b in stretches(stays).tolist():  # tick a - 1 is the first that shows these bars
        if b - a + 1 >= LEAST_TICKS:
            keeps[a - 1 : b] = True
    found[~keeps] = 0
    return found


def without_bars(frames: NDArray[np.uint8], bars: Bars) -> NDArray[np.uint8]:
    """What lies between the bars of frames [n, H, W, 3], brought back to their size."""
    height, width = frames.shape[1:3]
    resizer = FrameResizer(FrameSpec(width, height))
    return np.stack(
        [
            resizer.from_rgb(
                np.ascontiguousarray(frame[top : height - bottom, left : width - right])
            )
            for frame, (top, bottom, left, right) in zip(frames, bars.tolist(), strict=True)
        ]
    )
