"""Splits: a group's name alone decides which one its clips belong to, so it never changes.

A group is whatever must not be torn apart: a source video, an episode, a set of near duplicates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ...errors import ConfigError

SPLITS = ("train", "val", "test")
DEFAULT_FRACTIONS = {"train": 0.9, "val": 0.05, "test": 0.05}


def fractions_of(val: float, test: float) -> dict[str, float]:
    """Shares of the three splits; what is left is `train`."""
    return {"train": 1 - val - test, "val": val, "test": test}


def split_of(group: str, seed: int = 0, fractions: Mapping[str, float] | None = None) -> str:
    """The split of `group`, by hash: the same on every machine, for any order or number of groups.

    Args:
        group: its name or content hash.
        seed: another seed gives another division.
        fractions: share of each split, summing to 1; 90, 5 and 5 % if not given. Raises
            ConfigError.
    """
    shares = dict(fractions or DEFAULT_FRACTIONS)
    if (
        set(shares) - set(SPLITS)
        or any(s < 0 for s in shares.values())
        or abs(sum(shares.values()) - 1) > 1e-6
    ):
        raise ConfigError(
            f"fractions must be shares of {', '.join(SPLITS)} that sum to 1, got {shares}"
        )
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64  # uniform in [0, 1)
    reached = 0.0
    for split in SPLITS:
        reached += shares.get(split, 0.0)
        if place < reached:
            return split
    return next(s for s in reversed(SPLITS) if shares.get(s, 0.0) > 0)  # rounding of the sum
