"""Reads the few numbers of each committed shard: many small requests at a time, no record's rows.

A record has a row for each clip, so those of 10,000 hours are gigabytes; its summary is a kilobyte,
and a restart finds nearly all of them in one file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .dataset import Dataset
from .summaries import names_by_shard

READERS = 32  # a store answers one request in 20 ms, and many at a time
# Summaries outside the file of many: so many requests a restart makes at most. The file is written
# again each time, at a third of a kilobyte a shard.
MERGED_EACH = 256


class SummaryReader:
    """Reads summaries of a dataset's shards, and keeps the file of many up to date.

    Args:
        dataset: whose they are.
        own: the dataset is one that this job writes; in another one nothing is written.
    """

    def __init__(self, dataset: Dataset, *, own: bool = True):
        self._dataset, self._own = dataset, own
        self._merged: dict[str, tuple[float, dict[str, Any]]] | None = None  # by name, with times
        self._new = 0  # what is not in the file yet

    def read(
        self, shards: Sequence[str], times: Mapping[str, float] | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """Each shard with its `CommitRecord.summary`, in their order.

        Where a summary lacks (of a worker that was killed before it wrote it, in old datasets) the
        record tells; where that is gone too, the shard is left out.

        Args:
            times: what `Summaries.times` listed; it is listed now unless given.
        """
        if not shards:
            return []
        summaries = self._dataset.summaries
        if self._merged is None:
            self._merged = summaries.read_merged()
        times = summaries.times() if times is None else times
        named = names_by_shard(times)
        merged = self._merged
        known = {
            shard: merged[name][1]
            for shard in shards
            if (name := named.get(shard, "")) in merged and merged[name][0] == times[name]
        }
        unknown = [shard for shard in shards if shard not in known]

        def read(shard: str) -> dict[str, Any] | None:
            if shard in named:
                try:
                    return summaries.read(named[shard])
                except (FileNotFoundError, ValueError):  # replaced meanwhile, or damaged
                    pass
            try:
                return self._dataset.read_commit(shard).summary()
            except FileNotFoundError:
                return None

        with ThreadPoolExecutor(min(READERS, len(unknown) or 1)) as pool:
            for shard, summary in zip(unknown, pool.map(read, unknown), strict=True):
                if summary is not None:
                    known[shard] = summary
                    self._keep(named.get(shard, ""), times, summary)
        if self._own and self._new >= MERGED_EACH:
            self._merged = {name: one for name, one in merged.items() if name in times}
            summaries.write_merged(self._merged)
            self._new = 0
        return [(shard, known[shard]) for shard in shards if shard in known]

    def _keep(self, name: str, times: Mapping[str, float], summary: dict[str, Any]) -> None:
        """Take what was read from a file of its own, and is as old as a listing says."""
        if self._merged is not None and not math.isnan(times.get(name, math.nan)):
            self._merged[name] = times[name], summary
            self._new += 1
