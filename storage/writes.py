"""Writes files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..attempts import temporary_name
from .places import Uri, filesystem, is_bucket, local_path
from .reads import HASH_BLOCK_BYTES
from .renames import rename


@contextmanager
def replacing(path: Uri, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path that takes the place of the local file `path` where the block ends.

    As `replacing_all`, of one file.
    """
    with replacing_all([path], sync=sync) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(paths: Sequence[Uri], *, sync: bool = True) -> Iterator[list[Path]]:
    """Yield temporary paths beside local `paths`, which take their places in order where the block
    ends.

    Readers see each old file or the new one, never a part. Where the block raises, nothing is
    replaced; in any case no temporary file is left. Only a killed process leaves some: hidden
    names that end in `.tmp`, each unique to its attempt.

    Args:
        paths: the final places; their folders are made.
        sync: wait until the bytes are on the disk before the first of them takes its place, so
            that not even a power cut leaves a part. False saves that for what can be made again.
    """
    places = [Path(path) for path in paths]
    temporary = [path.with_name(temporary_name(path.name)) for path in places]
    folders = dict.fromkeys(path.parent for path in places)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        if sync:
            for path in temporary:
                _sync(path)
        for path, place in zip(temporary, places, strict=True):
            os.replace(path, place)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
    if sync:
        for folder in folders:
            _sync_folder(folder)


def write_atomic(uri: Uri, data: bytes) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, never a part."""
    path = local_path(uri)
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        return
    fs, inner = filesystem(uri)
    if is_bucket(uri):
        fs.pipe_file(inner, data)  # one upload: an object store shows whole objects only
        return
    temporary_inner = _temporary_inner(fs, inner)
    fs.pipe_file(temporary_inner, data)
    rename(fs, temporary_inner, inner)


def put_atomic(local: Uri, uri: Uri, *, consume: bool = False) -> None:
    """Put a finished local file in its place: locally and on hdfs under a name of its own, synced,
    then renamed; into a bucket by one upload to the final key.

    Args:
        local: the finished file.
        uri: its final place.
        consume: the local file is not needed afterwards: it is moved where that is possible, and is
            gone in any case.
    """
    source = Path(local)
    path = local_path(uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if consume and source.stat().st_dev == path.parent.stat().st_dev:
            _sync(source)
            os.replace(source, path)
            _sync_folder(path.parent)
        else:
            with (
                replacing(path) as temporary,
                open(source, "rb") as reader,
                open(temporary, "wb") as writer,
            ):
                shutil.copyfileobj(reader, writer, HASH_BLOCK_BYTES)
    else:
        fs, inner = filesystem(uri)
        if is_bucket(uri):
            fs.put_file(str(source), inner)
        else:
            temporary_inner = _temporary_inner(fs, inner)
            fs.put_file(str(source), temporary_inner)
            rename(fs, temporary_inner, inner)
    if consume:
        source.unlink(missing_ok=True)


def _temporary_inner(fs: Any, inner: str) -> str:
    folder, _, name = inner.rpartition("/")
    fs.makedirs(folder, exist_ok=True)
    return f"{folder}/{temporary_name(name)}"


def _sync(path: Path) -> None:
    """Wait until the bytes of a file, whoever wrote them, are on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut.

    Filesystems that cannot sync a folder, as some network ones, are left alone.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)
