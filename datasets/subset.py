"""The verb `subset`: the clips that meet conditions, as a dataset of their own."""

from __future__ import annotations

from .config import SubsetConfig
from .loading.conditions import parsed
from .reshaping.copies import Choice, copy_clips
from .shards.dataset import Dataset


def subset(config: SubsetConfig) -> int:
    """Write the dataset, or what a run that was stopped left out; returns 0."""
    conditions = [parsed(condition) for condition in config.where]
    copy_clips(
        [Choice.of(Dataset(config.dataset), conditions)],
        Dataset(config.out),
        verb="subset",
        details={"where": list(config.where)},
        shard_mb=config.shard_mb,
        name=config.name,
        threads=config.threads,
    )
    return 0
