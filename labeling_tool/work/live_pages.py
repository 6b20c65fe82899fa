"""The pages that are open: how many, and the progress that all of them are told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

MOST = 1000  # open pages of all people
MOST_EACH = 20  # of one person: tabs, windows and devices
FRESH_S = 4.0  # counting a project takes five queries: once for all pages, not once for each


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

    def progress(self, project_id: int, count: Callable[[], Any]) -> Any:
        """Return a project's progress, counted anew where what is known is not fresh."""
        now = time.monotonic()
        with self._lock:
            at, value = self._told.get(project_id, (-FRESH_S, None))
        if now - at < FRESH_S:
            return value
        value = count()
        with self._lock:
            self._told[project_id] = (now, value)
        return value
