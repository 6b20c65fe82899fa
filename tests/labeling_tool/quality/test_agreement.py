"""Agreement statistics equal those of scikit-learn and krippendorff; intervals cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from vidact.labeling_tool.quality.agreement import (
    MISSING,
    alpha,
    coincidences,
    confusion,
    event_counts,
    f1,
    interval,
    kappa,
)


def ratings_of(seed: int, raters: int, items: int, categories: int, missing: float) -> np.ndarray:
    """Ratings [R, N] of people who mostly agree, some of them not given."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, categories, items)
    noisy = rng.random((raters, items)) < rng.uniform(0.02, 0.6)
    rows = np.where(noisy, rng.integers(0, categories, (raters, items)), truth)
    return np.where(rng.random((raters, items)) < missing, MISSING, rows)


@pytest.mark.parametrize("categories", [2, 4])
def test_kappa_is_scikit_learns(categories: int) -> None:
    from sklearn.metrics import cohen_kappa_score

    for seed in range(20):
        first, second = ratings_of(seed, 2, 300, categories, 0.0)
        expected = cohen_kappa_score(first, second)
        assert abs(kappa(confusion(first, second, categories)) - expected) < 1e-9


@pytest.mark.parametrize("categories", [2, 4])
def test_alpha_is_krippendorffs(categories: int) -> None:
    import krippendorff

    for seed in range(20):
        ratings = ratings_of(seed, 2 + seed % 4, 200, categories, 0.3)
        data = np.where(ratings == MISSING, np.nan, ratings)
        expected = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
        # In parts, as a project's tasks are added up.
        parts = [coincidences(part, categories) for part in np.array_split(ratings, 5, axis=1)]
        assert abs(alpha(np.sum(parts, axis=0)) - expected) < 1e-9


def test_what_says_nothing_is_no_number() -> None:
    same = np.zeros((2, 10), np.int64)
    assert math.isnan(kappa(confusion(*same, 2)))
    assert math.isnan(alpha(coincidences(same, 2)))
    assert math.isnan(kappa(confusion(np.full(3, MISSING), np.zeros(3, np.int64), 2)))
    assert interval(np.ones((1, 2)), lambda sums: sums[..., 0]) is None


def test_events_match_within_two_ticks_once_each() -> None:
    def row(*presses: tuple[int, int]) -> np.ndarray:
        held = np.zeros(40, bool)
        for start, end in presses:
            held[start:end] = True
        return held

    counted = np.ones(40, bool)
    near = event_counts(row((5, 10), (20, 30)), row((7, 9), (23, 30)), counted)
    assert near.tolist() == [3, 4, 4]  # the press at 20 is not the one at 23
    assert f1(near) == 0.75
    counted[:12] = False  # somebody could not tell
    assert event_counts(row((5, 10), (20, 30)), row((20, 30)), counted).tolist() == [2, 2, 2]


def test_intervals_cover_the_true_share_as_often_as_they_say() -> None:
    """Of 100 projects of 30 tasks, whose frames are alike within a task, nine tenths at least."""
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shares = rng.beta(9, 1, 30)  # each task's own difficulty; 0.9 on average
        parts = np.stack([rng.binomial(50, shares), np.full(30, 50)], axis=1).astype(float)
        low, high = interval(parts, lambda sums: sums[..., 0] / sums[..., 1], seed=seed)
        covered += low <= 0.9 <= high
    assert covered >= 87
