"""How somebody else would have recorded the same play: frames that come late, a larger status bar,
pictures squeezed by a video site.

A recorder looks at the screen at its own rate, and at a tick the last of its pictures is what there
is: it may be up to one of its frames old, and by another amount at the next tick. Training sees
this on the recording's own frames, which lie between the ticks where it has more of them (35
frames/s at 17.5 ticks/s). A status bar of another scale is the lowest part of the picture,
enlarged. Compression is real H.264, at the size of the network's frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import FrameSpec
from ...datasets.video.resize import FrameResizer
from ..network.config import AugmentConfig

RATES = (24.0, 60.0)  # frames/s of recorders
BARS = (0.08, 0.18)  # height of a status bar, of the frame's
ENLARGED = (1.1, 1.6)  # times


@dataclass(frozen=True, slots=True)
class Recorder:
    """Who recorded one clip."""

    fps: float
    """Its rate; 0: it has each frame at its time."""
    offset: float
    """When it takes its first picture, 0..1 of one of its frames."""
    bar: tuple[float, float]
    """The status bar's share of the height, and how many times it is enlarged; (0, 1): it is as it
    was.
    """
    crf: int
    """x264's quality of its video; 0: as it was."""

    def delays(self, frames: NDArray[np.int64], rate: float) -> NDArray[np.int64]:
        """How old its last picture is when a screen of `rate` frames a second shows these, in
        frames of the screen.
        """
        taken = (np.floor(frames * (self.fps / rate) - self.offset) + self.offset) * (
            rate / self.fps
        )
        return frames - np.floor(taken + 1e-6).astype(np.int64)

    def shown(self, frames: NDArray[np.int64], rate: float) -> NDArray[np.int64]:
        """Which frames of the screen its pictures show then."""
        return frames - self.delays(frames, rate)


def draw_recorder(config: AugmentConfig, generator: np.random.Generator) -> Recorder:
    """One clip's draw. A draw takes the same numbers from the generator whatever is switched on."""
    late, fps, offset, squeezed, crf, larger, bar, times = generator.random(8)
    return Recorder(
        fps=_within(RATES, fps) if late < config.late_frames else 0.0,
        offset=offset,
        bar=(_within(BARS, bar), _within(ENLARGED, times))
        if larger < config.status_bar
        else (0.0, 1.0),
        crf=round(_within(config.crf, crf)) if squeezed < config.compressed else 0,
    )


def _within(ends: tuple[float, float], part: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * part


def enlarge_bar(frames: NDArray[np.uint8], share: float, factor: float) -> None:
    """Enlarge the lowest rows, in place: the middle of them, over what is above."""
    height, width = frames.shape[1:3]
    rows, inset = round(height * share), round(width * (1 - 1 / factor) / 2)
    resizer = FrameResizer(FrameSpec(width, round(rows * factor)))
    for frame in frames:
        bar = resizer.from_rgb(frame[height - rows :, inset : width - inset])
        frame[height - len(bar) :] = bar
