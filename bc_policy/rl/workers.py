"""Child processes that run games: started afresh, one CPU thread each, with a pipe to talk through.

A child's exception is raised in the parent, in the middle of its next `receive`; so is its death.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from ...errors import VidactError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
STOP_WAIT_S = 5.0  # how long a child may take to leave before it is killed


class WorkerError(VidactError):
    """A game process failed or died."""


class Worker:
    """One child process.

    Args:
        target: a function of a module, called in the child as `target(connection, *args)`. It serves until it
            receives None, and returns.
        args: picklable.
    """

    def __init__(self, target: Callable[..., None], *args: Any):
        # Spawned, not forked: torch's threads and the game engines do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self.connection, child = context.Pipe()
        self._process = context.Process(target=_serve, args=(target, child, args), daemon=True)
        with _environment(dict.fromkeys(THREAD_VARIABLES, "1")):
            self._process.start()
        child.close()

    def send(self, message: Any) -> None:
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
            raise WorkerError(
                f"a game process ended with exit code {self._process.exitcode} (killed for its memory? -9 says so): "
                "fewer workers or lanes need less"
            ) from None
        if isinstance(message, _Failure):
            if message.error is not None:
                raise message.error
            raise WorkerError(f"a game process failed:\n{message.trace}")
        return message

    def close(self) -> None:
        """Ask the child to leave; kill it where it does not."""
        with suppress(OSError):  # it may be gone already
            self.connection.send(None)
        # A busy child does not read its pipe, but notices at its next report that it is closed, and closes its games;
        # a child that is killed leaves their engines running.
        self.connection.close()
        self._process.join(STOP_WAIT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


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


class _Failure:
    """What a child sends instead of an answer."""

    def __init__(self, error: BaseException):
        self.error = error if isinstance(error, VidactError) else None
        self.trace = "".join(traceback.format_exception(error))


def _serve(target: Callable[..., None], connection: Connection, args: tuple[Any, ...]) -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group: the parent decides what to do
    try:
        target(connection, *args)
    except (BrokenPipeError, ConnectionResetError, EOFError):
        pass  # the parent is gone: nobody is left to tell
    except BaseException as error:
        connection.send(_Failure(error))
    finally:
        connection.close()


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
