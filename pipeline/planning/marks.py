"""Signs of files: what changes when a file does, and is told without reading it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ... import storage
from ...storage_failures import is_missing, storage_failure

# Stores answer in 20 to 100 ms: 100,000 sources that no listing tells of take a minute or two.
ASKING = 64
HTTP = ("http://", "https://")
ENTITY_TAGS = ("ETag", "etag", "md5Hash", "LastModified", "mtime")


def fingerprint(uri: str) -> tuple[str, int]:
    """A cheap sign that changes with the file, and its size in bytes (-1 where a server does not
    say it). Raises FileNotFoundError.
    """
    path = storage.local_path(uri)
    if path is not None:
        stat = path.stat()
        return f"{stat.st_size}-{stat.st_mtime_ns}", stat.st_size
    fs, inner = storage.filesystem(uri)
    info = fs.info(inner)
    return mark_in(info), _size(info)


def mark_in(info: Mapping[str, Any]) -> str:
    """The sign in what a store tells of an object, in a listing or when it is asked for one."""
    tag = next((info[key] for key in ENTITY_TAGS if info.get(key)), "")
    return f"{_size(info)}-{str(tag).strip(chr(34))}"


def mark_of(uri: str) -> str | None:
    """The sign of a file; None where it is gone or cannot be asked for now."""
    try:
        return fingerprint(uri)[0]
    except Exception as error:
        if not storage_failure(error):
            raise
        return None


def marks_of(uris: Iterable[str]) -> dict[str, str | None]:
    """The signs of many files, asked for at the same time."""
    names = list(uris)
    if not names:
        return {}
    with ThreadPoolExecutor(min(ASKING, len(names))) as pool:
        return dict(zip(names, pool.map(mark_of, names), strict=True))


def is_gone(uri: str) -> bool:
    """Whether there is nothing at a URI; what cannot be asked for now may be there."""
    try:
        fingerprint(uri)
    except Exception as error:
        if not storage_failure(error):
            raise
        return is_missing(error)
    return False


def _size(info: Mapping[str, Any]) -> int:
    size = info.get("size")
    return -1 if size is None else int(size)
