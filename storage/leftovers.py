"""Removes files, what killed writers left, and folders that have become empty."""

from __future__ import annotations

from contextlib import suppress

from ..attempts import is_abandoned, is_temporary
from .listings import modified
from .places import Uri, filesystem, is_bucket, local_path
from .renames import mend_all, replacements


def remove(uri: Uri) -> None:
    """Delete a file; nothing happens where there is none."""
    path = local_path(uri)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    fs, inner = filesystem(uri)
    # What a killed writer was about to put here first: else it would come back in its place.
    for one in [*([] if is_bucket(uri) else replacements(fs, inner)), inner]:
        with suppress(FileNotFoundError):
            fs.rm_file(one)


def remove_abandoned(folder: Uri) -> None:
    """Delete what killed writers left in a folder: files that were never renamed to their final
    names, and that nobody writes any more (see `attempts.is_abandoned`).
    """
    path = local_path(folder)
    if path is not None:
        for file in path.iterdir() if path.is_dir() else ():
            with suppress(FileNotFoundError):  # renamed meanwhile
                if is_temporary(file.name) and is_abandoned(file.name, file.stat().st_mtime):
                    file.unlink()
    elif not is_bucket(folder):  # buckets show no half-written objects
        fs, inner = filesystem(folder)
        mend_all(fs, inner)
        for info in fs.ls(inner, detail=True) if fs.exists(inner) else ():
            name = info["name"].rsplit("/", 1)[-1]
            if is_temporary(name) and is_abandoned(name, modified(info)):
                fs.rm_file(info["name"])


def remove_if_empty(folder: Uri) -> None:
    """Delete a local folder in which nothing lies any more.

    Nothing happens where there is none, where somebody writes in it, and in a store: buckets have
    no folders, and an empty one elsewhere harms nobody.
    """
    path = local_path(folder)
    if path is not None:
        with suppress(OSError):
            path.rmdir()
