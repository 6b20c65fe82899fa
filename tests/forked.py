"""Processes that a test may kill, and groups of them as torchrun makes them, without the seconds
that each new interpreter takes to import torch: they are forked from the server that game processes
come from, which `tests/conftest.py` has import it once.

They end without Python's own end (no `atexit`). What depends on that, and on how a command is
started, is tested with commands; that torchrun starts such groups in `training/test_parallel.py`
and `idm/test_train_idm.py`.
"""

from __future__ import annotations

import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from vidact import cli
from vidact.games.workers import TO_GROUPS, start_process

PATIENCE_S = 250.0
CHILD = "__forked__"


class Forked:
    """A function at work in a process of its own; what `subprocess.Popen` has for a command.

    Args:
        target: a function of a module; what it returns is the exit code.
        args: picklable.
        said: a file for what it says on standard error; the server's where there is none.
        printed: a file for its standard output.
        environment: variables that differ from this process's.
        own_group: begin a group of processes, so that all that it starts can be killed with it.
    """

    stdin = None  # nothing can be said to it

    def __init__(
        self,
        target: Callable[..., int | None],
        *args: Any,
        said: Path | str | None = None,
        printed: Path | str | None = None,
        environment: Mapping[str, str] | None = None,
        own_group: bool = False,
    ):
        files = [file and str(file) for file in (printed, said)]
        variables = {**os.environ, **(environment or {})}
        job = pickle.dumps((variables, files, own_group, target, args))
        # Only this file knows in which folder `tests` is: another package calls its own so.
        there: dict[str, Any] = {"init_globals": {"JOB": job}, "run_name": CHILD}
        self._process = start_process(runpy.run_path, __file__, **there)
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None where it is still at work."""
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = PATIENCE_S) -> int:
        """Wait for its end; the exit code."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def command(*words: str, **options: Any) -> Forked:
    """A verb of the command line, forked."""
    return Forked(cli.run, list(words), **options)


def together(target: Callable[..., int | None], *args: Any, processes: int = 2) -> None:
    """Call `target(*args)` in each process of a group.

    Raises:
        AssertionError: one of them failed; the message is what they said.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(rank) for rank in range(processes)]
        group = [
            Forked(
                target,
                *args,
                said=file,
                environment=place | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
            for rank, file in enumerate(files)
        ]
        try:
            codes = [member.wait() for member in group]
        finally:
            for member in group:
                member.kill()
        said = "\n".join(file.read_text() for file in files)
        assert codes == [0] * processes, f"exit codes {codes}: {said[-3000:]}"


def _run(job: bytes) -> None:
    """In the child."""
    package = types.ModuleType("tests")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["tests"] = package
    variables, files, own_group, target, args = pickle.loads(job)
    if own_group:
        os.setsid()
    # What it forks in turn comes from the same server, as Python means it to; it would start
    # another one, which imports all again, because that one is not its own child.
    vars(forkserver._forkserver)["ensure_running"] = lambda: None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TO_GROUPS)
    os.environ.clear()
    os.environ.update(variables)
    for file, number in zip(files, (1, 2), strict=True):
        if file:
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.exit(target(*args))


if __name__ == CHILD:
    _run(globals()["JOB"])
