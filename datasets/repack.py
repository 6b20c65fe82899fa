"""The verb `repack`: the same clips in shards of one size."""

from __future__ import annotations

from .config import RepackConfig
from .reshaping.copies import Choice, copy_clips
from .shards.dataset import Dataset


def repack(config: RepackConfig) -> int:
    """Write the dataset, or what a run that was stopped left out; returns 0."""
    copy_clips(
        [Choice.of(Dataset(config.dataset))],
        Dataset(config.out),
        verb="repack",
        details={},
        shard_mb=config.shard_mb,
        name=config.name,
        threads=config.threads,
    )
    return 0
