"""Where bytes lie: local paths and fsspec URLs (`s3://`, `hdfs://`) behind a few plain functions.

A local path is used as it is, with no fsspec in between: file names with `::`, `#`, `*` or newlines
are legal there, and fsspec would take them for its own syntax. Everything that is written appears
whole or not at all.
"""

from __future__ import annotations

import glob
import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from .attempts import is_abandoned, is_temporary, temporary_name
from .errors import ConfigError, MissingDependencyError

HASH_BLOCK_BYTES = 1 << 20
BUCKET_PROTOCOLS = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"}
)
Uri = str | os.PathLike[str]
"""A local path, or a URL that fsspec knows."""
EXTRAS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


def local_path(uri: Uri) -> Path | None:
    """Return the path of a local `uri` (a plain path or `file://`), None where it is remote."""
    text = os.fspath(uri)
    if "://" not in text:
        return Path(text)
    if text.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(text).path)))
    return None


def storable(path: Uri) -> str:
    """Return a local path as text that every table can hold.

    It stays as it is, or becomes a `file://` URL where it is no UTF-8.
    """
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(text))
    return text


def join(base: Uri, *parts: str) -> str:
    """Join `base` and `parts` by single slashes: `join("s3://b/data", "shards", "x.tar")`."""
    text = os.fspath(base)
    for part in parts:
        text = f"{text.rstrip('/') if text != '/' else ''}/{part.lstrip('/')}" if text else part
    return text


def filesystem(uri: Uri) -> tuple[Any, str]:
    """Return the fsspec filesystem of a remote `uri`, and its path inside it.

    Listings are never cached: other processes and machines write into the same dataset.

    Raises:
        MissingDependencyError: the protocol's package is not installed.
        ConfigError: there is no such protocol.
    """
    import fsspec

    text = os.fspath(uri)
    try:
        if text.startswith(("s3:", "s3a:")):
            _parse_times_fast()
        return fsspec.url_to_fs(text, use_listings_cache=False)
    except ValueError as error:  # fsspec knows no such protocol
        raise ConfigError(f"{text}: {error}") from error
    except ImportError as error:
        protocol = text.split("://", 1)[0]
        advice = str(error)
        if package := EXTRAS.get(protocol):
            advice = f"install it with `pip install 'vidact[cloud]'` (or `{package}`)"
        raise MissingDependencyError(
            f"{text}: no filesystem for {protocol}:// is installed; {advice}"
        ) from error


@cache
def _parse_times_fast() -> None:
    """Have botocore read times by the standard library: its own way is half of a long listing."""
    with suppress(ImportError):  # said where the filesystem is asked for
        from botocore import parsers

        any_format = parsers.DEFAULT_TIMESTAMP_PARSER

        def parse(value: Any) -> Any:
            with suppress(TypeError, ValueError):
                if (time := datetime.fromisoformat(value)).tzinfo:
                    return time
            return any_format(value)

        parsers.DEFAULT_TIMESTAMP_PARSER = parse


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
    return bool(fs.exists(inner))


def size_bytes(uri: Uri) -> int:
    """Return the size of a file. Raises FileNotFoundError."""
    path = local_path(uri)
    if path is not None:
        return path.stat().st_size
    fs, inner = filesystem(uri)
    return int(fs.info(inner)["size"])


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
                found[join(uri, name[len(inner.rstrip("/")) :])] = _modified(info)
    return {name: found[name] for name in sorted(found) if _is_shown(name, suffix)}


def _is_shown(name: str, suffix: str) -> bool:
    """Return whether a listing of what ends in `suffix` has a file."""
    return name.endswith(suffix) and not os.path.basename(name).startswith(".")


def _modified(info: Mapping[str, Any]) -> float:
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
    if _is_bucket(uri):
        fs.pipe_file(inner, data)  # one upload: an object store shows whole objects only
        return
    temporary_inner = _temporary_inner(fs, inner)
    fs.pipe_file(temporary_inner, data)
    _rename_remote(fs, temporary_inner, inner)


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
        if _is_bucket(uri):
            fs.put_file(str(source), inner)
        else:
            temporary_inner = _temporary_inner(fs, inner)
            fs.put_file(str(source), temporary_inner)
            _rename_remote(fs, temporary_inner, inner)
    if consume:
        source.unlink(missing_ok=True)


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


def remote_suffix(uri: Uri) -> str:
    """Return the suffix of a remote file, such as `.mp4`, for the name of a local copy.

    Tokens and versions behind a question mark are no part of it, and it is at most 8 characters
    long: a URL may end in anything.
    """
    return Path(os.fspath(uri).split("?", maxsplit=1)[0]).suffix[:8]


def remove(uri: Uri) -> None:
    """Delete a file; nothing happens where there is none."""
    path = local_path(uri)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    fs, inner = filesystem(uri)
    with suppress(FileNotFoundError):
        fs.rm_file(inner)


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
    elif not _is_bucket(folder):  # buckets show no half-written objects
        fs, inner = filesystem(folder)
        for info in fs.ls(inner, detail=True) if fs.exists(inner) else ():
            name = info["name"].rsplit("/", 1)[-1]
            if is_temporary(name) and is_abandoned(name, _modified(info)):
                fs.rm_file(info["name"])


def sha256_file(uri: Uri) -> str:
    """Return the hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with open_uri(uri, "rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _is_bucket(uri: Uri) -> bool:
    return os.fspath(uri).split("://", 1)[0] in BUCKET_PROTOCOLS


def _temporary_inner(fs: Any, inner: str) -> str:
    folder, _, name = inner.rpartition("/")
    fs.makedirs(folder, exist_ok=True)
    return f"{folder}/{temporary_name(name)}"


def _rename_remote(fs: Any, source: str, target: str) -> None:
    """Rename where the target may exist: hdfs refuses that, so an old file goes first."""
    try:
        fs.mv(source, target)
    except (FileExistsError, OSError):
        if not fs.exists(target):
            fs.rm_file(source)
            raise
        fs.rm_file(target)
        fs.mv(source, target)


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
