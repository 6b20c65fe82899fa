"""The members of clips, wherever they lie by now: read with patience, masked, or found again.

A trainer keeps its version of the manifest while the dataset lives on. What was taken down since
is masked: its rows come empty. A shard that was written again without it still has all its other
clips, at other places, which its commit record tells.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import DatasetError, ShardError
from ...progress import log
from ..shards.clip import VIDEO_DIGITS, removed_video_ids
from ..shards.dataset import Dataset
from .faults import Faults
from .items import ClipItems
from .reader import SampleReader

LOOK_S = 600.0  # how often tombstones are listed again
KINDS_OF_FAULT = (ShardError, FileNotFoundError)


class Samples:
    """Reads members of the items of a loader; used by many threads.

    Args:
        datasets: where the clips lie.
        items: of the loader.
        readers: of each dataset; closed by whoever made them.
        faults: patience, budget and counters.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        items: ClipItems,
        readers: Sequence[SampleReader],
        faults: Faults,
    ):
        self.datasets, self.items, self.readers, self.faults = datasets, items, readers, faults
        self._lock = threading.Lock()
        self._gone: frozenset[str] = frozenset()
        self._looked_s = 0.0
        # By dataset and shard: the rows of its record, by key, where it was written again.
        self._moved: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
        self._look()

    def announce(self, item: int) -> None:
        """Begin to fetch what is slow to come of an item; returns at once."""
        number, row, _, _ = self.items.locate(item)
        if (number, row["shard"]) not in self._moved and not self.is_gone(item):
            self.readers[number].announce(row)

    def is_gone(self, item: int) -> bool:
        """Whether an item's source was taken down, as far as was looked."""
        if time.monotonic() - self._looked_s > LOOK_S:
            self._look()
        return self.items.key(item)[:VIDEO_DIGITS] in self._gone

    def read(self, item: int) -> dict[str, bytes] | None:
        """The members of an item's clip; None where it was taken down, or is left out as bad.

        Raises:
            ShardError: the clip is bad and the budget spent.
        """
        number, row, _, _ = self.items.locate(item)
        if self.is_gone(item):
            self.faults.count_clip("removed_clips", number, row["key"])
            return None
        try:
            return self._read(number, row)
        except KINDS_OF_FAULT as error:
            self._look()  # it may have gone a moment ago
            if self.is_gone(item):
                self.faults.count_clip("removed_clips", number, row["key"])
                return None
            bad = error if isinstance(error, ShardError) else ShardError(str(error))
            self.faults.leave_out(bad, number, row["key"])
            return None

    def _read(self, number: int, row: Mapping[str, Any]) -> dict[str, bytes]:
        place = number, str(row["shard"])
        if place not in self._moved:
            try:
                return self.faults.patiently(lambda: self.readers[number].read(row))
            except KINDS_OF_FAULT:
                self._find_again(place, row)
                if row["key"] not in self._moved.get(place, {}):
                    raise
        found = self._moved[place].get(row["key"])
        if found is None or found["sample_crc32"] != row["sample_crc32"]:
            shard = self.datasets[number].shard_uri(place[1])
            raise ShardError(
                f"{shard}: was written again without clip {row['key']} as it was in version "
                f"{self.items.manifests[number].version} of the manifest"
            )
        return self.faults.patiently(lambda: self.readers[number].read(found))

    def _find_again(self, place: tuple[int, str], row: Mapping[str, Any]) -> None:
        """Look whether a shard was written again since the version of the manifest was made."""
        number, shard = place
        with self._lock:
            if place in self._moved:
                return
            try:
                record = self.faults.patiently(lambda: self.datasets[number].read_commit(shard))
            except (DatasetError, FileNotFoundError):
                return
            before = self.items.manifests[number].shards.get(shard, {})
            if record.tar is None or record.tar["sha256"] == before.get("sha256"):
                return  # it is the shard of the version: the clip is damaged
            log(f"{self.datasets[number].shard_uri(shard)}: was written again; its record is read")
            self.readers[number].renew(shard, record.tar)
            self._moved[place] = {
                own["key"]: {
                    **own,
                    "block_start": own["offset_bytes"],
                    "block_end": own["offset_bytes"] + own["size_bytes"],
                }
                for own in record.rows
            }
            self.faults.count("moved_shards")

    def _look(self) -> None:
        """List the tombstones."""
        self._looked_s = time.monotonic()  # first: other threads need not look, too
        removed = {
            sha256
            for dataset in self.datasets
            for sha256 in self.faults.patiently(dataset.tombstones)
        }
        self._gone = removed_video_ids(removed)
