"""A folder of remote shards, kept under a size limit and shared by all processes of a machine.

A shard lies there under its hash, so another dataset, or a shard that was written anew, can never
be taken for it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ... import storage
from ...attempts import is_abandoned
from ...errors import ConfigError, ShardError

LOCKS = ".locks"
PIECE_BYTES = 8 << 20


class ShardCache:
    """Downloads shards on demand and deletes those that were not used for longest.

    Args:
        folder: local; made where it is missing.
        limit_bytes: the folder's size after each download. A single larger shard is still kept
            while it is used.
    """

    def __init__(self, folder: str, limit_bytes: int):
        if limit_bytes <= 0:
            raise ConfigError(f"the cache's limit must be above 0 bytes, got {limit_bytes}")
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        (self.folder / LOCKS).mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()

    def _remove_abandoned(self) -> None:
        """Remove what downloads left that died, those of an older vidact too (`.part`)."""
        for pattern in (".*.tmp", "*.part"):
            for path in self.folder.glob(pattern):
                with suppress(FileNotFoundError):
                    if is_abandoned(path.name, path.stat().st_mtime):
                        path.unlink()

    def require_room(self, size_bytes: int, name: str) -> None:
        """Raise ConfigError where shards of so many bytes in all do not fit, naming their dataset.

        Clips are shuffled over all shards and the cache keeps whole ones, so that one that is too
        small would download nearly a whole shard for each clip, hundreds of datasets an epoch.
        """
        if size_bytes > self.limit_bytes:
            raise ConfigError(
                f"cache_gb is {self.limit_bytes / 1e9:g}, but the shards of {name} are "
                f"{size_bytes / 1e9:.4g} GB: as clips are shuffled over all shards, a cache that "
                "does not hold them all downloads most of them again for every few clips. Make it "
                "as large, or leave out cache_dir: then blocks of neighboring clips are fetched, "
                "each once an epoch (block_clips). `vidact clone` calls these --shard-cache-gb and "
                "--shard-cache"
            )

    def fetch(
        self,
        uri: str,
        shard: Mapping[str, Any],
        in_time: Callable[[Callable[[], bytes]], bytes] = lambda read: read(),
    ) -> Path:
        """The local copy of a shard, downloaded at most once per machine.

        Args:
            uri: where it lies.
            shard: holds its `sha256` and `size_bytes`.
            in_time: reads a piece, and raises where that takes too long.

        Raises:
            ShardError: what lies at `uri` is another file.
        """
        path = self.folder / f"{shard['sha256']}.tar"
        with open(self.folder / LOCKS / shard["sha256"], "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other processes wait for the first one's download
            there = path.exists()
            if not there:
                self._download(uri, shard, path, in_time)
            os.utime(path)  # the time of last use, which decides what goes first
        if not there:
            self._count(path, shard["size_bytes"])
        return path

    def _download(
        self,
        uri: str,
        shard: Mapping[str, Any],
        path: Path,
        in_time: Callable[[Callable[[], bytes]], bytes],
    ) -> None:
        try:
            with storage.replacing(path, sync=False) as part:
                with storage.open_uri(uri, "rb") as reader, open(part, "wb") as writer:
                    while data := in_time(lambda: reader.read(PIECE_BYTES)):
                        writer.write(data)
                size, sha256 = part.stat().st_size, storage.sha256_file(part)
                if (size, sha256) != (shard["size_bytes"], shard["sha256"]):
                    raise ShardError(
                        f"{uri}: expected {shard['size_bytes']} bytes with sha256 "
                        f"{shard['sha256'][:16]}, got {size} bytes with {sha256[:16]}; the shard "
                        "is not the one that dataset.json describes: run `vidact verify`"
                    )
        except FileNotFoundError as error:
            raise ShardError(
                f"{uri}: is missing, though dataset.json lists it; run `vidact verify`"
            ) from error

    def _count(self, path: Path, size_bytes: int) -> None:
        """Count a shard that has come, and delete others where it is too many bytes in all.

        The sum lies in a file: the folder is only looked through where there is no sum yet, or
        where something must go.
        """
        total_file = self.folder / LOCKS / "total"
        with open(self.folder / LOCKS / "shrink", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                total = int(total_file.read_text()) + size_bytes
            except (FileNotFoundError, ValueError):
                total = self.limit_bytes + 1
            if total > self.limit_bytes:
                total = self._shrink(keep=path)
            total_file.write_text(str(total))

    def _shrink(self, keep: Path) -> int:
        """Delete the longest unused shards; readers that have one open keep reading it. Returns
        the bytes that are left.
        """
        shards = []
        for path in self.folder.glob("*.tar"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            shards.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in shards)
        for _, size, path in sorted(shards):
            if total <= self.limit_bytes:
                break
            if path != keep:
                path.unlink(missing_ok=True)
                total -= size
        return total
