"""Intervals: the bootstrap's of means, Wilson's of rates, and those over several trainings."""

import numpy as np
import pytest
from vidact.training.intervals import (
    compare_paired,
    interval_words,
    mean_interval,
    pooled_interval,
    wilson_interval,
)


def test_interval_of_the_mean():
    low, high = mean_interval(np.arange(100.0).tolist())
    # The standard error is 28.87 / 10; 1.96 of it to each side of 49.5.
    assert (low, high) == (pytest.approx(49.5 - 5.66, abs=0.3), pytest.approx(49.5 + 5.66, abs=0.3))
    assert mean_interval([1.0, 5.0]) == mean_interval([1.0, 5.0])
    assert mean_interval([7.0]) is None  # an interval without width would claim to be sure
    assert interval_words(None) == "no interval: one episode, or all alike"
    assert interval_words((1.0, 2.25)) == "1.0 to 2.2"


def test_episodes_that_are_all_alike_do_not_make_sure():
    assert mean_interval([2.0, 2.0, 2.0]) is None
    low, high = mean_interval([60.0] * 64, bounds=(0, 60))
    # 3.84 / (64 + 3.84) = 5.66 % of others may have scored nothing.
    assert (low, high) == (pytest.approx(60 * (1 - 0.0566), abs=0.01), 60)


def test_rates_have_wilsons_interval():
    # Published examples: Newcombe 1998, table I (81 of 263; 15 of 148; 0 of 20; 1 of 29).
    for successes, trials, ends in (
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ):
        assert wilson_interval(successes, trials) == pytest.approx(ends, abs=1e-4)
    low, high = wilson_interval(64, 64)
    assert (low, high) == (pytest.approx(1 - 0.0566, abs=1e-4), 1)
    assert mean_interval([0.0] * 20, bounds=(0, 1)) == wilson_interval(0, 20)


def test_training_seeds_widen_the_interval_of_what_is_claimed():
    chance = np.random.default_rng(1)
    worlds = chance.normal(0, 1, 100)
    alike = np.stack([worlds + 10, worlds + 10, worlds + 10])
    low, high = pooled_interval(alike)
    # The same in every seed: as of one training; 1.96 standard errors of the worlds' mean.
    half = 1.96 * worlds.std() / 10
    assert high - low == pytest.approx(2 * half, rel=0.1)
    apart = np.stack([worlds + 5, worlds + 10, worlds + 15])
    low, high = pooled_interval(apart)
    assert high - low > 3 * 2 * half
    assert low < 10 + worlds.mean() < high


def test_a_figure_of_rates_is_pooled_too():
    done = np.zeros((2, 50, 2))
    done[..., 0] = 1
    done[0, :25, 1] = 1
    low, high = pooled_interval(done, figure=lambda rates: rates.sum(axis=1))
    assert 1.0 <= low < 1.25 < high < 1.7


def test_pairs_on_the_same_worlds_tell_small_differences():
    chance = np.random.default_rng(2)
    worlds = chance.uniform(0, 40, (1, 200))
    ours, theirs = worlds + 1 + chance.normal(0, 0.5, (1, 200)), worlds
    found = compare_paired(ours, theirs)
    assert 0.9 < found.difference_ci95[0] < found.difference < found.difference_ci95[1] < 1.1
    assert found.ratio == pytest.approx(ours.mean() / theirs.mean())
    assert found.ratio_ci95[0] > 1
    alone = mean_interval(ours[0].tolist()), mean_interval(theirs[0].tolist())
    assert alone[0][0] < alone[1][1]  # unpaired, nothing could be told
    assert compare_paired([[1.0, 2.0]], [[0.0, 0.0]]).ratio is None
    with pytest.raises(ValueError, match="cannot pair"):
        compare_paired([[1.0, 2.0]], [[1.0]])


def test_seeds_that_belong_together_are_drawn_together():
    worlds = np.random.default_rng(3).uniform(0, 5, (1, 60))
    clones = worlds + np.array([[0.0], [10.0], [20.0]])
    tuned = clones + 1
    together = compare_paired(tuned, clones, seeds_paired=True)
    assert together.difference_ci95 == pytest.approx((1, 1))
    apart = compare_paired(tuned, clones)
    assert apart.difference_ci95[0] < 0
