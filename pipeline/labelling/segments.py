"""Segments of a shard: their ticks as they were decoded, and what became of those that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...datasets.shards.clip import Clip
from ...datasets.shards.commits import DeadLetter
from ...signed_addresses import hide_keys
from ..planning.layout import Segment
from .judging import Judgment
from .tasks import ShardTask


class Sink(Protocol):
    """What takes clips and tells of what gives none: a `ShardWriter`, or what stands for one."""

    def add(self, clip: Clip) -> None:
        """Take a clip."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Note a part of a source that failed."""

    def drop(self, reason: str, ticks: int) -> None:
        """Count ticks that are left out on purpose."""


@dataclass(frozen=True, slots=True)
class SegmentTicks:
    """The decoded ticks of a segment and its halo, as far as they are good."""

    start: int
    frames: np.ndarray
    """uint8 [n, H, W, 3]: tick `start` first."""
    pts_ns: np.ndarray
    """int64 [n]."""
    judged: Judgment

    def at(self, start: int, end: int) -> slice:
        """Where ticks `[start, end)` lie in the arrays."""
        return slice(start - self.start, end - self.start)


def without_failed(
    segments: Iterable[Segment], task: ShardTask, failed: Mapping[int, str], writer: Sink
) -> list[Segment]:
    """The segments that are to be tried; the others become dead letters."""
    todo = []
    for segment in segments:
        if segment.segment in task.quarantined:
            detail = "its worker died twice in this segment"
            dead(writer, segment, "label", "killed_worker", detail)
        elif segment.segment in failed:
            dead(writer, segment, "label", "error", failed[segment.segment])
        else:
            todo.append(segment)
    return todo


def dead(
    writer: Sink,
    segment: Segment,
    stage: str,
    reason: str,
    detail: str,
    *,
    start_tick: int | None = None,
) -> None:
    """Note that a segment, from `start_tick` on, gave no labels."""
    writer.dead_letter(
        DeadLetter(
            source_uri=segment.shown_uri,
            source_sha256=segment.source_sha256,
            start_tick=segment.start_tick if start_tick is None else start_tick,
            end_tick=segment.end_tick,
            stage=stage,
            reason=reason,
            detail=hide_keys(detail),
        )
    )
