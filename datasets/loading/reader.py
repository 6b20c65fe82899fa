"""Fetching samples: from local shards, from a bucket in long reads, or through a cache.

Every sample is compared with its manifest row on the way, whatever the path. All readers may be
used from many threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ... import storage
from ...errors import ShardError
from ..shards.dataset import Dataset
from ..shards.samples import check_sample
from .shard_cache import ShardCache
from .shared_store import Shared

OPEN_FILES = 128  # of shards; well below the usual limit of 1,024 a process
OPEN_CACHED = 16  # a deleted shard keeps its disk space while it is open, so few are
FETCHERS = 8  # threads that wait for a bucket; they use next to no processor
ATTEMPTS = 3  # another process may take a cached shard away between finding and opening it


class SampleReader(Protocol):
    """Reads the members of the clip of a manifest row."""

    def announce(self, row: Mapping[str, Any]) -> None:
        """Begin to fetch what is slow to come of a row that is read soon; returns at once."""

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """The members of the row's clip.

        Raises ShardError where the shard is not the one that the manifest describes.
        """

    def close(self) -> None:
        """Let go of files and memory."""


def open_reader(
    dataset: Dataset,
    shards: Mapping[str, Mapping[str, Any]],
    cache: ShardCache | None,
    block_bytes: int,
) -> SampleReader:
    """The reader that fits where a dataset lies.

    Args:
        dataset: where the samples lie.
        shards: of `dataset.json`, by name: size and hash.
        cache: where to keep whole remote shards, if anywhere.
        block_bytes: memory for blocks of neighboring clips, where they are read from a bucket
            without a cache.
    """
    if dataset.local is not None:
        return LocalReader(dataset)
    if cache is not None:
        return CachedReader(dataset, shards, cache)
    return BlockReader(dataset, block_bytes)


class LocalReader:
    """Reads from local files with a system call per sample."""

    def __init__(self, dataset: Dataset, open_files: int = OPEN_FILES):
        self._dataset = dataset
        self._files = Shared[str, int](open_files, lambda _: 1, os.close)

    def announce(self, row: Mapping[str, Any]) -> None:
        """Do nothing: a local disk answers at once."""

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        with self._files.lend(row["shard"], self._open) as handle:
            data = os.pread(handle, row["size_bytes"], row["offset_bytes"])
        return check_sample(data, row, self._dataset.shard_uri(row["shard"]))

    def close(self) -> None:
        self._files.close()

    def _open(self, shard: str) -> int:
        for _ in range(ATTEMPTS):
            try:
                return os.open(self._find(shard), os.O_RDONLY)
            except FileNotFoundError:
                continue
        raise _missing(self._dataset.shard_uri(shard))

    def _find(self, shard: str) -> Path:
        return storage.local_path(self._dataset.shard_uri(shard)) or Path()


class CachedReader(LocalReader):
    """Reads remote shards through a folder of whole local copies."""

    def __init__(
        self, dataset: Dataset, shards: Mapping[str, Mapping[str, Any]], cache: ShardCache
    ):
        super().__init__(dataset, OPEN_CACHED)
        self._shards, self._cache = shards, cache
        self._fetcher = _Fetcher()

    def announce(self, row: Mapping[str, Any]) -> None:
        self._fetcher.begin(row["shard"], lambda: self._find(row["shard"]))

    def close(self) -> None:
        self._fetcher.close()
        super().close()

    def _open(self, shard: str) -> int:
        self._fetcher.wait(shard)
        return super()._open(shard)

    def _find(self, shard: str) -> Path:
        return self._cache.fetch(self._dataset.shard_uri(shard), self._shards[shard])


class BlockReader:
    """Reads from a bucket: one request fetches a block of neighboring clips, wanted soon after."""

    def __init__(self, dataset: Dataset, budget_bytes: int):
        self._dataset = dataset
        self._fetcher = _Fetcher()
        self._data = Shared[tuple[str, int, int], bytes](budget_bytes, len, lambda _: None)

    def announce(self, row: Mapping[str, Any]) -> None:
        block = (row["shard"], row["block_start"], row["block_end"])
        self._fetcher.begin(block, lambda: self._prefetch(block))

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        start = row["block_start"]
        self._fetcher.wait((row["shard"], start, row["block_end"]))
        with self._data.lend((row["shard"], start, row["block_end"]), self._fetch) as block:
            at = row["offset_bytes"] - start
            data = memoryview(block)[at : at + row["size_bytes"]]
            return check_sample(data, row, self._dataset.shard_uri(row["shard"]))

    def close(self) -> None:
        self._fetcher.close()
        self._data.close()

    def _prefetch(self, block: tuple[str, int, int]) -> None:
        with self._data.lend(block, self._fetch):
            return

    def _fetch(self, block: tuple[str, int, int]) -> bytes:
        shard, start, end = block
        uri = self._dataset.shard_uri(shard)
        try:
            return storage.read_range(uri, start, end)
        except FileNotFoundError as error:
            raise _missing(uri) from error


class _Fetcher:
    """Threads that fetch what was announced, each thing once at a time.

    Errors are left to whoever reads it.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(FETCHERS, thread_name_prefix="vidact-fetch")
        self._begun: dict[Hashable, Future[object]] = {}

    def begin(self, key: Hashable, fetch: Callable[[], object]) -> None:
        """Begin to fetch a thing, unless it has begun; must be called from one thread only."""
        if key not in self._begun:
            self._begun = {k: future for k, future in self._begun.items() if not future.done()}
            self._begun[key] = self._pool.submit(fetch)

    def wait(self, key: Hashable) -> None:
        """Wait for a thing that was announced: a reader that is early does not fetch it twice."""
        if (future := self._begun.get(key)) is not None:
            with suppress(Exception):  # whoever reads it meets the error by itself
                future.result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _missing(uri: str) -> ShardError:
    return ShardError(
        f"{uri}: is missing, though the manifest lists clips in it; "
        "run `vidact verify` on the dataset"
    )
