"""Ctrl-C and SIGTERM end a run between two steps, with everything saved.

A second Ctrl-C ends it at once.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from ..errors import Interrupted
from ..progress import log


class StopRequest:
    """Watches for signals while it is open.

    with StopRequest() as stop:
        for step in ...:
            ...
            if stop.requested:
                save()
                stop.leave("step 120")
    """

    def __init__(self) -> None:
        self.requested = False
        self._old: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        # Elsewhere Python forbids handlers.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._old = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
        log("Stopping after this step (press Ctrl-C again to stop at once)")

    def leave(self, where: str) -> None:
        """Raise Interrupted (exit code 75): everything is saved."""
        raise Interrupted(
            f"stopped at {where}; everything is saved: the same command resumes there"
        )
