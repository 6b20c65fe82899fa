"""Records of shards that are to be made anew of what is there: `_set_aside/<shard>.json`.

While a record lies here and not beside the others, its shard counts as not made yet, and its tar is
what it was. So where a filter's thresholds are loosened, a shard's clips and scores are at hand for
whoever makes it again, at any restart; see `pipeline/labelling/loosening.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from ... import storage
from .commits import CommitRecord

AT_ONCE = 16  # records are small and buckets slow to answer


class SetAside:
    """The records of a dataset that were set aside.

    Args:
        folder: where they lie.
        commits: where the records of shards lie that are made.
    """

    def __init__(self, folder: str, commits: str):
        self.folder, self._commits = folder, commits

    def take(self, shards: Iterable[str]) -> None:
        """Set the records of shards aside. The summaries of records go before.

        One that lies here already stays: its neighbors are to be made anew of what it was with
        them, also where it was made anew itself since then.
        """
        there = set(self.shards())

        def move(shard: str) -> None:
            made = storage.join(self._commits, f"{shard}.json")
            if shard not in there:
                storage.write_atomic(self._uri(shard), storage.read_bytes(made))
            storage.remove(made)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(move, shards):
                pass

    def shards(self) -> list[str]:
        """The names of the shards, sorted."""
        uris = storage.list_files(self.folder, ".json")
        return sorted(uri.rsplit("/", 1)[1].removesuffix(".json") for uri in uris)

    def read(self, shard: str) -> CommitRecord | None:
        """The record of a shard; None where it was not set aside. Raises DatasetError."""
        try:
            return CommitRecord.from_json(storage.read_bytes(self._uri(shard)), self._uri(shard))
        except FileNotFoundError:
            return None

    def forget(self, shards: Collection[str]) -> None:
        """Remove the records of shards, where there are any."""
        there = set(self.shards()).intersection(shards)  # mostly none, which one request tells
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda shard: storage.remove(self._uri(shard)), there):
                pass
        storage.remove_if_empty(self.folder)

    def _uri(self, shard: str) -> str:
        return storage.join(self.folder, f"{shard}.json")
