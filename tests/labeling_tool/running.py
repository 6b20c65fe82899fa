"""A labelling tool in a process of its own, forked: the verb that people run, without the seconds
that its imports take; or the command itself.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from tests.forked import Forked, command

PASSWORD = "correct horse battery"


def free_port() -> int:
    """A port that was free a moment ago; a server that is killed comes back on the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`vidact serve` on a folder; `start`, `kill` and `start` again as often as wanted."""

    def __init__(self, folder: Path, *arguments: str, database: str | None = None):
        self.folder = folder
        self.port = free_port()
        self.arguments = [*arguments, *(["--database", database] if database else [])]
        self.process: Forked | subprocess.Popen[bytes] | None = None
        self.log = folder.parent / f"{folder.name}.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self, *words: str) -> Forked | subprocess.Popen[bytes]:
        """Start the verb with these words, in a group of its own."""
        return command(*words, said=self.log, printed=self.log, own_group=True)

    def start(self, timeout_s: float = 180.0) -> Server:
        """Start and wait until it answers."""
        words = ["serve", str(self.folder), "--port", str(self.port), *self.arguments]
        self.process = self.begin(*words)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"the server ended with {self.process.returncode}:\n"
                    f"{self.log.read_text()[-2000:]}"
                )
            try:
                if httpx.get(f"{self.url}/api/state", timeout=2).status_code == 200:
                    return self
            except httpx.HTTPError:
                time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"no answer after {timeout_s} s:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a power cut would: nothing is flushed, no handler runs."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it politely."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def wait_for_import(self, pattern: str, timeout_s: float = 120.0) -> None:
        """Wait until the server's log says something."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if re.search(pattern, self.log.read_text(errors="replace")):
                return
            time.sleep(0.05)
        raise RuntimeError(f"the log never said {pattern!r}:\n{self.log.read_text()[-2000:]}")


class Command(Server):
    """The command as people start it, with all that it imports, and nothing of the tests."""

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "vidact.cli", *words],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class LocalServer(Server):
    """`vidact serve` in a thread of this process, for tests that do not kill it: a process takes
    seconds to import what it needs. Pictures are made when a task is opened, as most are not. Of
    several servers that overlap, the last to start stops first.
    """

    def start(self, timeout_s: float = 60.0) -> LocalServer:
        """Start and wait until it answers."""
        import uvicorn
        from vidact.labeling_tool import serve
        from vidact.labeling_tool.config import ServeConfig
        from vidact.labeling_tool.pictures import ahead
        from vidact.options import parse_settings

        words = [str(self.folder), "--port", str(self.port), *self.arguments]
        config = parse_settings(ServeConfig, words, prog="vidact serve")
        started = threading.Event()

        class Noted(uvicorn.Server):
            def run(inner, sockets: list[socket.socket] | None = None) -> None:  # noqa: N805
                self.server = inner
                started.set()
                super().run(sockets)

        def note(text: str) -> None:
            with open(self.log, "a") as log:
                print(text, file=log)

        self.log.touch()
        self.patches = ExitStack()
        self.patches.enter_context(mock.patch.object(serve, "log", note))
        self.patches.enter_context(mock.patch.object(ahead, "_make_all"))
        self.thread = threading.Thread(target=serve.serve, args=(config,), daemon=True)
        with mock.patch.object(uvicorn, "Server", Noted):
            self.thread.start()
            assert started.wait(timeout_s)
        while not self.server.started:
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        raise NotImplementedError("it is this process")

    def stop(self) -> None:
        """End it; nobody waits for pages that are still open."""
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(20)
        self.patches.close()


class Script:
    """Somebody who talks to the API without a browser."""

    def __init__(self, url: str):
        self.http = httpx.Client(base_url=url, timeout=60)
        self.person: dict[str, Any] = {}

    def setup(self, name: str = "ada") -> Script:
        return self._signed_in(
            self.http.post("/api/setup", json={"name": name, "password": PASSWORD})
        )

    def login(self, name: str) -> Script:
        return self._signed_in(
            self.http.post("/api/login", json={"name": name, "password": PASSWORD})
        )

    def _signed_in(self, answer: httpx.Response) -> Script:
        answer.raise_for_status()
        self.person = answer.json()
        self.http.headers["x-csrf-token"] = self.person["csrf"]
        return self

    @property
    def cookie(self) -> dict[str, str]:
        """The session's cookie: its name and its value."""
        [(name, value)] = [
            pair for pair in self.http.cookies.items() if pair[0].startswith("vidact_session")
        ]
        return {"name": name, "value": value}

    def get(self, path: str, **more: Any) -> Any:
        return self._json(self.http.get(path, **more))

    def post(self, path: str, body: Any = None) -> Any:
        return self._json(self.http.post(path, json={} if body is None else body))

    def patch(self, path: str, body: Any) -> Any:
        return self._json(self.http.patch(path, json=body))

    def add_user(self, name: str, role: str = "annotator") -> dict[str, Any]:
        found: dict[str, Any] = self.post(
            "/api/users", {"name": name, "password": PASSWORD, "role": role}
        )
        return found

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        if answer.status_code >= 400:
            raise AssertionError(
                f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
            )
        return answer.json() if answer.content else None
