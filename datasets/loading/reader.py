"""Fetching samples: from local shards, from a bucket in long reads, or through a cache.

Every sample is compared with its manifest row on the way, whatever the path. All readers may be
used from many threads.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ... import storage
from ...errors import ShardError
from ..shards.dataset import Dataset
from ..shards.samples import check_sample
from .faults import Faults
from .shard_cache import ShardCache
from .shared_store import Shared

OPEN_FILES = 128  # of shards; well below the usual limit of 1,024 a process
OPEN_CACHED = 16  # a deleted shard keeps its disk space while it is open, so few are
FETCHERS = 8  # threads that wait for a bucket; they use next to no processor
ATTEMPTS = 3  # another process may take a cached shard away between finding and opening it


Block = tuple[str, int, int, int]
"""Shard, first byte, byte after the last, how often the shard was renewed."""


class SampleReader(Protocol):
    """Reads the members of the clip of a manifest row."""

    def announce(self, row: Mapping[str, Any]) -> None:
        """Begin to fetch what is slow to come of a row that is read soon; returns at once."""

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """The members of the row's clip.

        Raises ShardError where the shard is not the one that the manifest describes.
        """

    def renew(self, shard: str, tar: Mapping[str, Any]) -> None:
        """Read a shard anew that was written again: it is the `tar` of this size and hash now."""

    def close(self) -> None:
        """Let go of files and memory."""


def open_reader(
    dataset: Dataset,
    shards: Mapping[str, Mapping[str, Any]],
    cache: ShardCache | None,
    block_bytes: int,
    faults: Faults,
) -> SampleReader:
    """The reader that fits where a dataset lies.

    Args:
        dataset: where the samples lie.
        shards: of `dataset.json`, by name: size and hash.
        cache: where to keep whole remote shards, if anywhere.
        block_bytes: memory for blocks of neighboring clips, where they are read from a bucket
            without a cache.
        faults: how long a read may take.
    """
    if dataset.local is not None:
        return LocalReader(dataset)
    if cache is not None:
        return CachedReader(dataset, shards, cache, faults)
    return BlockReader(dataset, block_bytes, faults)


class LocalReader:
    """Reads from local files with a system call per sample."""

    def __init__(self, dataset: Dataset, open_files: int = OPEN_FILES):
        self._dataset = dataset
        self._files = Shared[tuple[str, int], int](open_files, lambda _: 1, os.close)
        self._renewed: Counter[str] = Counter()

    def announce(self, row: Mapping[str, Any]) -> None:
        """Do nothing: a local disk answers at once."""

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        shard = row["shard"]
        with self._files.lend((shard, self._renewed[shard]), self._open) as handle:
            data = os.pread(handle, row["size_bytes"], row["offset_bytes"])
        return check_sample(data, row, self._dataset.shard_uri(shard))

    def renew(self, shard: str, tar: Mapping[str, Any]) -> None:
        self._renewed[shard] += 1  # what is open is the file of before

    def close(self) -> None:
        self._files.close()

    def _open(self, key: tuple[str, int]) -> int:
        shard, _ = key
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
        self,
        dataset: Dataset,
        shards: Mapping[str, Mapping[str, Any]],
        cache: ShardCache,
        faults: Faults,
    ):
        super().__init__(dataset, OPEN_CACHED)
        self._shards, self._cache, self._faults = dict(shards), cache, faults
        self._fetcher = _Fetcher()

    def announce(self, row: Mapping[str, Any]) -> None:
        self._fetcher.begin(row["shard"], lambda: self._find(row["shard"]))

    def renew(self, shard: str, tar: Mapping[str, Any]) -> None:
        self._shards[shard] = tar
        super().renew(shard, tar)

    def close(self) -> None:
        self._fetcher.close()
        super().close()

    def _open(self, key: tuple[str, int]) -> int:
        self._fetcher.wait(key[0])
        return super()._open(key)

    def _find(self, shard: str) -> Path:
        uri = self._dataset.shard_uri(shard)
        return self._cache.fetch(uri, self._shards[shard], self._faults.in_time)


class BlockReader:
    """Reads from a bucket: one request fetches a block of neighboring clips, wanted soon after."""

    def __init__(self, dataset: Dataset, budget_bytes: int, faults: Faults):
        self._dataset, self._faults = dataset, faults
        self._fetcher = _Fetcher()
        self._data = Shared[Block, bytes](budget_bytes, len, lambda _: None)
        self._renewed: Counter[str] = Counter()

    def announce(self, row: Mapping[str, Any]) -> None:
        block = self._block(row)
        self._fetcher.begin(block, lambda: self._prefetch(block))

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        key = self._block(row)
        self._fetcher.wait(key)
        with self._data.lend(key, self._fetch) as block:
            at = row["offset_bytes"] - row["block_start"]
            data = memoryview(block)[at : at + row["size_bytes"]]
            return check_sample(data, row, self._dataset.shard_uri(row["shard"]))

    def renew(self, shard: str, tar: Mapping[str, Any]) -> None:
        self._renewed[shard] += 1  # blocks that are kept are those of the shard of before

    def close(self) -> None:
        self._fetcher.close()
        self._data.close()

    def _block(self, row: Mapping[str, Any]) -> Block:
        shard = row["shard"]
        return shard, row["block_start"], row["block_end"], self._renewed[shard]

    def _prefetch(self, block: Block) -> None:
        with self._data.lend(block, self._fetch):
            return

    def _fetch(self, block: Block) -> bytes:
        shard, start, end, _ = block
        uri = self._dataset.shard_uri(shard)
        try:
            return self._faults.in_time(lambda: storage.read_range(uri, start, end))
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
