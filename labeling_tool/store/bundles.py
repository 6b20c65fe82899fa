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

    `get` makes what is missing, once, however many ask; `prepare` does so in advance.
    """

    def __init__(self, folder: Path, renderers: int = RENDERERS):
        self.folder = folder
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
            if path.exists():
                done: Future[Path] = Future()
                done.set_result(path)
                return done
            if key in self._under_way:
                return self._under_way[key]
            at, error = self._failed.get(key, (-FAILED_S, None))
            if error is not None and time.monotonic() - at < FAILED_S:
                failed: Future[Path] = Future()
                failed.set_exception(error)
                return failed
            future = self._pool.submit(self._make, key, path, recipe, render)
            self._under_way[key] = future
            return future

    def get(self, recipe: dict[str, Any], render: Render) -> Path:
        """The bundle's file. Raises what `render` raises."""
        path = self.prepare(recipe, render).result()
        os.utime(path)  # so that `forget` knows what is in use
        return path

    def _make(self, key: str, path: Path, recipe: dict[str, Any], render: Render) -> Path:
        try:
            with storage.replacing(path, sync=False) as temporary:
                render(recipe, temporary)
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

    @property
    def is_full(self) -> bool:
        """Whether the disk has no room for a bundle: then nothing is wrong with any video."""
        return shutil.disk_usage(self.folder).free < LARGEST

    def forget(self, older_than_s: float = FORGET_AFTER_S) -> int:
        """Delete bundles that nobody has asked for in that time; returns how many."""
        limit, count = time.time() - older_than_s, 0
        for path in self.folder.glob("*/*.vab"):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                count += 1
        return count

    def close(self) -> None:
        """Stop rendering what has not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)
