"""The clips that cloning learns from and is measured on, as its settings want them."""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.loading.clips import BLOCK_CLIPS, ClipLoader
from ...datasets.loading.conditions import parsed
from ...datasets.loading.faults import Faults
from ...datasets.loading.frame_cache import FrameCache, Shrink
from ...machine import cores, free_memory_bytes
from ...progress import log
from ...training.parallel import Group
from ..policy.policy import Policy
from .config import CloneConfig
from .data import data_identity, versions_of

# Of the free memory: the rest is for the network, batches on their way, and what else runs.
OWN_SHARE = 0.5


class Loaders:
    """Opens loaders of one run, which share their memory for decoded frames.

    Args:
        group: the processes that share the training clips of a step.
    """

    def __init__(self, config: CloneConfig, group: Group):
        self._config, self._group = config, group
        # Those of now stay for all loaders of the run, however the datasets grow.
        self._versions = versions_of(data_identity(config.out, config.data))
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if group.size > 1 else 1
        free = OWN_SHARE * free_memory_bytes() / here
        self.budget_bytes = int(free if config.cache_gb is None else config.cache_gb * 1e9)
        self._cache = FrameCache(self.budget_bytes)
        self.faults = Faults(
            retries=config.retries, timeout_s=config.timeout_s, max_bad_clips=config.max_bad_clips
        )
        """What all of them met in the data; a clip counts once for all."""

    def training(self, policy: Policy) -> ClipLoader:
        """This process's rows of the training clips, as the policy looks at them."""
        group = self._group
        shrink = shrink_of(policy)
        # A small set gives one step of all its clips and of empty rows.
        loader = self._open("train", shrink=shrink, drop_last=None, group=group)
        height, width = loader.frame_size
        needed = loader.num_ticks * height * width * 3
        if needed > self.budget_bytes:
            log(
                f"Decoded frames would take {needed / 1e9:.1f} GB: {self.budget_bytes / 1e9:.1f} "
                "are kept in memory (--cache-gb), the other clips are decoded in each epoch"
            )
        return loader

    def held_out(self, policy: Policy, split: str) -> ClipLoader:
        """All clips of a split, in an order that no setting of the run changes."""
        return self._open(
            split, shrink=shrink_of(policy), drop_last=False, seed=0, blocks=BLOCK_CLIPS
        )

    def labels(self) -> ClipLoader:
        """The training clips without their frames."""
        return self._open("train", drop_last=False, frames=False, seed=0)

    def _open(
        self,
        split: str,
        *,
        group: Group | None = None,
        shrink: Shrink | None = None,
        drop_last: bool | None = True,
        frames: bool = True,
        seed: int | None = None,
        blocks: int | None = None,
    ) -> ClipLoader:
        config = self._config
        return ClipLoader(
            config.data,
            batch_size=config.batch_size,
            ticks=config.ticks,
            order=config.order,
            split=split,
            seed=config.seed if seed is None else seed,
            rank=group.rank if group else 0,
            world_size=group.size if group else 1,
            threads=config.loader_threads or cores(),
            weights=config.weights if split == "train" and config.weights else None,
            filters=[parsed(condition) for condition in config.filters],
            drop_last=drop_last,
            block_clips=blocks or config.block_clips,
            cache_dir=config.shard_cache or None,
            cache_gb=config.shard_cache_gb,
            frames=frames,
            shrink=shrink,
            frame_cache=self._cache if frames and self.budget_bytes else None,
            version=self._versions,
            probabilities=config.labels == "soft" and split == "train" and frames,
            faults=self.faults,
        )


def shrink_of(policy: Policy) -> Shrink | None:
    """What the policy looks at of a clip's frames; None where that is all of them."""
    frame = policy.spec.frame
    if policy.frame_size == (frame.height, frame.width):
        return None

    def apply(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return policy.shrink(torch.from_numpy(frames)).numpy()

    return Shrink(policy.frame_size, apply)
