"""How much memory a step takes, its children included."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType

INTERVAL_S = 1.0
MIN_PAUSES = 100  # a sample's own time is at most one part in so many: counting shared pages takes 10 ms a gigabyte


class MemoryWatch:
    """Samples the memory of all processes below this one; a context manager.

    What counts is the proportional share (PSS) where the system tells it, so that pages which processes share are
    counted once. On systems without /proc it stays 0.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory-watch", daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End the sampling; the largest sample, bytes."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        return self.peak_bytes

    def _sample(self) -> None:
        while True:
            begun = time.thread_time()
            self.peak_bytes = max(self.peak_bytes, sum(map(memory_bytes, family(os.getpid()))))
            if self._stopped.wait(max(INTERVAL_S, MIN_PAUSES * (time.thread_time() - begun))):
                return


def family(root: int) -> list[int]:
    """Process numbers of `root` and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:  # it ended meanwhile
            continue
        parent = int(
            text.rpartition(")")[2].split()[1]
        )  # the name before it may hold spaces and brackets
        children.setdefault(parent, []).append(int(entry.parent.name))
    found, todo = [], [root]
    while todo:
        process = todo.pop()
        found.append(process)
        todo += children.get(process, [])
    return found


def memory_bytes(process: int) -> int:
    """Memory of one process, bytes: its proportional share, else its resident set, else 0."""
    for name, row in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            for line in Path(f"/proc/{process}/{name}").read_text().splitlines():
                if line.startswith(row):
                    return int(line.split()[1]) * 1024
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return 0
