"""The static filter: which ticks carry play, judged from the pictures alone.

Two things are found: scene cuts (a level change, an edit), which end a stretch so that no window of
the model looks across them; and ticks without play (frozen or black), which are dropped with their
reason. Each answer depends only on ticks within `context` of it, so it is the same however a video
is segmented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...datasets.actions.stretches import stretches
from ..config import FilterConfig

FROZEN, BLACK = "frozen", "black"  # why ticks are dropped
# a side: a status bar's number or a far monster moves a block, a codec's key frames hardly do
BLOCKS = 8
SMALL = 64  # pixels a side that pictures are compared at
NEAR = 4  # pixels on each side that count as a pixel's neighborhood
NOISE_VARIANCE = 4.0  # levels squared: keeps flat parts flat
LEVELS = 8  # color histograms have 8 x 8 x 8 bins: coarse enough to forgive light and compression


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdicts:
    """What the filter says of consecutive ticks."""

    start: int
    """The first tick."""
    cuts: np.ndarray
    """bool [n]: a new scene begins at this tick."""
    reasons: np.ndarray
    """object [n]: why this tick is dropped, or None where it is kept."""
    differences: np.ndarray
    """float32 [n]: mean absolute difference from the tick before, levels of 255 (0 for the
    first).
    """

    @property
    def kept(self) -> np.ndarray:
        """bool [n]: no reason drops this tick."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)

    def without(self, ticks: np.ndarray, why: str | np.ndarray) -> Verdicts:
        """These verdicts with some ticks, bool [n], dropped too, as far as they were kept.

        Args:
            why: the reason, or that of each tick, object [n].
        """
        return replace(self, reasons=np.where(self.kept & ticks, why, self.reasons))

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The longest ranges `[start, end)` of kept ticks without a cut inside."""
        for a, b in stretches(self.kept).tolist():
            cuts = (a + 1 + np.flatnonzero(self.cuts[a + 1 : b])).tolist()
            for start, end in pairwise([a, *cuts, b]):
                yield self.start + start, self.start + end

    def drops(self, start: int, end: int) -> Counter[str]:
        """Dropped ticks within `[start, end)` by reason."""
        inside = self.reasons[max(start - self.start, 0) : max(end - self.start, 0)]
        return Counter(reason for reason in inside if reason is not None)

    def dropped(
        self, reason: str, keep: tuple[int, int], scores: np.ndarray
    ) -> Iterator[tuple[int, int, float]]:
        """The longest ranges of the ticks `keep` that a reason drops, with the mean over each of
        `scores` [n].
        """
        first = keep[0] - self.start
        inside = self.reasons[first : keep[1] - self.start]
        for a, b in stretches(inside == reason).tolist():
            yield keep[0] + a, keep[0] + b, float(scores[first + a : first + b].mean())


class StaticFilter:
    """Judges runs of frames of one video."""

    def __init__(self, config: FilterConfig):
        self.config = config

    @property
    def context(self) -> int:
        """How many ticks on each side of a tick its verdict depends on."""
        return self.config.frozen_ticks + 1

    def judge(self, frames: np.ndarray, start: int) -> Verdicts:
        """Judge consecutive frames.

        Args:
            frames: uint8 [n, H, W, 3], tick `start` first.
        """
        config, n = self.config, len(frames)
        differences = np.zeros(n, dtype=np.float32)
        largest = np.zeros(n, dtype=np.float32)
        cuts = np.zeros(n, dtype=bool)
        black = np.array([_is_black(frame, config.black_level) for frame in frames], dtype=bool)
        for i in range(1, n):
            blocks = block_differences(frames[i - 1], frames[i])
            differences[i], largest[i] = blocks.mean(), blocks.max()
            if differences[i] >= config.cut_difference:  # rare, so what is dearer costs nothing
                cuts[i] = (
                    histogram_distance(frames[i - 1], frames[i]) >= config.cut_histogram
                    and likeness(frames[i - 1], frames[i]) <= config.cut_likeness
                )
        frozen = _repeated(largest < config.frozen_difference, config.frozen_ticks)
        reasons = np.full(n, None, dtype=object)
        reasons[frozen] = FROZEN
        reasons[black] = BLACK
        return Verdicts(start=start, cuts=cuts, reasons=reasons, differences=differences)


def block_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference, levels, of two uint8 pictures in each of 8 x 8 blocks; float
    [8, 8].
    """
    height, width = a.shape[0] // BLOCKS, a.shape[1] // BLOCKS
    changed = np.maximum(a, b) - np.minimum(a, b)  # no wrap-around, no wider copy
    changed = changed[: BLOCKS * height, : BLOCKS * width]
    rows = changed.reshape(BLOCKS * height, BLOCKS, width * 3)
    sums = rows.sum(axis=2, dtype=np.uint32)  # (rows, 8)
    return sums.reshape(BLOCKS, height, BLOCKS).sum(axis=1) / (height * width * 3)  # (8, 8)


def histogram_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of the colors of two pictures of one size: 0 the same, 1 nothing in common."""
    return float(np.abs(_histogram(a) - _histogram(b)).sum()) / (2 * a[..., 0].size)


def _histogram(frame: np.ndarray) -> np.ndarray:
    """Counts of the 512 coarse colors, int64 [512]."""
    coarse = (frame >> 5).astype(np.uint16)  # 256 levels to 8
    codes = (coarse[..., 0] * LEVELS + coarse[..., 1]) * LEVELS + coarse[..., 2]
    return np.bincount(codes.ravel(), minlength=LEVELS**3)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """How far the correlation of the local contrast of two pictures of one size stands out at the
    shift that fits best, in standard deviations over all shifts.

    Pictures that have nothing to do with each other have 4.7 (3.4 to 7.0 in nine of ten pairs out
    of Doom), through a flash and a tick's motion 10 stay (5.7 to 17).
    """
    now, then = _contrast(a), _contrast(b)
    correlation = np.fft.irfft2(np.fft.rfft2(now).conj() * np.fft.rfft2(then), s=now.shape)
    return float(correlation.max() / max(correlation.std(), 1e-9))


def _contrast(frame: np.ndarray) -> np.ndarray:
    """Grey, 64 pixels a side or less, less its neighborhood's mean and over its deviation, of
    length one.
    """
    rows, columns = (min(SMALL, side) for side in frame.shape[:2])
    height, width = frame.shape[0] // rows, frame.shape[1] // columns
    part = frame[: rows * height, : columns * width].reshape(rows, height, columns, width * 3)
    small = part.mean(axis=(1, 3), dtype=np.float32)
    detail = small - _neighborhood(small)
    detail /= np.sqrt(_neighborhood(detail * detail) + NOISE_VARIANCE)
    detail -= detail.mean()
    return detail / max(float(np.linalg.norm(detail)), 1e-6)


def _neighborhood(x: np.ndarray) -> np.ndarray:
    """Mean over the 9 x 9 pixels around each one, [H, W]."""
    padded = np.pad(x, NEAR, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (2 * NEAR + 1, 2 * NEAR + 1)).mean(
        axis=(2, 3)
    )


def _is_black(frame: np.ndarray, level: int) -> bool:
    return int(np.count_nonzero(frame >= level)) <= frame.size // 100


def _repeated(same: np.ndarray, min_ticks: int) -> np.ndarray:
    """Ticks of stretches in which at least `min_ticks` ticks after the first repeat the picture
    before them.

    `same[i]` says that tick i shows the picture of tick i - 1; the first tick has nothing to
    repeat.
    """
    same = same.copy()
    same[:1] = False
    out = np.zeros(len(same), dtype=bool)
    for a, b in stretches(same):  # [a, b) repeat
        if b - a >= min_ticks:
            out[a:b] = True  # tick a - 1 shows the picture first: it was play
    return out
