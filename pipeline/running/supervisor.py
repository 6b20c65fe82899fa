"""Keeps a driver running until the job is done: a dead or stuck worker or driver becomes a restart
that resumes.

The driver and its workers are one process group of their own. Whatever ends the driver, the whole
group is gone before the next one starts, so no old worker writes beside a new one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import Interrupted, VidactError
from ...progress import log
from ...stall import StallClock, group_members
from ...storage_failures import pauses
from .draining import DRAIN_S, sigterm_noted
from .driver import STORAGE_FAILED, USER_MISTAKE, WORKER_DIED
from .run_folder import Marker, RunFolder

POLL_S = 0.2
LOOK_S = 1.0  # how often the workers' processor time is looked at
LOG_TAIL_LINES = 25


class JobFailedError(VidactError):
    """The driver fails again and again for a reason that it does not know to be the user's."""

    exit_code = 1


def supervise(
    run: RunFolder,
    command: Sequence[str],
    *,
    done: Callable[[], int],
    stall_s: float,
    max_restarts: int,
    watch: Callable[[], None] = lambda: None,
    env: dict[str, str] | None = None,
    drain_s: float = DRAIN_S,
) -> None:
    """Run `command` until it ends well.

    After SIGTERM the workers finish the shards that they are at, and begin none.

    Args:
        done: counts the shards that are committed; as long as it grows, restarts are free.
        stall_s: seconds without a sign of life, those of a busy machine not counted, after which
        the group is killed.
        max_restarts: restarts in a row without a new shard before giving up.
        watch: called every 0.2 s, for displays.
        drain_s: seconds that the workers have after SIGTERM.

    Raises:
        VidactError: the driver says that the user made a mistake.
        Interrupted: given up, after restarts that brought nothing; or stopped.
        JobFailedError: the same error twice in a row, without a new shard.
    """
    with sigterm_noted() as asked:
        stop = Stop(asked, run, drain_s)
        _run_until_well(
            run,
            command,
            done,
            stop,
            stall_s=stall_s,
            max_restarts=max_restarts,
            watch=watch,
            env=env,
        )


class Stop:
    """A stop that was asked for: the workers are told once, and have their time.

    Args:
        asked: is set when it is.
    """

    def __init__(self, asked: threading.Event, run: RunFolder, drain_s: float):
        self._asked, self._run, self._drain_s = asked, run, drain_s
        self._end_s: float | None = None

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return self._asked.is_set()

    def is_due(self) -> bool:
        """Tell the workers where that was not done; whether their time is over."""
        if not self.asked:
            return False
        if self._end_s is None:
            self._end_s = time.monotonic() + self._drain_s
            self._run.drain()
            log(
                "asked to stop: the workers finish the shards that they are at, for at most "
                f"{self._drain_s:.0f} s"
            )
        return time.monotonic() > self._end_s


def _run_until_well(
    run: RunFolder,
    command: Sequence[str],
    done: Callable[[], int],
    stop: Stop,
    *,
    stall_s: float,
    max_restarts: int,
    watch: Callable[[], None],
    env: dict[str, str] | None,
) -> None:
    restarts, last_done, last_error = 0, done(), ""
    left = pauses(max_restarts + 1)  # before restarts after a disk or a bucket failed
    while True:
        code = _run_once(run, command, stop, stall_s=stall_s, watch=watch, env=env)
        if code == 0:
            return
        if stop.asked:
            raise Interrupted(f"stopped ({done()} shards are done); run again to resume")
        tail = log_tail(run.log)
        if code == 2 and (message := _mistake(tail)):
            raise VidactError(message)
        now = done()
        if now > last_done:
            restarts, left = 0, pauses(max_restarts + 1)
        else:
            restarts += 1
        last_done = now
        error = tail[-1] if code == 1 and tail else ""
        if error and error == last_error and restarts > 1:
            raise JobFailedError(
                f"the job fails again and again; the end of {run.log}:\n" + "\n".join(tail)
            )
        last_error = error
        if restarts > max_restarts:
            raise Interrupted(
                f"gave up after {max_restarts} restarts without a new shard; "
                f"the end of {run.log}:\n" + "\n".join(tail)
            )
        log(f"{_why(code, tail)}; starting again ({now} shards are done)")
        time.sleep(next(left, 0.0) if code == STORAGE_FAILED else 0.0)


def _run_once(
    run: RunFolder,
    command: Sequence[str],
    stop: Stop,
    *,
    stall_s: float,
    watch: Callable[[], None],
    env: dict[str, str] | None,
) -> int:
    """Start the driver and see it through; returns its exit code (negative: the signal that
    ended it).
    """
    run.clear()
    with open(run.log, "ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=env,
        )
    clock, last_sign_s, looked_s = StallClock(), 0.0, time.monotonic()
    stalls = WorkerStalls(stall_s)
    try:
        while (code := process.poll()) is None:
            time.sleep(POLL_S)
            watch()
            if stop.is_due():
                _kill_group(process)
                return process.wait()
            if (sign_s := run.last_sign_s()) > last_sign_s:
                last_sign_s = sign_s
                clock.reset()
            if time.monotonic() - looked_s < LOOK_S:
                continue
            looked_s = time.monotonic()
            stalls.look(run.markers())
            if clock.look(group_members(process.pid)) > stall_s:
                # All at once: a store or a disk does not answer, and no segment is to blame.
                log(f"no sign of life for {stall_s:.0f} s: killing the workers")
                _kill_group(process)
                return process.wait()
        if code < 0:  # killed; a driver that labels by itself died at the shard it was at
            for marker in run.markers():
                if marker.pid == process.pid:
                    run.record_crash(marker)
        return code
    finally:
        _kill_group(process)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


class WorkerStalls:
    """Notices a worker that stands still while others go on, and kills it.

    The driver finds it dead, and strikes the segment it was at; while it is committing there is no
    strike. Where all stand still nobody is killed here.

    Args:
        stall_s: seconds at nothing, those of a busy machine not counted.
    """

    def __init__(self, stall_s: float):
        self._stall_s = stall_s
        self._clocks: dict[int, tuple[float, StallClock]] = {}  # by process: last sign, clock

    def look(self, markers: Sequence[Marker]) -> None:
        """Look again, about every second."""
        seconds = {}
        for marker in markers:
            touched_s, clock = self._clocks.get(marker.pid, (0.0, StallClock()))
            if marker.touched_s > touched_s:
                clock.reset()
            self._clocks[marker.pid] = max(touched_s, marker.touched_s), clock
            seconds[marker.pid] = clock.look([marker.pid])
        going_on = any(second < self._stall_s / 2 for second in seconds.values())
        for marker in markers if going_on else ():
            if seconds[marker.pid] > self._stall_s:
                log(
                    f"worker {marker.pid} gives no sign of life at {marker.shard}, segment "
                    f"{marker.segment}, for {self._stall_s:.0f} s while others do: killing it"
                )
                with contextlib.suppress(ProcessLookupError):
                    os.kill(marker.pid, signal.SIGKILL)
                self._clocks[marker.pid][1].reset()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the driver and everything it started, also where the driver itself is gone already."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    # Killed processes need a moment to be gone; a stuck disk may hold one longer.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (process.poll() is None or group_members(process.pid)):
        time.sleep(0.02)


def log_tail(path: Path) -> list[str]:
    """The last lines of the driver's log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))
            return file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except FileNotFoundError:
        return []


def _mistake(tail: Sequence[str]) -> str:
    found = [line for line in tail if line.startswith(USER_MISTAKE)]
    return found[-1].removeprefix(USER_MISTAKE) if found else ""


def _why(code: int, tail: Sequence[str]) -> str:
    if code == STORAGE_FAILED:
        return f"storage failed ({tail[-1] if tail else ''})"
    if code == WORKER_DIED:
        return "a worker process died"
    if code < 0:
        return f"the driver was killed ({signal.Signals(-code).name})"
    return f"the driver failed (exit {code})"


def driver_command(run: RunFolder, workers: int, runner: str, options: Sequence[str]) -> list[str]:
    """The command line of a driver."""
    return [
        sys.executable,
        "-P",
        "-m",
        "vidact.pipeline.running.driver",
        str(run.path),
        str(workers),
        runner,
        *options,
    ]
