"""What a loader does when storage or a clip fails: patience, a budget, and counters.

A bucket that answers 503 or hangs is asked again with growing pauses; a clip that is damaged may
be left out, so many times and never silently; what was taken down is left out always.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ...errors import ConfigError, ShardError
from ...progress import log
from ...storage_failures import full_name, is_storage_failure, patiently, pauses

Value = TypeVar("Value")
FIRST_PAUSE_S = 0.5  # doubled each time; with the default of 8 retries: two minutes in all
SHOWN = 20  # bad clips that are named; the counter has all


class Faults:
    """Patience with storage, a budget of bad clips, and what was met; used by many threads.

    Args:
        retries: how often a read is tried again after storage failed.
        timeout_s: seconds after which a read from a bucket counts as failed; 0 for never.
        max_bad_clips: how many clips that are damaged or missing may be left out.
    """

    def __init__(self, *, retries: int, timeout_s: float, max_bad_clips: int):
        for name, value in (
            ("retries", retries),
            ("timeout_s", timeout_s),
            ("max_bad_clips", max_bad_clips),
        ):
            if not value >= 0:
                raise ConfigError(f"{name} must be 0 or more, got {value}")
        self.retries, self.timeout_s, self.max_bad_clips = retries, timeout_s, max_bad_clips
        self.counts: Counter[str] = Counter()
        self._clips: set[tuple[str, int, str]] = set()
        self._lock = threading.Lock()

    def count(self, what: str) -> int:
        """Count something that was met; how often it was."""
        with self._lock:
            self.counts[what] += 1
            return self.counts[what]

    def count_clip(self, what: str, dataset: int, key: str) -> int:
        """Count a clip by its dataset's number and its key, once however often it comes; how many
        there are by now, 0 where it is counted already.
        """
        with self._lock:
            clip = what, dataset, key
            if clip in self._clips:
                return 0
            self._clips.add(clip)
            self.counts[what] += 1
            return self.counts[what]

    def patiently(self, read: Callable[[], Value]) -> Value:
        """What `read` returns, tried again where storage fails, with pauses that grow.

        The last failure is raised where patience ends, what is no failure of storage at once.
        """
        met: list[Exception] = []

        def passes(error: Exception) -> bool:
            met.append(error)
            return _passes(error)

        def wait(pause_s: float) -> None:
            self.count("retries")
            if len(met) == 1:
                log(f"A read failed ({type(met[0]).__name__}: {met[0]}): trying again")
            time.sleep(pause_s)

        left = pauses(self.retries + 1, FIRST_PAUSE_S)
        return patiently(read, passes=passes, wait=wait, left=left)

    def in_time(self, read: Callable[[], Value]) -> Value:
        """What `read` returns. Raises TimeoutError where it takes longer than `timeout_s`.

        What is stuck goes on in a thread of its own, which ends with the process.
        """
        if not self.timeout_s:
            return read()
        answer: Future[Value] = Future()

        def work() -> None:
            try:
                answer.set_result(read())
            except BaseException as error:
                answer.set_exception(error)

        name = f"{threading.current_thread().name}-read"
        threading.Thread(target=work, name=name, daemon=True).start()
        try:
            return answer.result(self.timeout_s)
        except TimeoutError as error:
            if answer.done():  # the read's own
                raise
            self.count("timeouts")
            raise TimeoutError(f"no answer within {self.timeout_s:g} s") from error

    def leave_out(self, error: ShardError, dataset: int, key: str) -> None:
        """Leave a bad clip out, and say so when it comes for the first time. Raises the error where
        the budget is spent.
        """
        number = self.count_clip("bad_clips", dataset, key)
        if (met := self.counts["bad_clips"]) > self.max_bad_clips:
            if self.max_bad_clips:
                what = "bad clip" if met == 1 else "bad clips"
                raise ShardError(
                    f"{error} ({met} {what} so far; max_bad_clips is {self.max_bad_clips})"
                ) from error
            raise error
        if 0 < number <= SHOWN:
            more = "; further ones are only counted" if number == SHOWN else ""
            text = f"Left out, bad clip {number} of at most {self.max_bad_clips}: {error}{more}"
            log(text, alone=True)  # other ranks have other clips


def _passes(error: Exception) -> bool:
    """Whether an error is one of storage that may be gone a moment later."""
    lasting = isinstance(error, FileNotFoundError | PermissionError | ValueError | ShardError)
    return not lasting and is_storage_failure(full_name(error), error)
