"""Taking sources out of a dataset: their tombstones first, then their clips and pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from ... import storage
from ...datasets.shards.clip import video_id
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.summary_reader import SummaryReader
from ...datasets.shards.writer import take_down
from ...progress import Progress
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
    changed = _rewrite_all(dataset, gone)
    clips = tuple(f"{video_id(sha)}-" for sha in gone)
    for preview in dataset.previews():
        if preview.rsplit("/", 1)[1].startswith(clips):
            storage.remove(preview)
    return changed


def _rewrite_all(dataset: Dataset, gone: Collection[str]) -> int:
    """Write the shards again that hold anything of some sources; returns how many."""
    summaries = SummaryReader(dataset, own=False).read(dataset.committed_shards())
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
