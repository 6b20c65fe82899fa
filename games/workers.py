"""Child processes that run games: one CPU thread each, with a pipe to talk through.

They are forked from a server that has imported what they need, and nothing else: it is there once
for all, the next child begins at once, and no thread or engine is in the middle of anything.

A child's exception is raised in the parent, in the middle of its next `receive`; so is its death.
Ctrl-C and SIGTERM, which mostly reach a whole group of processes, are the parent's alone to answer:
it may still need what a child is about to say. A child leaves when it is told to, or when the
parent is gone.
Recorders use such children instead of a process pool, whose members cannot be stopped in the middle
of their work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from ..errors import DISK_FULL, ConfigError, Interrupted, RecordingError, VidactError
from ..machine import ONE_THREAD

STOP_WAIT_S = 5.0  # how long a child may take to leave before it is killed
POLL_S = 0.2
CONTEXT = multiprocessing.get_context("forkserver")
TO_GROUPS = (signal.SIGINT, signal.SIGTERM)
LEAVE = signal.SIGUSR1  # what tells a child to leave, and no terminal or scheduler sends
UNGUARDED = 64  # how a child ends that would begin the whole program again

Job = Callable[[Any], Iterator[int]]
"""Makes one recording from one item, yielding the number of frames done since it last did."""


_imported_ahead: list[str] = []


def import_ahead(*modules: str) -> None:
    """Have modules imported once for all children, by a program whose first ones do not need them.

    What the first child's own module imports always is. Later than the first child it is too late.
    """
    _imported_ahead.extend(modules)


class WorkerError(VidactError):
    """A game process failed."""


class WorkerDiedError(WorkerError):
    """A game process ended without a word."""

    def __init__(self, exit_code: int | None):
        super().__init__(
            f"a game process ended with exit code {exit_code} (killed for its memory? -9 says so): "
            "fewer workers or lanes need less"
        )
        self.ended_with = exit_code


def start_process(
    target: Callable[..., object],
    *args: Any,
    imports: Sequence[str] = (),
    daemon: bool | None = None,
    **named: Any,
) -> BaseProcess:
    """Start `target(*args, **named)` in a process that is forked from the server.

    Args:
        imports: modules that the server imports besides, where this is its first child.
        daemon: as `multiprocessing.Process` takes it.
    """
    # Not forked from here: torch's threads and the game engines do not survive a fork.
    process = CONTEXT.Process(target=target, args=args, kwargs=named, daemon=daemon)
    with _surroundings(imports):
        process.start()
    return process


def start_server() -> None:
    """Start the server before its first child is needed: it imports beside this process."""
    with _surroundings():
        forkserver.ensure_running()


@contextmanager
def _surroundings(imports: Sequence[str] = ()) -> Iterator[None]:
    """In which the server starts, where it does not run yet."""
    CONTEXT.set_forkserver_preload([*_imported_ahead, *imports])
    # The variables are read once, where a library is loaded: they must be set before the server
    # starts. Many children with a thread per core each would only wait for each other.
    with _environment(ONE_THREAD), _blocked(TO_GROUPS):
        yield


class Worker:
    """One child process.

    Args:
        target: a function of a module, called in the child as `target(connection, *args)`. It
            serves until it receives None, and returns.
        args: picklable.
    """

    def __init__(self, target: Callable[..., None], *args: Any):
        # A child reads the program's own file again before it begins; where that starts children
        # in turn, it would go on for ever, and Python ends it with a page of advice in the child.
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            os._exit(UNGUARDED)
        self.connection, child = CONTEXT.Pipe()
        job = (target, child, args)
        self._process = start_process(_serve, *job, imports=[target.__module__], daemon=True)
        # Should nobody close it: an interpreter that ends asks its children to leave by SIGTERM,
        # which ours do not hear, and would wait for them.
        weakref.finalize(self, _tell_to_leave, self._process)
        # With a copy of the child's end open here, its death would not end our `receive`.
        child.close()

    def send(self, message: Any) -> None:
        """Send a picklable message. Raises what the child raised where it is gone."""
        try:
            self.connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            self.receive()  # says why it is gone

    def receive(self) -> Any:
        """The child's next message. Raises what the child raised, or WorkerError where it died."""
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(STOP_WAIT_S)
            if self._process.exitcode == UNGUARDED:
                raise ConfigError(_unguarded()) from None
            raise WorkerDiedError(self._process.exitcode) from None
        if isinstance(message, _Failure):
            if message.error is not None:
                raise message.error
            raise WorkerError(f"a game process failed:\n{message.trace}")
        return message

    def terminate(self) -> None:
        """Ask the child to leave in the middle of its work; its `with` blocks still clean up."""
        _tell_to_leave(self._process)

    def close(self) -> None:
        """Ask the child to leave; kill it where it does not."""
        with suppress(OSError):  # it may be gone already
            self.connection.send(None)
        # A busy child does not read its pipe, but notices at its next report that it is closed, and
        # closes its games; a child that is killed leaves their engines running.
        self.connection.close()
        self._process.join(STOP_WAIT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _unguarded() -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None) or "the program's own file"
    return (
        f"{main}: game processes read this file before they begin, and it would start them again: "
        'put what it does below `if __name__ == "__main__":`'
    )


@contextmanager
def working(workers: Sequence[Worker]) -> Iterator[Sequence[Worker]]:
    """Closes the workers at the end of the block."""
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()


def ready(workers: Sequence[Worker], timeout_s: float) -> list[Worker]:
    """Those that have something to say, within `timeout_s` seconds."""
    connections = set(wait([worker.connection for worker in workers], timeout_s))
    return [worker for worker in workers if worker.connection in connections]


def record_in_processes(
    job: Job, items: Iterable[Any], processes: int, *, where: object, lasting: bool = False
) -> Iterator[int]:
    """Run `job(item)` for every item; yields numbers of frames as they get done.

    The first failure stops the whole run.

    Args:
        job: a function of a module (workers import it); its result must not depend on which worker
            runs it.
        items: picklable, taken in order; None says that the next one is not known before another
            recording has ended.
        processes: how many work at a time.
        where: what is being written, for messages.
        lasting: whether a process makes one recording after the other, which spares the time of its
            start. Otherwise each has one of its own: some engines run only once per process.

    Raises:
        RecordingError: a recording failed or a worker died; the message says which.
        OSError: the disk is full.
        Interrupted: Ctrl-C.
    """
    waiting = iter(items)
    ended = object()
    item: Any = None
    recorders: dict[Worker, Any] = {}
    idle: list[Worker] = []
    try:
        while item is not ended or recorders:
            while item is not ended and len(recorders) < processes:
                item = next(waiting, ended)
                if item is None:
                    break
                if item is not ended:
                    recorder = idle.pop() if idle else Worker(_record, job)
                    recorder.send(item)
                    recorders[recorder] = item
            for recorder in ready(list(recorders), POLL_S):
                frames = _frames_of(recorder, recorders[recorder], where)
                if frames is None:
                    del recorders[recorder]
                    if lasting:
                        idle.append(recorder)
                    else:
                        recorder.close()
                else:
                    yield frames
    except KeyboardInterrupt:
        raise Interrupted(
            f"{where}: recording stopped; the same command goes on from there"
        ) from None
    finally:
        for recorder in recorders:
            recorder.terminate()  # all of them first, so that they clean up at the same time
        for recorder in (*recorders, *idle):
            recorder.close()


def _frames_of(recorder: Worker, item: Any, where: object) -> int | None:
    """What a recorder reports: frames done, or None once its recording is complete."""
    try:
        return recorder.receive()
    except WorkerDiedError as death:
        raise RecordingError(
            f"{where}: the process recording {item} died (exit code {death.ended_with}); "
            "run the same command again: finished recordings are kept"
        ) from None
    except WorkerError as defect:
        raise RuntimeError(f"{where}: {defect}") from None
    except VidactError as mistake:
        raise RecordingError(f"{where}: {mistake}") from None


def _record(connection: Connection, job: Job) -> None:
    """In the child: make the recordings of the items that come, until None comes."""
    while (item := connection.recv()) is not None:
        for frames in job(item):
            if frames:
                connection.send(frames)
        connection.send(None)


class _Failure:
    """What a child sends instead of an answer."""

    def __init__(self, error: BaseException):
        self.error: Exception | None = error if isinstance(error, VidactError) else None
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            # As one of Python's own, whatever library it is of: it must go through the pipe.
            self.error = OSError(error.errno, error.strerror, error.filename)
        self.trace = "".join(traceback.format_exception(error))


def _serve(target: Callable[..., None], connection: Connection, args: tuple[Any, ...]) -> None:
    signal.signal(LEAVE, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        target(connection, *args)
    except (BrokenPipeError, ConnectionResetError, EOFError):
        pass  # the parent is gone: nobody is left to tell
    except Exception as error:
        connection.send(_Failure(error))
    finally:
        connection.close()


def _tell_to_leave(process: BaseProcess) -> None:
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, LEAVE)


def _leave(number: int, frame: FrameType | None) -> None:
    """End a child by an exception, so that `with` blocks remove what is half-written."""
    raise SystemExit(1)


def _leave_with_parent() -> None:
    """In a thread of a child: a killed parent tells nobody, and games would play on for minutes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        signal.pthread_kill(threading.main_thread().ident or 0, LEAVE)


@contextmanager
def _blocked(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Signals wait for the end of the block; with the server that is started in it, and with what
    that forks, they wait for good.

    To ignore them in a child would not do: they may come before it can say so, a game's engine
    brings handlers of its own, and the engine's own process must not hear them either.
    """
    # It unblocks signals when it starts, and the server is started with its help.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
