"""Taking sources out of a dataset: their tombstones first, then their clips and pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from ... import storage
from ...datasets.shards.clip import video_id
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.inventory import Inventory
from ...datasets.shards.summary_reader import SummaryReader
from ...datasets.shards.writer import take_down
from ...progress import Progress, log
from .identity import spec_of

WRITERS = 4  # shards at a time: most of the time goes into reading and writing them


def cut_out(dataset: Dataset, gone: Collection[str]) -> int:
    """Take contents out of a dataset, its plan and its tables aside; returns how many shards were
    written again.

    Whoever commits, compacts or reads from the tombstones on leaves these contents out.

    Args:
        gone: content hashes.
    """
    dataset.bury(gone)
    if dataset.has_tables():
        dataset.note_removed(sorted({*dataset.removed_sources(), *gone}))
    return _cut(Inventory(dataset, SummaryReader(dataset, own=False)), gone)


def finish_takedowns(found: Inventory) -> None:
    """Cut out what has its tombstone and is still there: who took it down was killed before that,
    or is at it just now, which does no harm.
    """
    if (gone := found.dataset.tombstones()) and (changed := _cut(found, gone)):
        log(f"{found.dataset}: what was taken down is cut out of {changed} more shards")


def _cut(found: Inventory, gone: Collection[str]) -> int:
    """Take clips and previews of sources out; returns how many shards were written again."""
    dataset = found.dataset
    _cut_out_of_set_aside(found, gone)
    changed = _rewrite_all(found, gone)
    clips = tuple(f"{video_id(sha)}-" for sha in gone)
    for preview in dataset.previews():
        if preview.rsplit("/", 1)[1].startswith(clips):
            storage.remove(preview)
    return changed


def _cut_out_of_set_aside(found: Inventory, gone: Collection[str]) -> None:
    """Remove what shards were that hold anything of some sources and are to be made anew: they are
    labeled from the sources that stay.
    """
    dataset = found.dataset
    for shard in dataset.aside.shards():
        record = dataset.aside.read(shard)
        if record is not None and record.sources & set(gone):
            dataset.aside.forget([shard])
            if shard not in found.committed:
                storage.remove(dataset.shard_uri(shard))


def _rewrite_all(found: Inventory, gone: Collection[str]) -> int:
    """Write the shards again that hold anything of some sources; returns how many."""
    dataset, summaries = found.dataset, found.read_summaries(found.committed)
    shards = [shard for shard, summary in summaries if not set(summary["sources"]).isdisjoint(gone)]
    if not shards:
        return 0
    spec = spec_of(dataset)
    with (
        tempfile.TemporaryDirectory(prefix="vidact-remove-") as scratch,
        Progress("Removing", total=len(shards), unit="shards") as progress,
        ThreadPoolExecutor(WRITERS) as pool,
    ):

        def rewrite(shard: str) -> None:
            take_down(dataset, shard, gone, spec, spool=scratch)

        for _ in pool.map(rewrite, shards):
            progress.advance()
    return len(shards)
