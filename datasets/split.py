"""The verb `split`: a dataset in several, none of which shares a video with another."""

from __future__ import annotations

import hashlib

import numpy as np

from ..errors import DatasetError
from ..storage import join
from .config import SplitConfig
from .reshaping.copies import Choice, copy_clips
from .shards.dataset import Dataset


def split(config: SplitConfig) -> int:
    """Write the datasets, or what a run that was stopped left out; returns 0.

    Which part a video belongs to follows from the hash of its group, so that duplicates stay
    together and a dataset that has grown is divided alike.
    """
    choice = Choice.of(Dataset(config.dataset), named="group")
    assert choice.names is not None  # they were asked for
    names, own = np.unique(choice.names, return_inverse=True)
    parts = np.array([part_of(str(name), config.parts) for name in names], np.int64)[own]
    if missing := sorted(set(range(config.parts)) - set(parts.tolist())):
        raise DatasetError(
            f"{config.dataset}: has {len(names)} groups of videos, of which none falls into part "
            f"{missing[0]}; take fewer --parts"
        )
    for part in range(config.parts):
        copy_clips(
            [choice.where(parts == part)],
            Dataset(join(config.out, f"part-{part}")),
            verb="split",
            details={"part": part, "parts": config.parts},
            shard_mb=config.shard_mb,
            threads=config.threads,
        )
    return 0


def part_of(group: str, parts: int) -> int:
    """The part that a group of videos belongs to."""
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:8], "big") % parts
