"""The processes that run tests side by side, forked from one that has imported what tests need: an
interpreter for each would import it for fifteen seconds, and so would the server of each that
children are forked from (`forked.py`). Here there is one of either for all.

pytest-xdist starts a command for each of its processes and talks to its standard streams. That
command is this file: it hands the streams to the warm process, which forks, and stays as long as
the fork does.
"""

from __future__ import annotations

import logging
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

CHILDREN_NEED = (
    "torch._dynamo",  # which the first optimizer of a process imports, in three seconds,
    "torch.utils.tensorboard",  # and the first log, in one
    "vidact.bc_policy.scoring.pool",
    "vidact.bc_policy.rl.actors",
    "vidact.bc_policy.clone",
    "vidact.idm.train_idm",
    "vidact.labeling_tool.serve",
    "vidact.labeling_tool.app",
    "pytest",  # which the modules of tests import, whose functions are forked
)
"""What is imported once for the processes that tests fork."""

TESTS_NEED = (
    *CHILDREN_NEED,
    "vidact.bc_policy.finetune",
    "vidact.bc_policy.play",
    "vidact.datasets.export_lerobot",
    "vidact.idm.eval_idm",
    "vidact.idm.robustness",
    "vidact.labeling_tool.practice.tasks",
    "vidact.pipeline.label",
    "vidact.pipeline.read_overlay",
    "vidact.pipeline.relabel",
    "vidact.pipeline.running.beam",
    "vidact.pipeline.train_filter",
    "fastapi.testclient",
    "hypothesis.stateful",
    "moto.server",
    "pandas",
    "s3fs",
    "sklearn.metrics",
)
"""What is imported once for the processes that run tests."""


class Warm:
    """The warm process; it ends when it is closed, or this process ends, and all forks have."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vidact-tests-")
        address = str(Path(self._folder.name) / "warm")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()  # before it is ready: who asks by then waits
            self._process = subprocess.Popen(
                [sys.executable, __file__, "serve", str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )
        self.command = shlex.join([sys.executable, "-I", "-S", __file__, "ask", address])
        """What asks it for a fork, and stands for an interpreter."""

    def close(self) -> None:
        self._process.communicate()
        self._folder.cleanup()


def ask(address: str) -> None:
    """Have these standard streams served by a fork, and wait for its end."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [b"."], [0, 1, 2])
        server.recv(1)


def serve(listener: socket.socket) -> None:
    """Fork for everybody who asks, until standard input ends and all forks have; returns in each
    fork, when its work is done.
    """
    del sys.path[0]  # this file's folder, where folders are called like packages
    from vidact.games.workers import import_ahead, start_server

    import_ahead(*CHILDREN_NEED)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started inherits deafness
    with unheard():
        start_server()  # which imports at the same time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the forks answer it
    quiet = logging.NullHandler()  # else what some say at import makes handlers of the root's
    logging.getLogger().addHandler(quiet)
    for name in TESTS_NEED:
        with suppress(ImportError):  # an extra that is not installed: its tests skip
            import_module(name)
    logging.getLogger().removeHandler(quiet)
    forks: list[int] = []
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        if (child := fork()) == 0:
            listener.close()
            threading.Thread(target=die_with, args=(connection,), daemon=True).start()
            be_interpreter(streams)
            return
        forks.append(child)
        connection.close()
        for stream in streams:
            os.close(stream)
    listener.close()
    for child in forks:
        os.waitpid(child, 0)


@contextmanager
def unheard() -> Iterator[None]:
    """What is started in it is not heard: its children say things to files, or to nobody."""
    kept = {number: os.dup(number) for number in (1, 2)}
    with open(os.devnull, "wb") as nowhere:
        for number in kept:
            os.dup2(nowhere.fileno(), number)
    yield
    for number, file in kept.items():
        os.dup2(file, number)
        os.close(file)


def fork() -> int:
    """As `os.fork`, without the advice of Python 3.12 about threads: those of libraries mind it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return os.fork()


def die_with(command: socket.socket) -> None:
    """In a thread of a fork: whoever kills a command means what it stands for."""
    command.recv(1)
    os._exit(1)


def be_interpreter(streams: list[int]) -> None:
    """Run what comes on the standard input that was handed over: all that execnet's own command
    line says, which is `python -c`.
    """
    from multiprocessing import forkserver

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv = ["-c"]
    # Its server is not this process's own child, so that Python would start another one.
    vars(forkserver._forkserver)["ensure_running"] = lambda: None
    exec(eval(sys.stdin.readline()), vars(main))


if __name__ == "__main__":
    what, where = sys.argv[1:3]
    if what == "ask":
        ask(where)
    else:
        serve(socket.socket(fileno=int(where)))
