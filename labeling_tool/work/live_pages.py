"""The pages that are open: how many, and the progress that all of them are told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

MOST = 1000  # open pages of all people
MOST_EACH = 20  # of one person: tabs, windows and devices
FRESH_S = 4.0  # projects are counted once for all pages, not once for each


class LivePages:
    """Counts open pages, and keeps what they are told for a moment."""

    def __init__(self) -> None:
        self._open: Counter[int] = Counter()
        self._told: dict[int, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def enter(self, user_id: int) -> bool:
        """Count a page; False where there are too many."""
        with self._lock:
            if self._open[user_id] >= MOST_EACH or self._open.total() >= MOST:
                return False
            self._open[user_id] += 1
            return True

    def leave(self, user_id: int) -> None:
        """Count a page less."""
        with self._lock:
            self._open[user_id] -= 1
            if self._open[user_id] <= 0:
                del self._open[user_id]

    def progress(
        self, project_ids: Sequence[int], count: Callable[[list[int]], dict[int, Any]]
    ) -> dict[int, Any]:
        """Return projects' progress by their ids.

        Args:
            project_ids: whose.
            count: counts those anew of which what is known is not fresh.
        """
        now = time.monotonic()
        with self._lock:
            found = {
                project_id: value
                for project_id in project_ids
                for at, value in [self._told.get(project_id, (-FRESH_S, None))]
                if now - at < FRESH_S
            }
        if stale := [project_id for project_id in project_ids if project_id not in found]:
            counted = count(stale)
            with self._lock:
                self._told |= {key: (now, value) for key, value in counted.items()}
            found |= counted
        return found
