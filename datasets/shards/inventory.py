"""What lies in a dataset at a moment: its records and their summaries, each listed once.

A store gives a thousand names a request, so a listing of 10,000 hours takes a second. A job that
begins takes an inventory once, and all its steps go by that. It is as good as a listing of each
step's own: whoever else works on the dataset may commit or take back a record right after any of
them. So what a step decides by it must be right, or be mended, where the store has changed since:
a shard that was committed meanwhile is found done by its worker, which reads the record first, and
one whose record is gone meanwhile is missing at the end, where a new inventory is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .dataset import Dataset
from .summary_reader import SummaryReader


class Inventory:
    """The shards of a dataset that had their record when it was taken.

    Args:
        dataset: is listed now.
        summaries: reads them; one that has read before need not read them again.
    """

    def __init__(self, dataset: Dataset, summaries: SummaryReader | None = None):
        self.dataset = dataset
        self.committed = dataset.committed_shards()
        """Their names, sorted."""
        self._reader = summaries or SummaryReader(dataset)
        self._times: Mapping[str, float] | None = None

    @property
    def summary_times(self) -> Mapping[str, float]:
        """When each summary was written, by its name: listed when it is first asked for.

        That may be later than the records: a summary never tells of a record that is not there.
        """
        if self._times is None:
            self._times = self.dataset.summaries.times()
        return self._times

    def read_summaries(self, shards: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        """As `SummaryReader.read`, by the listing of this inventory."""
        return self._reader.read(shards, self.summary_times) if shards else []

    def again(self) -> Inventory:
        """Take it again; summaries that were read are not read again."""
        return Inventory(self.dataset, self._reader)

    def forget(self, shards: Collection[str]) -> None:
        """Take back the records of shards, here and in the dataset, so that they are made again."""
        self.dataset.forget_commits(shards)
        gone = set(shards)
        self.committed = [shard for shard in self.committed if shard not in gone]

    def missing_of(self, shards: Iterable[str]) -> list[str]:
        """Those that had no record, in the order in which they are given."""
        done = set(self.committed)
        return [shard for shard in shards if shard not in done]
