"""How much memory a step takes, its children included."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

import psutil

INTERVAL_S = 1.0
MIN_PAUSES = 100  # a sample's own time is at most one part in so many: PSS takes 10 ms per gigabyte


class MemoryWatch:
    """Samples the memory of all processes below this one; a context manager.

    What counts is the proportional share (PSS) where the system tells it, so that pages which
    processes share are counted once.
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
            self.peak_bytes = max(self.peak_bytes, family_bytes(os.getpid()))
            if self._stopped.wait(max(INTERVAL_S, MIN_PAUSES * (time.thread_time() - begun))):
                return


def family_bytes(root: int) -> int:
    """Return the memory of `root` and all its descendants, bytes."""
    try:
        process = psutil.Process(root)
        return sum(map(memory_bytes, [process, *process.children(recursive=True)]))
    except psutil.Error:  # it ended meanwhile
        return 0


def memory_bytes(process: psutil.Process) -> int:
    """Return the memory of one process, bytes: its proportional share, else its resident set."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):  # it ended, belongs to somebody else, or no PSS here
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
