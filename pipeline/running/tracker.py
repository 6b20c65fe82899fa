"""How far a job is, read from its plan and its commit records: by any machine that sees the
dataset.

Rates and the time left come from when records were written (on this machine: seen), so that they
hold after restarts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ...datasets.shards.inventory import Inventory
from ...errors import CheckFailed
from ...progress import duration
from ..planning.plan import Plan

# Segments that failed with an error before a running job is stopped for them: whatever fails that
# often is not one odd file.
FEW_ERRORS = 16


@dataclass(slots=True)
class JobState:
    """The numbers that every display shows."""

    hours_total: float = 0.0
    """Hours of video in the plan."""
    hours_done: float = 0.0
    """Hours of video in shards that are committed."""
    hours_kept: float = 0.0
    """Hours in clips."""
    shards_total: int = 0
    shards_done: int = 0
    clips: int = 0
    video_hours_per_hour: float | None = None
    """The speed of this run; None before its first shard."""
    eta_s: float | None = None
    drops_hours: dict[str, float] = field(default_factory=dict)
    """Hours left out on purpose, by reason."""
    dead_letters: dict[str, int] = field(default_factory=dict)
    """Failed parts of sources, by reason."""
    workers: int | None = None
    """Processes at work now; None where that cannot be seen."""

    def line(self) -> str:
        """The numbers in a line, for people and logs."""
        # Two digits of an hour say nothing of a job of some minutes.
        unit, per_hour = ("h", 1) if self.hours_total >= 1 else ("min", 60)
        parts = [
            f"{self.hours_done * per_hour:.2f}/{self.hours_total * per_hour:.2f} {unit} of video",
            f"{self.shards_done}/{self.shards_total} shards",
            f"{self.clips:,} clips",
        ]
        if self.video_hours_per_hour is not None:
            parts.append(f"{self.video_hours_per_hour:.1f} video-h/h")
        if self.eta_s is not None:
            parts.append(f"{duration(self.eta_s)} left")
        if self.workers is not None:
            parts.append(f"{self.workers} working")
        parts += [
            f"{reason} {hours * per_hour:.2f} {unit}"
            for reason, hours in sorted(self.drops_hours.items())
        ]
        parts += [f"{reason} x{count}" for reason, count in sorted(self.dead_letters.items())]
        return ", ".join(parts)


class Tracker:
    """Follows a job. The summary of each commit record is read once.

    Args:
        found: what lay in the dataset when the job began: the first look is at that.
        ticks: length of the video in each shard of the job.
        tick_hz: ticks per second.
        dead_letters: how many are known before any shard is done, by reason.
    """

    def __init__(
        self,
        found: Inventory,
        ticks: Mapping[str, int],
        tick_hz: Fraction,
        dead_letters: Mapping[str, int] | None = None,
    ):
        self.dataset, self.tick_hz = found.dataset, tick_hz
        self._found = found
        self._ticks = dict(ticks)
        self._seen: dict[str, int] = {}
        self._clips = self._kept = 0
        self._drops: Counter[str] = Counter()
        self._failed, self._failed_ticks, self._last_failed = 0, 0, ""
        self._dead: Counter[str] = Counter(dead_letters or {})
        # Records are read when the state is asked for: where all shards are done, nobody asks.
        self._started_s: float | None = None
        self._started_ticks = 0
        self._last_commit_s = 0.0

    @classmethod
    def of_plan(cls, found: Inventory, plan: Plan) -> Tracker:
        """A tracker of the labeling of a plan."""
        dead = Counter(record.reason for record in plan.sources if record.status == "unreadable")
        dead.update(
            "truncated"
            for record in plan.sources
            if record.lost_ticks and record.status == "planned"
        )
        ticks = {shard: sum(s.ticks for s in segments) for shard, segments in plan.shards.items()}
        return cls(found, ticks, plan.tick_hz, dead)

    def look(self) -> Inventory:
        """List the records again: what is missing, and how many are done, is told by that."""
        self._found = self._found.again()
        return self._found

    def missing(self) -> list[str]:
        """The shards that had no record at the last look, in order."""
        return self._found.missing_of(self._ticks)

    def count_done(self) -> int:
        """How many records there are, of whichever shards; before the first `state` as it was when
        the job began.
        """
        return len((self._found if self._started_s is None else self.look()).committed)

    def state(self, workers: int | None = None) -> JobState:
        """Look again; the first time, what the job began with is the start of this run."""
        if self._started_s is not None:
            self.look()
        self._refresh()
        if self._started_s is None:
            self._started_s = self._last_commit_s = time.monotonic()
            self._started_ticks = sum(self._seen.values())
        hour = float(self.tick_hz) * 3600
        done, total = sum(self._seen.values()), sum(self._ticks.values())
        elapsed = self._last_commit_s - self._started_s
        rate = (
            (done - self._started_ticks) / elapsed
            if done > self._started_ticks and elapsed > 0
            else None
        )
        left = None
        if rate:
            left = max((total - done) / rate - (time.monotonic() - self._last_commit_s), 0.0)
        return JobState(
            hours_total=total / hour,
            hours_done=done / hour,
            hours_kept=self._kept / hour,
            shards_total=len(self._ticks),
            shards_done=len(self._seen),
            clips=self._clips,
            video_hours_per_hour=None if rate is None else rate / float(self.tick_hz),
            eta_s=left,
            drops_hours={reason: ticks / hour for reason, ticks in self._drops.items()},
            dead_letters=dict(self._dead),
            workers=workers,
        )

    def too_many_errors(self, max_share: float, *, fewest: int = FEW_ERRORS) -> CheckFailed | None:
        """The error that ends a job in which too much failed, as of the last look.

        Args:
            max_share: of the video that may fail with errors of the program.
            fewest: segments that must have failed.
        """
        share = self._failed_ticks / max(sum(self._ticks.values()), 1)
        if self._failed < fewest or share <= max_share:
            return None
        return CheckFailed(
            f"{self.dataset}: {self._failed} segments ({share:.2%} of the video) failed with an "
            f"error, more than max_failed_share ({max_share:.2%}) allows; the last one with "
            f"{self._last_failed}. Mend the cause, and run with --retry-dead-letters error"
        )

    def _refresh(self) -> None:
        new = [
            shard
            for shard in self._found.committed
            if shard in self._ticks and shard not in self._seen
        ]
        for shard, summary in self._found.read_summaries(new):
            self._seen[shard] = self._ticks[shard]
            self._clips += int(summary["clips"])
            self._kept += int(summary["ticks"])
            self._drops.update(summary["drops"])
            self._dead.update(summary["dead_letters"])
            if summary["dead_letters"].get("error"):
                self._count_errors(shard)
            self._last_commit_s = time.monotonic()

    def _count_errors(self, shard: str) -> None:
        for letter in self.dataset.read_commit(shard).dead_letters:
            if letter.reason == "error":
                self._failed += 1
                self._failed_ticks += (letter.end_tick or 0) - (letter.start_tick or 0)
                self._last_failed = letter.detail
