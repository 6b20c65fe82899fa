"""A polite stop: a process that gets SIGTERM finishes the shard it is at, where it can.

A scheduler that takes a machine away says so some time before: `drain_s` is how long to go on. What
is not finished then is given back, and made again by whoever runs next.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

DRAIN_S = 25.0  # Kubernetes kills 30 s after its SIGTERM
LOOK_S = 0.2
TERMINATED = 128 + signal.SIGTERM  # the exit code of a process that was stopped so


class Drain:
    """Whether this process is to stop, and what it is at."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._busy = threading.Lock()
        self._give_back: Callable[[], None] = lambda: None

    @contextmanager
    def working(self, give_back: Callable[[], None]) -> Iterator[None]:
        """Note that work is done in the block.

        Args:
            give_back: called where the process has to end in the middle of it.
        """
        with self._busy:
            self._give_back = give_back
            try:
                yield
            finally:
                self._give_back = lambda: None

    def exit_on_sigterm(self, drain_s: float) -> None:
        """From now on, let SIGTERM end this process when its shard is done, or after `drain_s`
        seconds. To be called in the main thread.
        """

        def stop(signum: int, frame: object) -> None:
            if not self.asked.is_set():
                self.asked.set()
                threading.Thread(target=self._exit, args=(drain_s,), daemon=True).start()

        signal.signal(signal.SIGTERM, stop)

    def _exit(self, drain_s: float) -> None:
        if not self._busy.acquire(timeout=drain_s):
            with suppress(Exception):
                self._give_back()
        os._exit(TERMINATED)


DRAIN = Drain()
"""Of this process: a signal comes to the process, not to an object in it."""


@contextmanager
def sigterm_noted() -> Iterator[threading.Event]:
    """Yield an event that is set when SIGTERM comes, in place of what it would do else.

    Nothing is changed outside the main thread, where signals do not arrive.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGTERM, lambda signum, frame: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_exit() -> None:
    """Wait for the end of a process that is to take nothing more."""
    while True:
        time.sleep(LOOK_S)
