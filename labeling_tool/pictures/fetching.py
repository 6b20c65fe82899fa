"""Copies of remote files: each fetched once, within limits of size and time, and kept a while."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ... import storage
from ...errors import VideoError
from ..context import Context

BLOCK = 1 << 20
LONGEST_S = 600.0
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
    return kept


def folder_of(context: Context) -> Path:
    """Return where fetched files lie."""
    return context.folder / "pictures" / "fetched"


def forget_fetched(context: Context, older_than_s: float) -> None:
    """Delete copies that nobody has read in that time."""
    limit = time.time() - older_than_s
    for path in folder_of(context).glob("*"):
        if max(path.stat().st_atime, path.stat().st_mtime) < limit:
            path.unlink(missing_ok=True)


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
