"""Splits by hash: stable, seeded, in proportion."""

from __future__ import annotations

from collections import Counter

import pytest
from vidact.datasets.shards.splits import split_of
from vidact.errors import ConfigError


def test_known_answers() -> None:
    # Written down so that a change of the rule, which would move clips between splits, cannot pass
    # unseen.
    fractions = {"train": 0.5, "val": 0.25, "test": 0.25}
    assert [split_of(f"video-{i}", 0, fractions) for i in range(8)] == [
        "test",
        "val",
        "test",
        "val",
        "train",
        "train",
        "train",
        "val",
    ]


def test_proportions_and_seed() -> None:
    fractions = {"train": 0.6, "val": 0.1, "test": 0.3}
    counts = Counter(split_of(str(i), 1, fractions) for i in range(20_000))
    for split, share in fractions.items():
        assert abs(counts[split] / 20_000 - share) < 0.02
    assert any(split_of(str(i), 1, fractions) != split_of(str(i), 2, fractions) for i in range(20))


def test_one_split_takes_all() -> None:
    assert {split_of(str(i), 0, {"test": 1.0}) for i in range(100)} == {"test"}


@pytest.mark.parametrize("fractions", [{"train": 0.5}, {"train": 1.2, "val": -0.2}, {"dev": 1.0}])
def test_refuses_what_does_not_sum_up(fractions: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        split_of("x", 0, fractions)
