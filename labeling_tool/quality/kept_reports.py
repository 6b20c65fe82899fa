"""Reports that are made once for the state of a project, beside the requests that ask for them.

A large team's takes longer than a request should. Meanwhile the one before is told, as such.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

Parts = dict[int, Any]
Make = Callable[[Parts], dict[str, Any]]
MOST_PROJECTS = 8  # whose tasks' parts are kept: some 20 MB each at most


class Reports:
    """The last report of each project. One a server process; reports are made one at a time."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._parts: dict[int, Parts] = {}
        self._under_way: dict[int, tuple[object, Future[None]]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="report")

    def get(
        self, project_id: int, key: Any, make: Make, *, wait_s: float
    ) -> tuple[dict[str, Any] | None, bool]:
        """Return the newest report of a project, and whether it is of the state `key`.

        Args:
            project_id: whose.
            key: the project's state.
            make: makes the report, in another thread; it is given what the last one kept of each
                task, and changes that.
            wait_s: how long a new one is waited for; then the last one is returned, None where
                there is none yet.

        Raises:
            Exception: whatever `make` raises.
        """
        with self._lock:
            kept = self._kept.get(project_id)
            if kept is not None and kept[0] == key:
                return kept[1], True
            if project_id not in self._under_way:
                mark = object()
                new = self._pool.submit(self._make, mark, project_id, key, make)
                self._under_way[project_id] = (mark, new)
            _, made = self._under_way[project_id]
        with suppress(TimeoutError):
            made.result(wait_s)
        last_key, report = self._kept.get(project_id, (None, None))
        return report, report is not None and last_key == key

    def forget(self, project_id: int) -> None:
        """Let the next report be made anew: an answer that is known, or a name, has changed.

        One that is under way is not kept: it may have looked at that of before.
        """
        with self._lock:
            self._under_way.pop(project_id, None)
            self._kept.pop(project_id, None)
            self._parts.pop(project_id, None)

    def close(self) -> None:
        """Begin no other report."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, mark: object, project_id: int, key: Any, make: Make) -> None:
        try:
            with self._lock:
                parts = self._parts.pop(project_id, {})
            report = make(parts)
            with self._lock:
                if not self._is_wanted(mark, project_id):
                    return
                self._kept[project_id] = (key, report)
                self._parts[project_id] = parts
                while len(self._parts) > MOST_PROJECTS:
                    del self._parts[next(iter(self._parts))]
        finally:
            with self._lock:
                if self._is_wanted(mark, project_id):
                    del self._under_way[project_id]

    def _is_wanted(self, mark: object, project_id: int) -> bool:
        return project_id in self._under_way and self._under_way[project_id][0] is mark
