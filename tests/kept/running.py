"""The command line on kept files, run from their folder: a stopped run remembers relative paths."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx

PASSWORD = "correct horse battery"
PATIENCE_S = 180.0
PACKAGES = ("torch", "numpy", "av", "pyarrow", "webdataset", "safetensors", "vizdoom", "crafter")
MTIME_S = 1_760_000_000  # of kept videos: a checkout sets another one, and a plan remembers it
INTERRUPTED = 75
EVALUATE = (
    *("eval-idm", "finished/idm", "play/doom", "--out", "eval", "--bootstrap", "20", "--no-plots"),
    *("--device", "cpu", "--threads", "1"),
)
RELABEL = (
    *("relabel", "finished/labelled", "--idm", "finished/idm", "--out", "relabelled"),
    *("--device", "cpu", "--workers", "1"),
)
REMOVE = ("remove", "removed", "--source", "local://videos/film-1.mp4")


def environment() -> dict[str, str]:
    """What bytes depend on beside vidact itself: versions and the kind of processor."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    found["processor"] = models[0] if models else platform.machine()
    return found


def command(*words: str) -> list[str]:
    """The command line of a verb, in this interpreter."""
    return [sys.executable, "-m", "vidact.cli", *words]


def vidact(folder: Path, *words: str, code: int = 0) -> str:
    """Run a verb in `folder`; what it printed on stdout. Fails unless it ends with `code`."""
    done = subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise AssertionError(
            f"vidact {' '.join(words)}: exit {done.returncode}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def interrupt(folder: Path, *words: str, when: Callable[[], bool]) -> bool:
    """Start a verb and end it politely (SIGTERM) as soon as `when` holds.

    Returns whether it said that it was interrupted; False where it was done before the signal came.
    """
    process = subprocess.Popen(command(*words), cwd=folder, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and not when() and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE_S)
    if process.returncode not in (0, INTERRUPTED):
        raise AssertionError(f"vidact {' '.join(words)}: exit {process.returncode}\n{said[-4000:]}")
    return process.returncode == INTERRUPTED


def tree_of(folder: Path) -> dict[str, str]:
    """The digest of each file below `folder`, by its path there."""
    there = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in there if "_stats" not in path.parts]  # who made a shard, and when
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def set_times(folder: Path) -> None:
    """Give all files below `folder` the modification time that they had when they were kept."""
    for path in folder.rglob("*"):
        os.utime(path, (MTIME_S, MTIME_S))


class Person:
    """Somebody who talks to the labelling tool without a browser."""

    def __init__(self, url: str, name: str, *, first: bool = False):
        self.http = httpx.Client(base_url=url, timeout=60)
        body = {"name": name, "password": PASSWORD}
        self.http.headers["x-csrf-token"] = self.post(
            "/api/setup" if first else "/api/login", body
        )["csrf"]

    def get(self, path: str) -> Any:
        return self._json(self.http.get(path))

    def post(self, path: str, body: Any = None) -> Any:
        return self._json(self.http.post(path, json={} if body is None else body))

    def patch(self, path: str, body: Any) -> Any:
        return self._json(self.http.patch(path, json=body))

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        if answer.status_code >= 400:
            raise AssertionError(f"{answer.request.method} {answer.request.url}: {answer.text}")
        return answer.json() if answer.content else None


@contextmanager
def serving(folder: Path, *words: str, ready: int = 0) -> Iterator[str]:
    """`vidact serve` in `folder` on a free port; its address, once so many imports are `ready`."""
    log = folder / "serve.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            command("serve", *words, "--port", "0"), cwd=folder, stdout=file, stderr=file
        )
    until = time.monotonic() + PATIENCE_S
    try:
        while True:
            said = log.read_text(encoding="utf-8", errors="replace")
            found = re.search(r"http://localhost:(\d+)", said)
            if found and said.count(" new tasks") >= ready:
                break
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"vidact serve: {said[-4000:]}")
            time.sleep(0.02)
        url = f"http://127.0.0.1:{found[1]}"
        while True:  # it listens before it answers
            try:
                httpx.get(f"{url}/api/state", timeout=60)
                break
            except httpx.HTTPError:
                time.sleep(0.02)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        log.unlink()


def finished_export(person: Person, number: int) -> dict[str, Any]:
    """The export, once it is done."""
    until = time.monotonic() + PATIENCE_S
    row = person.get(f"/api/exports/{number}")
    while row["state"] in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.02)
        row = person.get(f"/api/exports/{number}")
    if row["state"] != "done":
        raise AssertionError(json.dumps(row))
    return dict(row)
