"""A folder of remote shards, kept under a size limit and shared by all processes of a machine.

A shard lies there under its hash, so another dataset, or a shard that was written anew, can never
be taken for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ... import storage
from ...errors import ConfigError, ShardError

LOCKS = ".locks"


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

    def fetch(self, uri: str, shard: Mapping[str, Any]) -> Path:
        """The local copy of a shard, downloaded at most once per machine.

        `shard` holds its `sha256` and `size_bytes`.

        Raises:
            ShardError: what lies at `uri` is another file.
        """
        path = self.folder / f"{shard['sha256']}.tar"
        with open(self.folder / LOCKS / shard["sha256"], "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other processes wait for the first one's download
            if not path.exists():
                self._download(uri, shard, path)
            os.utime(path)  # the time of last use, which decides what goes first
        self._shrink(keep=path)
        return path

    def _download(self, uri: str, shard: Mapping[str, Any], path: Path) -> None:
        try:
            with storage.replacing(path, sync=False) as part:
                with storage.open_uri(uri, "rb") as reader, open(part, "wb") as writer:
                    shutil.copyfileobj(reader, writer, 8 << 20)
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

    def _shrink(self, keep: Path) -> None:
        """Delete the longest unused shards; readers that have one open keep reading it."""
        with open(self.folder / LOCKS / "shrink", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
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
                    return
                if path != keep:
                    path.unlink(missing_ok=True)
                    total -= size
