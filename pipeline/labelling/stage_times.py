"""How long a worker was at each stage of a shard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StageTimes:
    """Adds up seconds on the wall by stage (`stats.STAGES`), from `begin` on.

    Args:
        now: seconds on the wall.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter):
        self._now = now
        self.seconds: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Forget what was before: another shard begins."""
        self.seconds = {}
        self._began_s = self._now()

    @property
    def wall_s(self) -> float:
        """Seconds since `begin`."""
        return self._now() - self._began_s

    @contextmanager
    def at(self, stage: str) -> Iterator[None]:
        """Count the block to a stage."""
        began_s = self._now()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + self._now() - began_s
