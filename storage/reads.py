"""Reads what lies at a URI, whole, in part, or by way of a local copy."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .places import Uri, filesystem, is_bucket, local_path, remote_suffix
from .renames import mend

HASH_BLOCK_BYTES = 1 << 20


def open_uri(uri: Uri, mode: str = "rb") -> IO[Any]:
    """Open a file.

    For writing prefer `replacing`, `write_atomic` and `put_atomic`: a file that is opened here is
    seen half-written.
    """
    path = local_path(uri)
    if path is not None:
        return open(path, mode, encoding=None if "b" in mode else "utf-8")
    fs, inner = filesystem(uri)
    return fs.open(inner, mode)


def read_bytes(uri: Uri) -> bytes:
    """Return all bytes of a file. Raises FileNotFoundError."""
    path = local_path(uri)
    if path is not None:
        return path.read_bytes()
    fs, inner = filesystem(uri)
    try:
        return fs.cat_file(inner)
    except FileNotFoundError:
        if is_bucket(uri) or not mend(fs, inner):
            raise
        return fs.cat_file(inner)


def read_range(uri: Uri, start: int, end: int) -> bytes:
    """Return bytes `[start, end)` of a file; fewer where the file is shorter."""
    path = local_path(uri)
    if path is not None:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(end - start)
    fs, inner = filesystem(uri)
    return fs.cat_file(inner, start=start, end=end)


def exists(uri: Uri) -> bool:
    """Return whether a file or folder (for buckets: a key or a prefix) is there."""
    path = local_path(uri)
    if path is not None:
        return path.exists()
    fs, inner = filesystem(uri)
    return bool(fs.exists(inner) or (not is_bucket(uri) and mend(fs, inner)))


def size_bytes(uri: Uri) -> int:
    """Return the size of a file. Raises FileNotFoundError."""
    path = local_path(uri)
    if path is not None:
        return path.stat().st_size
    fs, inner = filesystem(uri)
    return int(fs.info(inner)["size"])


@contextmanager
def fetched(uri: Uri, folder: Uri | None = None) -> Iterator[Path]:
    """Yield a local file with the bytes at `uri`.

    A local file is yielded as it is; a remote one is downloaded, and deleted after the block.

    Args:
        uri: the file.
        folder: where downloads lie; the system's folder of temporary files unless given.

    Raises:
        FileNotFoundError: there is no such remote file.
    """
    path = local_path(uri)
    if path is not None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="vidact-source-", dir=folder) as temporary:
        target = Path(temporary) / f"source{remote_suffix(uri)}"
        download(uri, target)
        yield target


def download(uri: Uri, path: Uri) -> None:
    """Copy the remote file at `uri` to a local `path`. Raises FileNotFoundError."""
    fs, inner = filesystem(uri)
    fs.get_file(inner, os.fspath(path))


def sha256_file(uri: Uri) -> str:
    """Return the hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with open_uri(uri, "rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
