"""Writes that happen only if nobody else wrote meanwhile: `read_versioned`, then `replace_if`.

On S3 and what speaks like it the store compares (`If-Match`, `If-None-Match`). Elsewhere a lock is
held while the file is compared and replaced: the kernel's on local and network disks (NFS carries
it to its server), and where there is none, or on other stores, a lease: an object that only one can
create, whose owner writes it again as long as it lives.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import storage
from .attempts import this_host
from .errors import Interrupted
from .storage_failures import error_code

S3 = ("s3", "s3a")
# What S3 answers where the condition does not hold; the last, where the object was deleted.
UNMET = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409", "NoSuchKey", "404"}
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
BEAT_S = 5.0  # between two signs of life of a lease's owner
DEAD_S = 60.0  # without a sign of life, seen by the one who waits: twelve beats
POLL_S = 0.2
PATIENCE_S = 1800.0  # a plan of 100,000 sources is merged and written in a minute


class ChangedMeanwhile(Exception):  # noqa: N818 - the outcome of a race, not an accident
    """Somebody else wrote the file since it was read."""


def read_versioned(uri: storage.Uri) -> tuple[bytes | None, str]:
    """The bytes of a file (None where there is none) and a token of its version."""
    if _is_s3(uri):
        return _read_from_s3(uri)
    try:
        data = storage.read_bytes(uri)
    except FileNotFoundError:
        return None, ""
    return data, _digest(data)


def replace_if(uri: storage.Uri, data: bytes, token: str) -> str:
    """Write a file if it is still the version that `token` names (empty: if there is none).

    Readers see the old bytes or the new ones. Returns the token of what was written.

    Raises:
        ChangedMeanwhile: it is another version now.
    """
    if _is_s3(uri):
        return _put_to_s3(uri, data, token)
    with exclusive(uri) as check:
        if read_versioned(uri)[1] != token:
            raise ChangedMeanwhile(os.fspath(uri))
        check()
        storage.write_atomic(uri, data)
    return _digest(data)


@contextmanager
def exclusive(uri: storage.Uri) -> Iterator[Callable[[], None]]:
    """Hold the lock of a file that is not on S3 for a block.

    Yields what raises ChangedMeanwhile where the lock was lost, to be called before the write.

    Raises:
        Interrupted: somebody else has held it for half an hour.
    """
    path = storage.local_path(uri)
    if path is None:
        with _leased(f"{os.fspath(uri)}.lease") as check:
            yield check
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                lock.unlink(missing_ok=True)
                with _leased(f"{lock}.lease") as check:
                    yield check
                return
            if not _is_at(lock, handle):
                continue  # whoever held it before has removed it: wait for the one that is there
            try:
                yield lambda: None
            finally:
                lock.unlink(missing_ok=True)
            return
        finally:
            os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def create(uri: storage.Uri, data: bytes) -> bool:
    """Write a small file that is not there yet; False where it is. Only one of several succeeds."""
    path = storage.local_path(uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        with open(handle, "wb") as file:
            file.write(data)
        return True
    if _is_s3(uri):
        try:
            _put_to_s3(uri, data, "")
        except ChangedMeanwhile:
            return False
        return True
    fs, inner = storage.filesystem(uri)
    try:
        fs.pipe_file(inner, data, mode="create")
    except FileExistsError:
        return False
    return True


@contextmanager
def _leased(uri: str) -> Iterator[Callable[[], None]]:
    owner = f"{this_host()} {os.getpid()} {os.urandom(8).hex()}"
    _take(uri, owner)
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while not ended.wait(BEAT_S):
            count += 1
            with suppress(OSError):  # the next beat tries again
                if _owner(uri) != owner:
                    return
                storage.write_atomic(uri, f"{owner}\n{count}".encode())

    def check() -> None:
        if _owner(uri) != owner:
            raise ChangedMeanwhile(f"{uri}: somebody else took the lease")

    heart = threading.Thread(target=beat, name="lease", daemon=True)
    heart.start()
    try:
        yield check
    finally:
        ended.set()
        heart.join()
        if _owner(uri) == owner:
            storage.remove(uri)


def _take(uri: str, owner: str) -> None:
    """Create the lease, once the one before is given back or shows no sign of life."""
    begun = seen_s = time.monotonic()
    seen = b""
    while not create(uri, f"{owner}\n0".encode()):
        now = time.monotonic()
        try:
            content = storage.read_bytes(uri)
        except FileNotFoundError:
            continue
        if content != seen:
            seen, seen_s = content, now
        elif now - seen_s > DEAD_S:  # by the clock of the one who waits: clocks differ
            storage.remove(uri)
            continue
        if now - begun > PATIENCE_S:
            raise Interrupted(f"{uri}: is held by {_owner(uri) or 'nobody'}; run again later")
        time.sleep(POLL_S)


def _owner(uri: str) -> str:
    try:
        return storage.read_bytes(uri).decode(errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return ""


def _read_from_s3(uri: storage.Uri) -> tuple[bytes | None, str]:
    from s3fs.utils import FileExpired

    fs, inner = storage.filesystem(uri)
    while True:
        try:
            with fs.open(inner, "rb") as file:  # reads with If-Match: one version, or an error
                return file.read(), str(file.details["ETag"])
        except FileNotFoundError:
            return None, ""
        except FileExpired:  # replaced while it was read
            continue


def _put_to_s3(uri: storage.Uri, data: bytes, token: str) -> str:
    fs, inner = storage.filesystem(uri)
    bucket, key, _ = fs.split_path(inner)
    condition = {"IfMatch": token} if token else {"IfNoneMatch": "*"}
    try:
        answer = fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
    except OSError as error:
        if error_code(error) not in UNMET:
            raise
        # The answer to a first try may have been lost, and its own object stand in the way.
        found, now = read_versioned(uri)
        if found == data:
            return now
        raise ChangedMeanwhile(os.fspath(uri)) from error
    return str(answer["ETag"])


def _is_s3(uri: storage.Uri) -> bool:
    return os.fspath(uri).split("://", 1)[0] in S3


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
