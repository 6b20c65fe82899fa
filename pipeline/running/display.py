"""Shows a job's progress: a live line on a terminal, plain lines in a log, JSON lines for
programs.
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import asdict

from ...progress import PLAIN_INTERVAL_S, is_terminal, write_no_more
from .tracker import JobState, Tracker

LIVE_INTERVAL_S = 1.0
REMOTE_INTERVAL_S = 5.0  # a listing of a bucket is a request that costs money
SPENT = 0.05  # at most this share of the time goes into looks: ten thousand records take a second


class Display:
    """Refreshes at its own pace however often `update` is called.

    Args:
        json_lines: print the state as JSON lines on stdout instead of lines on stderr.
        remote: the dataset lies in a bucket.
    """

    def __init__(self, tracker: Tracker, *, json_lines: bool = False, remote: bool = False):
        self.tracker, self.json_lines = tracker, json_lines
        self.live = is_terminal() and not json_lines
        self.look_s = REMOTE_INTERVAL_S if remote else LIVE_INTERVAL_S
        # Looking may take seconds in a large dataset, in which the workers can begin.
        self.state = JobState()
        self._looked_s = self._next_s = -math.inf
        self._printed_s = time.monotonic()
        self._status: object | None = None

    def __enter__(self) -> Display:
        if self.live:
            from rich.console import Console
            from rich.status import Status

            self._status = status = Status(
                self._text(), console=Console(stderr=True), spinner="line"
            )
            status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()  # type: ignore[attr-defined]
            self._status = None
        self.state = self.tracker.state()
        self._print()

    def update(self, workers: int | None = None) -> None:
        """Look and show, where it is time to."""
        now = time.monotonic()
        if now < self._next_s:
            return
        self._looked_s = now
        self.state = self.tracker.state(workers)
        took_s = time.monotonic() - now
        self._next_s = now + max(self.look_s, took_s / SPENT)
        if self._status is not None:
            self._status.update(self._text())  # type: ignore[attr-defined]
        elif now - self._printed_s >= PLAIN_INTERVAL_S:
            self._printed_s = now
            self._print()

    def _text(self) -> str:
        if self._looked_s == -math.inf:
            return "Labelling: looking at what is done"
        return "Labelling: " + self.state.line().replace("[", r"\[")

    def _print(self) -> None:
        if self.json_lines:
            try:
                state = {"time": round(time.time(), 3), **asdict(self.state)}
                print(json.dumps(state), flush=True)
            except BrokenPipeError:  # nobody reads any more; the work continues
                write_no_more(sys.stdout)
        else:
            print("Labelling: " + self.state.line(), file=sys.stderr, flush=True)
