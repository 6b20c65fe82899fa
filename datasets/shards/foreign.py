"""Shards that were made of other segments than the plan says: another plan gave them their name.

Plans are written one after the other, so this takes a plan that was put back from an older copy,
or one that an older version wrote beside another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ...progress import log, shortened
from .commits import SegmentKey, hash_segments
from .dataset import READERS, SHOWN_SHARDS
from .inventory import Inventory
from .summaries import names_by_shard, summary_name


def foreign_shards(found: Inventory, planned: Mapping[str, Sequence[SegmentKey]]) -> list[str]:
    """The shards of a plan that hold other play than it says.

    Two listings tell, but for records without a summary (those of before, and of a worker that was
    killed between the two): they are read, and get one.

    Args:
        found: is taken after the plan was read or written: of what is committed later, the worker
            that comes to the shard asks whether it was made of the plan's segments.
        planned: the segments of each shard.
    """
    dataset = found.dataset
    named = names_by_shard(found.summary_times)
    unsure = [
        shard
        for shard in found.committed
        if shard in planned
        and named.get(shard) != summary_name(shard, hash_segments(planned[shard]))
    ]
    removed = dataset.tombstones() if unsure else frozenset()

    def is_foreign(shard: str) -> bool:
        try:
            record = dataset.read_commit(shard)
        except FileNotFoundError:  # taken back meanwhile
            return False
        if not record.is_made_of(planned[shard], removed):
            return True
        dataset.summaries.forget([shard])  # it may lie under what the plan was before a takedown
        dataset.summaries.write(record, hash_segments(planned[shard]))
        return False

    with ThreadPoolExecutor(READERS) as pool:
        foreign = list(pool.map(is_foreign, unsure))
    return [shard for shard, other in zip(unsure, foreign, strict=True) if other]


def forget_foreign(found: Inventory, planned: Mapping[str, Sequence[SegmentKey]]) -> None:
    """Take back the records of `foreign_shards`, so that they are made as planned."""
    if foreign := foreign_shards(found, planned):
        found.forget(foreign)
        log(
            f"{found.dataset}: {shortened(foreign, SHOWN_SHARDS)} were made of other segments than "
            "the plan's: made again"
        )
