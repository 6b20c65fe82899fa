"""The verb `merge`: the clips of several datasets as one."""

from __future__ import annotations

import numpy as np

from ..progress import log
from .config import MergeConfig
from .reshaping.copies import Choice, copy_clips
from .shards.clip import VIDEO_DIGITS
from .shards.dataset import Dataset


def merge(config: MergeConfig) -> int:
    """Write the dataset, or what a run that was stopped left out; returns 0.

    A video that several datasets have is taken from the first of them.
    """
    seen = np.zeros(0, f"S{VIDEO_DIGITS}")
    choices = []
    for uri in config.datasets:
        choice = Choice.of(Dataset(uri))
        videos = choice.columns.keys.astype(f"S{VIDEO_DIGITS}")
        choice = choice.where(~np.isin(videos, seen))
        if twice := len(videos) - len(choice.rows):
            log(f"{uri}: {twice:,} clips are of videos that an earlier dataset has: left out")
        seen = np.union1d(seen, videos)
        choices.append(choice)
    out = Dataset(config.out)
    copy_clips(
        choices,
        out,
        verb="merge",
        details={},
        shard_mb=config.shard_mb,
        name=config.name,
        threads=config.threads,
    )
    return 0
