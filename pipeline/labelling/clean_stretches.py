"""The filter that learned from labels: what is no clean play is dropped, by reason.

Frames are asked at ticks of an absolute grid, in the same pass over the frames as the other
filters. What was said of each is kept in the record of the shard, so that other thresholds need no
second look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.shards.commits import CLEAN
from ..filtering.config import CleanConfig
from ..filtering.runs import PARTS, context_of, in_parts, in_runs, reach_of, smoothed, window_of
from .filter import Verdicts
from .picture_in_picture import PICTURE_IN_PICTURE, InsetFinder

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ..filtering.clean_filter import CleanFilter

ASKED_A_SECOND = 3.0
UNNAMED = "unclean"  # where labels named no reasons
FEW_CLEAN = "few_clean"  # a clean frame among others that are not


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability on, and in what runs, frames at a tick rate are kept."""

    config: CleanConfig
    tick_hz: float

    @property
    def every(self) -> int:
        """Ticks between two that are asked."""
        return max(1, round(self.tick_hz / ASKED_A_SECOND))

    @property
    def asked_hz(self) -> float:
        """Asked frames a second."""
        return self.tick_hz / self.every

    @property
    def context(self) -> int:
        """Ticks on each side of a tick that decide whether it is kept."""
        return (context_of(self.config, self.asked_hz) + 1) * self.every

    def smooth(self, parts: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is said of consecutive asked frames, [n] of [n] thousandths."""
        return smoothed(parts, reach_of(self.config, self.asked_hz))

    def is_clean(self, parts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether consecutive asked frames are clean, [n] of [n] thousandths."""
        return self.smooth(parts) >= self.config.threshold

    def keep(self, parts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether consecutive asked frames are kept, [n] of [n] thousandths."""
        window = window_of(self.config, self.asked_hz)
        return in_runs(self.is_clean(parts), window, self.config.min_share)

    def frame_of(self, ticks: NDArray[np.int64], first: int, count: int) -> NDArray[np.int64]:
        """Which of `count` asked frames, `first` of them at the tick of that number, speaks for
        each tick: the nearest.
        """
        nearest = (ticks + self.every // 2) // self.every - first // self.every
        return np.clip(nearest, 0, count - 1)


class CleanJudge:
    """Judges runs of frames of one video after the other, and keeps for the record what it said.

    Args:
        clean_filter: what is asked.
        config: how its answers are used; its threshold is the one that counts.
        tick_hz: of the frames.
    """

    def __init__(self, clean_filter: CleanFilter, config: CleanConfig, tick_hz: float):
        self.sha256 = clean_filter.sha256
        self._filter = clean_filter
        self.thresholds = Thresholds(config, tick_hz)
        drops = config.picture_in_picture == "drop"
        self._insets = InsetFinder(clean_filter.own_lines if drops else None)
        self._source = ""
        self._said: dict[int, tuple[int, int]] = {}  # by tick, of that source
        self._parts: dict[int, int] = {}  # what counts of that, by tick, as judged last
        self._noted: dict[str, dict[str, Any]] = {}

    @property
    def context(self) -> int:
        """How many ticks on each side of a tick its verdict depends on."""
        return self.thresholds.context + self._insets.reach * self.thresholds.every

    def begin(self) -> None:
        """Begin a shard."""
        self._noted, self._source = {}, ""

    def judge(
        self, frames: NDArray[np.uint8], start: int, verdicts: Verdicts, sha256: str
    ) -> tuple[Verdicts, NDArray[np.int64]]:
        """Drop further ticks of a video.

        Args:
            frames: uint8 [n, H, W, 3], consecutive ticks from `start` on, on which the verdicts
                depend.
            verdicts: of m of these ticks.
            sha256: which video.

        Returns:
            The verdicts, and the probability of being clean of each of their ticks, thousandths,
            int [m].
        """
        shown = np.arange(start, start + len(frames))
        asked = shown[shown % self.thresholds.every == 0]
        ticks = np.arange(verdicts.start, verdicts.start + len(verdicts.reasons))
        if not len(asked):
            return verdicts, np.full(len(ticks), PARTS)
        parts, named = self.ask(frames[asked - start], asked, sha256)
        said, kept = self.thresholds.smooth(parts), self.thresholds.keep(parts)
        named[self.thresholds.is_clean(parts)] = FEW_CLEAN
        frame = self.thresholds.frame_of(ticks, int(asked[0]), len(asked))
        found = verdicts.without(~kept[frame], named[frame])
        return found, np.round(PARTS * said[frame]).astype(np.int64)

    def ask(
        self, frames: NDArray[np.uint8], asked: NDArray[np.int64], sha256: str
    ) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        """What is said of consecutive asked frames of a video.

        Args:
            frames: uint8 [n, H, W, 3].
            asked: their ticks, [n].
            sha256: which video.

        Returns:
            Thousandths of each, int [n], none in an inset, and why each would be dropped, object
            [n]. Neither depends on thresholds.
        """
        if sha256 != self._source:
            self._source, self._said = sha256, {}
            self._insets.begin()
        parts, likeliest = self._ask_filter(frames, asked)
        inset = self._insets.inside(frames, int(asked[0]) // self.thresholds.every)
        named = np.array([UNNAMED, *self._filter.reasons], object)[likeliest]
        # Of clean frames beside an inset little is thought because of it.
        beside = self.thresholds.smooth(PARTS * inset.astype(np.int64)) > 0
        named[inset | (beside & (parts >= PARTS // 2))] = PICTURE_IN_PICTURE
        parts = np.where(inset, 0, parts)
        self._parts = dict(zip(asked.tolist(), parts.tolist(), strict=True))
        return parts, named

    def _ask_filter(
        self, frames: NDArray[np.uint8], asked: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Thousandths [n] of frames by themselves, and which reason is the likeliest [n], counted
        from 1; 0 where there are none. What was asked before of the same video, as the halo of
        another segment, is remembered.
        """
        self._said = {tick: said for tick, said in self._said.items() if tick >= asked[0]}
        new = np.array([tick not in self._said for tick in asked.tolist()])
        if new.any():
            p, reasons = self._filter.ask(frames[new])
            likeliest = reasons.argmax(1) + 1 if reasons.shape[1] else np.zeros(len(p), np.int64)
            said = zip(in_parts(p).tolist(), likeliest.tolist(), strict=True)
            self._said |= dict(zip(asked[new].tolist(), said, strict=True))
        own = np.array([self._said[tick] for tick in asked.tolist()])
        return own[:, 0], own[:, 1]

    def note(
        self,
        sha256: str,
        uri: str,
        keep: tuple[int, int],
        verdicts: Verdicts,
        clean: NDArray[np.int64],
    ) -> None:
        """Note what was said of the ticks `keep` of a source."""
        own = self._noted.setdefault(sha256, {"uri": uri, "scores": [], "dropped": []})
        every = self.thresholds.every
        asked = range(-(-keep[0] // every) * every, keep[1], every)
        if asked:
            scores = [self._parts[tick] for tick in asked]
            own["scores"].append([asked[0], every, scores])
        mine = {*self._filter.reasons, UNNAMED, FEW_CLEAN, PICTURE_IN_PICTURE}
        for reason in sorted(mine.intersection(verdicts.drops(*keep))):
            own["dropped"] += [
                [start, end, reason, round(mean / PARTS, 4)]
                for start, end, mean in verdicts.dropped(reason, keep, clean)
            ]

    def for_record(self) -> dict[str, Any]:
        """What the shard's record keeps, by content hash: `scores`, `[first tick, ticks between,
        thousandths …]` of each segment, and `dropped`, `[start, end, reason, mean score]`.
        """
        return {CLEAN: dict(sorted(self._noted.items()))}
