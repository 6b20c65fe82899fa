"""Copies of remote files: each fetched once, within limits of size and time, and kept a while."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ... import storage
from ...errors import VideoError
from ..context import Context

BLOCK = 1 << 20
LONGEST_S = 600.0
IN_USE_S = 3600.0  # a copy that was asked for since then may be rendered from just now
_locks: dict[str, threading.Lock] = {}
_waiting: Counter[str] = Counter()
_guard = threading.Lock()


def fetch(context: Context, uri: str) -> Path:
    """Return a local file with the bytes at `uri`; remote ones are fetched once and kept.

    Raises:
        FileNotFoundError: there is none.
        VideoError: `too_large` or `timeout`, where fetching goes beyond the limits.
    """
    local = storage.local_path(uri)
    if local is not None:
        if not local.is_file():
            raise FileNotFoundError(f"{local.name} is gone")
        return local
    name = hashlib.sha256(uri.encode()).hexdigest()[:40] + storage.remote_suffix(uri)
    kept = folder_of(context) / name
    with _alone(name):
        if not kept.exists():
            with storage.replacing(kept, sync=False) as temporary:
                _copy(uri, temporary, context.upload_limit)
        os.utime(kept)  # the system itself notes what is read once a day, or never
    return kept


def folder_of(context: Context) -> Path:
    """Return where fetched files lie."""
    return context.folder / "pictures" / "fetched"


def forget_fetched(context: Context, older_than_s: float) -> None:
    """Delete copies that nobody has asked for in that time; of too many those of longest ago."""
    now = time.time()
    found = []
    for path in folder_of(context).glob("*"):
        with suppress(FileNotFoundError):  # one that was being fetched has its name by now
            found.append((path.stat(), path))
    found.sort(key=lambda one: one[0].st_mtime)
    size = sum(stat.st_size for stat, _ in found)
    for stat, path in found:
        idle_s = now - stat.st_mtime
        if idle_s > older_than_s or (size > context.fetched_quota and idle_s > IN_USE_S):
            path.unlink(missing_ok=True)
            size -= stat.st_size


def _copy(uri: str, path: Path, most: int) -> None:
    until, size = time.monotonic() + LONGEST_S, 0
    with storage.open_uri(uri) as source, open(path, "wb") as target:
        while block := source.read(BLOCK):
            size += len(block)
            if size > most:
                raise VideoError("too_large", uri, f"longer than {most >> 20} MiB")
            if time.monotonic() > until:
                raise VideoError("timeout", uri, f"not fetched within {LONGEST_S:.0f} s")
            target.write(block)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one thread at a time fetch a file, and others fetch others."""
    with _guard:
        lock = _locks.setdefault(name, threading.Lock())
        _waiting[name] += 1
    try:
        with lock:
            yield
    finally:
        with _guard:
            _waiting[name] -= 1
            if not _waiting[name]:
                del _waiting[name], _locks[name]
