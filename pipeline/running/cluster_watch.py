"""Watches the workers of a cluster from the machine that submitted the job. It cannot restart them,
but it says which of them gives no sign of life.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ...progress import log
from .shared_run import TOUCH_S, SharedRun

LOOK_S = 2 * TOUCH_S  # a look is a request for each worker


class ClusterWatch:
    """Looks at the workers' markers from time to time.

    Args:
        run: what the workers tell.
        stall_s: seconds without a sign of life after which a worker is told of, once.
        now: Unix time.
    """

    def __init__(self, run: SharedRun, stall_s: float, now: Callable[[], float] = time.time):
        self._run, self._stall_s, self._now = run, stall_s, now
        self._looked_s = now()
        self._told: set[tuple[str, float]] = set()
        self.workers: int | None = None

    def look(self) -> int | None:
        """Return how many workers are at work; None before the first look."""
        now = self._now()
        if now - self._looked_s < LOOK_S:
            return self.workers
        self._looked_s = now
        silent = 0
        markers = self._run.markers()
        for shard, marker in sorted(markers.items()):
            silence_s = now - float(marker.get("touched_s", now))
            if silence_s <= self._stall_s:
                continue
            silent += 1
            sign = shard, float(marker["touched_s"])
            if sign not in self._told:
                self._told.add(sign)
                log(
                    f"worker {marker.get('pid')} on {marker.get('host')} gives no sign of life at "
                    f"{shard}, segment {marker.get('segment')}, for {silence_s:.0f} s"
                )
        self.workers = len(markers) - silent
        return self.workers
