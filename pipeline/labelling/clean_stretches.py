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
        self._source = ""
        self._said: dict[int, tuple[int, NDArray[np.float64]]] = {}  # by tick, of that source
        self._noted: dict[str, dict[str, Any]] = {}

    @property
    def context(self) -> int:
        """How many ticks on each side of a tick its verdict depends on."""
        return self.thresholds.context

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
        parts, reasons = self._ask(frames, asked, start, sha256)
        said, kept = self.thresholds.smooth(parts), self.thresholds.keep(parts)
        named = self._name(reasons, said, self.thresholds.is_clean(parts))
        frame = self.thresholds.frame_of(ticks, int(asked[0]), len(asked))
        found = verdicts.without(~kept[frame], named[frame])
        return found, np.round(PARTS * said[frame]).astype(np.int64)

    def _ask(
        self, frames: NDArray[np.uint8], asked: NDArray[np.int64], start: int, sha256: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Thousandths [n] and log-odds of reasons [n, R] of ticks; what was asked before of the
        same video, as the halo of another segment, is remembered.
        """
        if sha256 != self._source:
            self._source, self._said = sha256, {}
        self._said = {tick: said for tick, said in self._said.items() if tick >= start}
        if new := [tick for tick in asked.tolist() if tick not in self._said]:
            p, reasons = self._filter.ask(frames[np.array(new) - start])
            self._said |= dict(
                zip(new, zip(in_parts(p).tolist(), reasons, strict=True), strict=True)
            )
        own = [self._said[tick] for tick in asked.tolist()]
        return np.array([part for part, _ in own]), np.stack([reasons for _, reasons in own])

    def _name(
        self,
        reasons: NDArray[np.float64],
        said: NDArray[np.float64],
        clean: NDArray[np.bool_],
    ) -> NDArray[np.object_]:
        """Why each asked frame would be dropped, object [n]."""
        named = np.full(len(said), UNNAMED, object)
        if self._filter.reasons:
            likeliest = reasons.argmax(1)
            named[:] = [self._filter.reasons[place] for place in likeliest]
        named[clean] = FEW_CLEAN
        return named

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
            scores = [self._said[tick][0] for tick in asked]
            own["scores"].append([asked[0], every, scores])
        mine = {*self._filter.reasons, UNNAMED, FEW_CLEAN}
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
