"""What lies in a folder or under a prefix, and when it was written."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from .places import Uri, filesystem, join, local_path


def list_files(uri: Uri, suffix: str = "", *, recursive: bool = False) -> list[str]:
    """Return the files of a folder whose names end in `suffix`, sorted.

    There are none where there is no such folder.

    Hidden names (a leading dot) are left out: files that are being written have such names.
    """
    path = local_path(uri)
    if path is not None:
        found = []
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if recursive and not name.startswith(".")]
            found += [os.path.join(folder, name) for name in names]
    else:
        fs, inner = filesystem(uri)
        try:
            listing = fs.find(inner, maxdepth=None if recursive else 1)
        except FileNotFoundError:
            return []
        found = [join(uri, name[len(inner.rstrip("/")) :]) for name in listing]
    return sorted(name for name in found if _is_shown(name, suffix))


def modified_times(uri: Uri, suffix: str = "") -> dict[str, float]:
    """Return when the files of a folder whose names end in `suffix` were written: one listing.

    The times are seconds since 1970 by the store's own clock, nan where the store does not say.
    Names and hidden ones are as in `list_files`.
    """
    path = local_path(uri)
    found: dict[str, float] = {}
    if path is not None:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
            for entry in entries:
                # One that is replaced meanwhile is gone for a moment on some network disks.
                with suppress(FileNotFoundError):
                    if entry.is_file():
                        found[os.path.join(path, entry.name)] = entry.stat().st_mtime
    else:
        fs, inner = filesystem(uri)
        with suppress(FileNotFoundError):
            for name, info in fs.find(inner, maxdepth=1, detail=True).items():
                found[join(uri, name[len(inner.rstrip("/")) :])] = modified(info)
    return {name: found[name] for name in sorted(found) if _is_shown(name, suffix)}


def _is_shown(name: str, suffix: str) -> bool:
    """Return whether a listing of what ends in `suffix` has a file."""
    return name.endswith(suffix) and not os.path.basename(name).startswith(".")


def modified(info: Mapping[str, Any]) -> float:
    """Return when a file was written, by what fsspec's filesystems say each in its own way."""
    for name in ("LastModified", "last_modified", "updated", "mtime", "modified", "created"):
        value = info.get(name)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return math.nan


def glob_uris(pattern: str) -> list[str]:
    """Return the files that match a glob (`*`, `?`, `[…]`, `**`), sorted."""
    path = local_path(pattern)
    if path is not None:
        return sorted(name for name in glob.glob(str(path), recursive=True) if os.path.isfile(name))
    fs, inner = filesystem(pattern)
    return sorted(fs.unstrip_protocol(name) for name in fs.glob(inner))
