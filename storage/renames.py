"""Renames on remote filesystems that have folders, such as hdfs, so that a kill at any moment loses
nothing.

They refuse to rename to a name that is taken, and have no other way to replace a file at once. So
an old file goes first, and for a moment its name is free. By then the new one lies beside it, and
its own name (`.<name>.<attempt>.whole.tmp`) says that it is whole: who finds nothing at the place
looks for it and ends the rename. The old bytes or the new ones are there, never neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .listings import modified

WHOLE = ".whole.tmp"
REPLACEMENT = re.compile(
    r"\.(?P<name>.*)\.[^.]*-\d+-[0-9a-f]{8}" + re.escape(WHOLE), re.DOTALL
)  # `attempts.temporary_name`, and the ending
MAX_TRIES = 20  # of two writers of one name each may find it taken again by the other


def rename(fs: Any, source: str, target: str) -> None:
    """Rename a file that was written whole, in place of one that may be there.

    Args:
        fs: fsspec's filesystem.
        source: a name of `attempts.temporary_name` in the folder of `target`.
    """
    try:
        fs.mv(source, target)
        return
    except OSError:
        if not fs.exists(target):
            fs.rm_file(source)
            raise
    whole = source.removesuffix(".tmp") + WHOLE
    fs.mv(source, whole)
    for number in range(MAX_TRIES):
        with suppress(FileNotFoundError):
            fs.rm_file(target)
        try:
            fs.mv(whole, target)
            return
        except OSError:
            if not fs.exists(whole):
                return  # a reader has ended the rename
            if number == MAX_TRIES - 1 or not fs.exists(target):
                raise


def mend(fs: Any, path: str) -> bool:
    """End the rename of whoever was killed between the old file and the new; whether something is
    at `path` now.
    """
    for whole in replacements(fs, path)[-1:]:
        with suppress(OSError):  # another reader has done it
            fs.mv(whole, path)
        return True
    return False


def mend_all(fs: Any, folder: str) -> None:
    """End all such renames in a folder."""
    for name in {name for name, _ in _whole(fs, folder)}:
        if not fs.exists(f"{folder}/{name}"):
            mend(fs, f"{folder}/{name}")


def replacements(fs: Any, path: str) -> list[str]:
    """The whole files that were to take the place of one, those of killed writers too, the newest
    last.
    """
    folder, _, name = path.rpartition("/")
    found = [info for other, info in _whole(fs, folder) if other == name]
    return [info["name"] for info in sorted(found, key=modified)]


def _whole(fs: Any, folder: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What lies in a folder whole and waits for its name, with that name."""
    try:
        listing = fs.ls(folder, detail=True)
    except FileNotFoundError:
        return []
    found = [(REPLACEMENT.fullmatch(info["name"].rsplit("/", 1)[-1]), info) for info in listing]
    return [(match["name"], info) for match, info in found if match]
