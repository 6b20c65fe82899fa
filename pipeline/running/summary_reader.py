"""Reads the few numbers of each committed shard: many small requests at a time, no record's rows.

A record has a row for each clip, so those of 10,000 hours are gigabytes; its summary is a kilobyte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...datasets.shards.dataset import Dataset

READERS = 32  # a store answers one request in 20 ms, and many at a time


def read_summaries(dataset: Dataset, shards: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each shard with its `CommitRecord.summary`, in their order.

    Where a summary lacks (of a worker that was killed before it wrote it, in old datasets) the
    record tells; where that is gone too, the shard is left out.
    """
    if not shards:
        return
    named = dataset.summaries.listed()

    def read(shard: str) -> dict[str, Any] | None:
        if shard in named:
            try:
                return dataset.summaries.read(named[shard])
            except (FileNotFoundError, ValueError):  # replaced meanwhile, or damaged
                pass
        try:
            return dataset.read_commit(shard).summary()
        except FileNotFoundError:
            return None

    with ThreadPoolExecutor(min(READERS, len(shards))) as pool:
        for shard, summary in zip(shards, pool.map(read, shards), strict=True):
            if summary is not None:
                yield shard, summary
