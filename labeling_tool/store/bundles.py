"""Pictures of a task as one immutable file: a bundle of JPEGs, made once, kept on disk.

    bytes 0-3   "VAB1"
    bytes 4-7   length of the head, unsigned little-endian
    then        the head, JSON: lengths of the JPEGs, width, height, what they were rendered from
    then        the JPEGs one after the other

The front end loads a bundle whole and decodes it before the first key is pressed: no seeking, no
codec, no wrong frame.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from ... import storage
from ...errors import VidactError

MAGIC = b"VAB1"
RENDERERS = 2  # processes that render at once: one per core of the smallest machine
# Pictures that nobody has looked at for a month can be rendered again.
FORGET_AFTER_S = 30 * 24 * 3600.0
LARGEST = 128 << 20  # bytes that a bundle may take: 128 frames of full HD, with room to spare
# Full-size ones are five times as large, and each task is looked at in one or two days.
FORGET_FULL_AFTER_S = 2 * 24 * 3600.0

HALF_MADE_S = 3600.0  # no bundle takes that long
IN_USE_S = 60.0  # what was asked for since then may be on its way: no quota deletes it

# Over its quota, the store forgets a little more than it must: not at each bundle anew.
TRIMMED = 0.9
# What is made ahead of need stops well below: it must never push out what somebody has looked at.
AHEAD = 0.8
FREE = 2 << 30  # bytes of disk that are left to all others when bundles are made ahead

# What cannot be rendered now cannot in a moment: it is not tried again at each request.
FAILED_S = 300.0
MOST_FAILED = 1000

Render = Callable[[dict[str, Any], Path], None]


def pack(pictures: Sequence[bytes], head: dict[str, Any]) -> bytes:
    """A bundle of these JPEGs; `head` holds what else the front end should know."""
    text = json.dumps({**head, "lengths": [len(picture) for picture in pictures]}).encode()
    return MAGIC + struct.pack("<I", len(text)) + text + b"".join(pictures)


def unpack(data: bytes) -> tuple[list[bytes], dict[str, Any]]:
    """The JPEGs of a bundle and its head. Raises ValueError where it is damaged."""
    if data[:4] != MAGIC or len(data) < 8:
        raise ValueError("not a bundle of pictures")
    (length,) = struct.unpack_from("<I", data, 4)
    head = json.loads(data[8 : 8 + length])
    start, pictures = 8 + length, []
    for size in head["lengths"]:
        pictures.append(data[start : start + size])
        start += size
    if start != len(data):
        raise ValueError(f"a bundle of {len(data)} bytes should have {start}")
    return pictures, head


def picture_of(path: Path, index: int) -> bytes:
    """Return one JPEG of a bundle's file. Raises IndexError where there is none of that number."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<I", file.read(8)[4:])
        sizes = json.loads(file.read(length))["lengths"]
        size = sizes[index]
        file.seek(sum(sizes[:index]), os.SEEK_CUR)
        return file.read(size)


class BundleStore:
    """Bundles by what they show.

    `get` makes what is missing, once, however many ask; `prepare` begins with it; `make_ahead` is
    for what nobody has asked for yet.

    Args:
        folder: where they lie.
        quota: bytes that all of them may take; those that nobody has asked for longest go first.
        renderers: how many are made at once.
    """

    def __init__(self, folder: Path, quota: int, renderers: int = RENDERERS):
        self.folder, self.quota = folder, quota
        self._size: int | None = None  # bytes; None until they are counted
        self._pool = ThreadPoolExecutor(renderers, thread_name_prefix="render")
        self._under_way: dict[str, Future[Path]] = {}
        self._failed: dict[str, tuple[float, VidactError]] = {}
        self._lock = threading.Lock()

    @staticmethod
    def key(recipe: dict[str, Any]) -> str:
        """Name the bundle that a recipe makes: by a hash, so no user's word becomes a path."""
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:40]

    def path(self, key: str) -> Path:
        """Return where a bundle lies, or will lie."""
        return self.folder / key[:2] / f"{key}.vab"

    def prepare(self, recipe: dict[str, Any], render: Render) -> Future[Path]:
        """Begin to make a bundle unless it is there or under way."""
        key = self.key(recipe)
        path = self.path(key)
        with self._lock:
            with suppress(FileNotFoundError):
                os.utime(path)  # so that nobody deletes it from now on
                done: Future[Path] = Future()
                done.set_result(path)
                return done
            if key in self._under_way:
                return self._under_way[key]
            error = self._failure(key)
            if error is not None:
                failed: Future[Path] = Future()
                failed.set_exception(error)
                return failed
            future = self._pool.submit(self._make, key, path, recipe, render)
            self._under_way[key] = future
            return future

    def get(self, recipe: dict[str, Any], render: Render) -> Path:
        """The bundle's file. Raises what `render` raises."""
        return self.prepare(recipe, render).result()

    def make_ahead(self, recipe: dict[str, Any], render: Render) -> bool:
        """Make a bundle in the caller's own thread, unless it is there or under way.

        The renderers stay free for those who wait; who asks for this one meanwhile waits for it.

        Returns:
            Whether it was made.

        Raises:
            VidactError: and whatever else `render` raises.
        """
        key = self.key(recipe)
        path = self.path(key)
        future: Future[Path] = Future()
        future.set_running_or_notify_cancel()  # nobody who stops waiting cancels it
        with self._lock:
            if path.exists() or key in self._under_way or self._failure(key) is not None:
                return False
            self._under_way[key] = future
        try:
            future.set_result(self._make(key, path, recipe, render))
        except BaseException as error:
            future.set_exception(error)
            raise
        return True

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for a bundle."""
        return bool(self._under_way)

    @property
    def has_room_ahead(self) -> bool:
        """Whether what nobody has asked for may still be made: of the quota and of the disk."""
        with self._lock:
            size = self._counted()
        return size < AHEAD * self.quota and shutil.disk_usage(self.folder).free > FREE

    def _make(self, key: str, path: Path, recipe: dict[str, Any], render: Render) -> Path:
        try:
            with storage.replacing(path, sync=False) as temporary:
                render(recipe, temporary)
            self._add(path)
            return path
        except VidactError as error:
            if self.is_full:
                raise
            with self._lock:
                if len(self._failed) >= MOST_FAILED:
                    self._failed.clear()
                self._failed[key] = (time.monotonic(), error)
            raise
        finally:
            with self._lock:
                self._under_way.pop(key, None)

    def _failure(self, key: str) -> VidactError | None:
        at, error = self._failed.get(key, (-FAILED_S, None))
        return error if time.monotonic() - at < FAILED_S else None

    def _files(self) -> list[tuple[os.stat_result, Path]]:
        """All bundles, those that nobody has asked for longest first."""
        found = []
        for path in self.folder.glob("*/*.vab"):
            with suppress(FileNotFoundError):  # another server process has forgotten it
                found.append((path.stat(), path))
        return sorted(found, key=lambda one: one[0].st_mtime)

    def _counted(self) -> int:
        if self._size is None:
            self._size = sum(stat.st_size for stat, _ in self._files())
        return self._size

    def _add(self, path: Path) -> None:
        """Count a new bundle; over the quota, those that nobody has asked for longest go."""
        with self._lock:
            if self._size is not None:
                self._size += path.stat().st_size
            is_over = self._counted() > self.quota
        if is_over:
            in_use = time.time() - IN_USE_S
            self._delete(lambda size, used: size > TRIMMED * self.quota and used < in_use)

    def _delete(self, is_too_much: Callable[[int, float], bool]) -> int:
        """Delete bundles as long as it is said of all bytes, and the next one's time of use."""
        files, count = self._files(), 0
        size = sum(stat.st_size for stat, _ in files)
        for stat, path in files:
            if not is_too_much(size, stat.st_mtime):
                break
            with self._lock, suppress(FileNotFoundError):
                if path.stat().st_mtime != stat.st_mtime:
                    continue  # somebody has just asked for it
                path.unlink()
                count += 1
            size -= stat.st_size
        with self._lock:
            self._size = size
        return count

    @property
    def is_full(self) -> bool:
        """Whether the disk has no room for a bundle: then nothing is wrong with any video."""
        return shutil.disk_usage(self.folder).free < LARGEST

    def forget(self, older_than_s: float = FORGET_AFTER_S) -> int:
        """Delete bundles that nobody has asked for in that time; returns how many.

        What a server that was killed left half-made goes too.
        """
        now = time.time()
        limit, in_use = now - older_than_s, now - IN_USE_S
        for path in self.folder.glob("*/.*.tmp"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - HALF_MADE_S:
                    path.unlink()
        return self._delete(
            lambda size, used: used < limit or (size > self.quota and used < in_use)
        )

    def close(self) -> None:
        """Stop rendering what has not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)
