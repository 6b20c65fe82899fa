"""Recorders side by side: worker processes that take recordings from a list and report frames as they go.

Workers start by spawn (a fork would copy the parent's threads into an engine's process), stop when the parent is gone,
and their first failure stops the whole run. Used instead of a process pool, whose members cannot be stopped in work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from queue import Empty
from typing import Any

from ..errors import Interrupted, RecordingError, VidactError

POLL_S = 0.2

Job = Callable[[Any], Iterator[int]]
"""Makes one recording from one item, yielding the number of frames done since it last did."""


def record_in_processes(
    job: Job, items: Sequence[Any], processes: int, *, where: object
) -> Iterator[int]:
    """Run `job(item)` for every item; yields numbers of frames as they get done.

    Args:
        job: a function of a module (workers import it); its result must not depend on which worker runs it.
        items: picklable, taken in order.
        processes: how many work at a time.
        where: what is being written, for messages.

    Raises:
        RecordingError: a recording failed or a worker died; the message says which.
        Interrupted: Ctrl-C.
    """
    context = multiprocessing.get_context("spawn")
    reports: Queue[tuple[str, Any]] = context.Queue()
    waiting = list(items)[::-1]
    working: dict[SpawnProcess, Any] = {}
    try:
        while waiting or working:
            while waiting and len(working) < processes:
                item = waiting.pop()
                process = context.Process(
                    target=_work, args=(job, item, reports, os.getpid()), daemon=True
                )
                process.start()
                working[process] = item
            yield from _drain(reports, where)
            for process in [p for p in working if not p.is_alive()]:
                process.join()
                item = working.pop(process)
                if process.exitcode:
                    yield from _drain(reports, where)  # raises if it managed to say why
                    raise RecordingError(
                        f"{where}: the process recording {item} died (exit code {process.exitcode}); "
                        "run the same command again: finished recordings are kept"
                    )
        yield from _drain(reports, where)
    except KeyboardInterrupt:
        raise Interrupted(
            f"{where}: recording stopped; the same command goes on from there"
        ) from None
    finally:
        for process in working:
            process.terminate()
        for process in working:
            process.join()


def _drain(reports: Queue[tuple[str, Any]], where: object) -> Iterator[int]:
    try:
        kind, value = reports.get(timeout=POLL_S)
        while True:
            if kind == "frames":
                yield value
            elif kind == "mistake":
                raise RecordingError(f"{where}: {value}")
            else:
                raise RuntimeError(f"{where}: a recorder failed:\n{value}")
            kind, value = reports.get_nowait()
    except Empty:
        return


def _work(job: Job, item: Any, reports: Queue[tuple[str, Any]], parent: int) -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the parent stops us, so that one Ctrl-C prints one message
    signal.signal(
        signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(1))
    )  # so that `with` blocks clean up
    try:
        for frames in job(item):
            if frames:
                reports.put(("frames", frames))
            if os.getppid() != parent:
                raise SystemExit(1)
    except VidactError as error:
        reports.put(("mistake", str(error)))
        raise SystemExit(1) from None
    except Exception:
        reports.put(("failure", traceback.format_exc()))
        raise SystemExit(1) from None
