"""Fetching samples for the loader: from local shards, from a bucket in long reads, or through a cache of shards.

Every sample is compared with its manifest row on the way, whatever the path. All readers may be used from many threads.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from .. import storage
from ..errors import ShardError
from .commits import shard_uri
from .samples import check_sample
from .shard_cache import ShardCache

OPEN_FILES = 128  # of shards; well below the usual limit of 1,024 a process
BLOCK_BUDGET_BYTES = 256 << 20  # holds a shuffle window of 1,024 clips of 250 kB

Key = TypeVar("Key")
Value = TypeVar("Value")


class SampleReader(Protocol):
    """Reads the members of the clip of a manifest row."""

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """The members; raises ShardError where the shard is not the one that the manifest describes."""

    def close(self) -> None:
        """Let go of files and memory."""


def open_reader(
    dataset_uri: str,
    shards: Mapping[str, Mapping[str, Any]],
    cache: ShardCache | None,
) -> SampleReader:
    """The reader that fits where a dataset lies.

    Args:
        dataset_uri: the dataset.
        shards: of `dataset.json`, by name: size and hash.
        cache: where to keep whole remote shards, if anywhere.
    """
    if storage.local_path(dataset_uri) is not None:
        return LocalReader(lambda shard: Path(storage.local_path(shard_uri(dataset_uri, shard)) or ""))
    if cache is not None:
        return LocalReader(lambda shard: cache.fetch(shard_uri(dataset_uri, shard), shards[shard]))
    return BlockReader(dataset_uri)


class LocalReader:
    """Reads from files, a system call a sample; `find` names the file of a shard."""

    def __init__(self, find: Callable[[str], Path]):
        self._files = Shared[str, int](OPEN_FILES, lambda _: 1, os.close)
        self._find = find

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        with self._files.lend(row["shard"], self._open) as handle:
            data = os.pread(handle, row["size_bytes"], row["offset_bytes"])
        return check_sample(data, row, row["shard"])

    def close(self) -> None:
        self._files.close()

    def _open(self, shard: str) -> int:
        path = self._find(shard)
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise ShardError(
                f"{path}: is missing, though the manifest lists clips in it; run `vidact verify` on the dataset"
            ) from error


class BlockReader:
    """Reads from a bucket: one range request fetches a block of neighbouring clips, which are wanted soon."""

    def __init__(self, dataset_uri: str, budget_bytes: int = BLOCK_BUDGET_BYTES):
        self._dataset_uri = dataset_uri
        self._data = Shared[tuple[str, int, int], bytes](budget_bytes, len, lambda _: None)

    def read(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        start, end = row["block_start"], row["block_end"]
        with self._data.lend((row["shard"], start, end), self._fetch) as block:
            at = row["offset_bytes"] - start
            data = memoryview(block)[at : at + row["size_bytes"]]
            return check_sample(data, row, shard_uri(self._dataset_uri, row["shard"]))

    def close(self) -> None:
        self._data.close()

    def _fetch(self, block: tuple[str, int, int]) -> bytes:
        shard, start, end = block
        uri = shard_uri(self._dataset_uri, shard)
        try:
            return storage.read_range(uri, start, end)
        except FileNotFoundError as error:
            raise ShardError(
                f"{uri}: is missing, though the manifest lists clips in it; run `vidact verify` on the dataset"
            ) from error


class Shared(Generic[Key, Value]):
    """A least-recently-used store for threads: each value is made once, by whoever asks first, while others wait.

    Values that are lent out stay until they come back, even above the budget.

    Args:
        budget: how much to keep.
        size: how much of the budget a value takes.
        drop: what to do with a value that has to go.
    """

    def __init__(self, budget: int, size: Callable[[Value], int], drop: Callable[[Value], None]):
        self._budget, self._size, self._drop = budget, size, drop
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Future[Value]] = OrderedDict()
        self._lent: dict[Key, int] = {}
        self._used = 0

    def lend(self, key: Key, make: Callable[[Key], Value]) -> _Loan[Key, Value]:
        """A context manager that gives the value of `key`, made by `make(key)` where it is not kept."""
        return _Loan(self, key, make)

    def close(self) -> None:
        """Drop everything that is not lent out."""
        with self._lock:
            self._budget = 0
            self._shrink()

    def take(self, key: Key, make: Callable[[Key], Value]) -> Value:
        with self._lock:
            found = self._kept.get(key)
            future: Future[Value] = found or Future()
            self._kept[key] = future
            self._kept.move_to_end(key)
            self._lent[key] = self._lent.get(key, 0) + 1
        if found is None:
            try:
                value = make(key)
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)  # the next one tries again
                future.set_exception(error)
                self.give_back(key)
                raise
            with self._lock:
                self._used += self._size(value)
            future.set_result(value)
            return value
        try:
            return future.result()
        except BaseException:
            self.give_back(key)
            raise

    def give_back(self, key: Key) -> None:
        with self._lock:
            self._lent[key] -= 1
            if not self._lent[key]:
                del self._lent[key]
            self._shrink()

    def _shrink(self) -> None:
        for key in list(self._kept):
            if self._used <= self._budget:
                return
            future = self._kept[key]
            if key not in self._lent and future.done() and future.exception() is None:
                del self._kept[key]
                value = future.result()
                self._used -= self._size(value)
                self._drop(value)


class _Loan(Generic[Key, Value]):
    def __init__(self, store: Shared[Key, Value], key: Key, make: Callable[[Key], Value]):
        self._store, self._key, self._make = store, key, make

    def __enter__(self) -> Value:
        return self._store.take(self._key, self._make)

    def __exit__(self, *_: object) -> None:
        self._store.give_back(self._key)
