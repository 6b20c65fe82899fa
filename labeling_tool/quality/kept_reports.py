"""Reports that are made once for the state of a project, however often they are looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Reports:
    """The last report of each project. One a server process."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._lock = threading.Lock()  # one at a time: each replays all work on a project

    def get(self, project_id: int, key: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the report of a project in the state `key`, made where it is not there."""
        kept = self._kept.get(project_id)
        if kept is not None and kept[0] == key:
            return kept[1]
        with self._lock:
            kept = self._kept.get(project_id)
            if kept is None or kept[0] != key:
                kept = self._kept[project_id] = (key, make())
            return kept[1]
