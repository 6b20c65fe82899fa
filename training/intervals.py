"""How far chance may have moved a measurement: 95 % intervals.

Means by the bootstrap, rates by Wilson's formula, claims over several training seeds by a bootstrap
that draws seeds and worlds.

R units (recordings, episodes), W rows of weights, S training seeds, N worlds
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Z = 1.959964  # the normal distribution's 97.5 % point
RESAMPLES = 10_000  # of means, which cost next to nothing

Array = NDArray[np.float64]


def bootstrap_weights(recordings: int, resamplings: int, seed: int) -> Array:
    """How often each recording is drawn, [1 + resamplings, R]; the first row is every recording
    once.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(recordings, np.full(recordings, 1 / recordings), size=resamplings)
    return np.concatenate([np.ones((1, recordings)), drawn]).astype(np.float64)


def interval(samples: Array) -> list[float] | None:
    """The middle 95 % of bootstrap samples (all but the first entry, the estimate itself); None if
    none is finite.
    """
    finite = samples[1:][np.isfinite(samples[1:])]
    if not len(finite):
        return None
    return [float(x) for x in np.quantile(finite, [0.025, 0.975])]


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """The interval of a rate (Wilson 1927).

    Unlike the bootstrap's, it has a width where all trials agree: 0 of 64 may be up to 5.7 %.

    Args:
        successes: of the trials; a rate times the trials need not be a whole number.
    """
    if trials < 1:
        raise ValueError("no trials: a rate needs at least one")
    rate, weight = successes / trials, Z**2 / trials
    middle = (rate + weight / 2) / (1 + weight)
    half = np.sqrt(rate * (1 - rate) * weight + weight**2 / 4) / (1 + weight)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def mean_interval(
    scores: Sequence[float], *, seed: int = 0, bounds: tuple[float, float] | None = None
) -> tuple[float, float] | None:
    """The interval of the mean of episodes: percentiles of the means of resampled ones.

    Episodes are the units that are drawn: frames of one episode are not independent. One episode
    says nothing of how far others would be: None.

    Args:
        scores: one per episode.
        bounds: the least and the largest score that there can be. Where all episodes score the
            same, nothing can be resampled; a share of the others that Wilson's formula still allows
            may then lie at a bound. Without bounds: None.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("no scores: a mean needs at least one episode")
    if len(values) == 1:
        return None
    if bounds == (0, 1) and np.isin(values, (0, 1)).all():
        return wilson_interval(float(values.sum()), len(values))
    if (values == values[0]).all():
        return _constant_interval(float(values[0]), len(values), bounds)
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return _middle(values[drawn].mean(axis=1))


def _constant_interval(
    value: float, count: int, bounds: tuple[float, float] | None
) -> tuple[float, float] | None:
    if bounds is None:
        return None
    others = 1 - wilson_interval(count, count)[0]
    low, high = bounds
    return value - others * (value - low), value + others * (high - value)


def pooled_interval(
    scores: Sequence[Sequence[float]] | Array,
    *,
    seed: int = 0,
    figure: Callable[[Array], Array] | None = None,
) -> tuple[float, float]:
    """The interval of a figure of several trainings that played the same worlds.

    Training seeds and worlds are both drawn, each on its own (the two-way bootstrap of Owen 2007,
    "The pigeonhole bootstrap"): a world that is hard is hard for every seed.

    Args:
        scores: [S][N], or [S][N][K] where the figure is of K values per episode.
        figure: of the means over what was drawn, [RESAMPLES] or [RESAMPLES, K] ► [RESAMPLES]; the
            mean itself by default.
    """
    values = np.asarray(scores, dtype=np.float64)
    seeds, worlds = values.shape[:2]
    generator = np.random.default_rng(seed)
    means = _two_way_means(values, _drawn(generator, seeds), _drawn(generator, worlds))
    return _middle(means if figure is None else figure(means))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two players on the same worlds: how much more one scores, and how many times as much."""

    difference: float
    difference_ci95: tuple[float, float]
    ratio: float | None
    """None where the other scores nothing."""
    ratio_ci95: tuple[float, float] | None
    """None where the other may score nothing."""


def compare_paired(
    ours: Sequence[Sequence[float]],
    theirs: Sequence[Sequence[float]],
    *,
    seeds_paired: bool = False,
    seed: int = 0,
) -> Comparison:
    """How `ours` [S][N] stands to `theirs` [S'][N], both on the same N worlds.

    Worlds are drawn for both together, so that what is hard for both does not count. Training seeds
    are drawn for each on its own.

    Args:
        seeds_paired: seed i of one came from seed i of the other, as a fine-tuned policy from its
            clone: they are drawn together as well.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape[1] != b.shape[1] or (seeds_paired and len(a) != len(b)):
        raise ValueError(f"cannot pair scores of shapes {a.shape} and {b.shape}")
    generator = np.random.default_rng(seed)
    worlds, seeds = _drawn(generator, a.shape[1]), _drawn(generator, len(a))
    theirs_seeds = seeds if seeds_paired else _drawn(generator, len(b))
    mine, other = _two_way_means(a, seeds, worlds), _two_way_means(b, theirs_seeds, worlds)
    base = float(b.mean())
    return Comparison(
        difference=float(a.mean()) - base,
        difference_ci95=_middle(mine - other),
        ratio=float(a.mean()) / base if base > 0 else None,
        ratio_ci95=_middle(mine / other) if (other > 0).all() else None,
    )


def _drawn(generator: np.random.Generator, units: int) -> Array:
    """Weights [RESAMPLES, units] that add up to 1: how often each unit was drawn."""
    return generator.multinomial(units, np.full(units, 1 / units), size=RESAMPLES) / units


def _two_way_means(values: Array, seeds: Array, worlds: Array) -> Array:
    """The means [RESAMPLES, …] of values [S, N, …] under weights [RESAMPLES, S], [RESAMPLES, N]."""
    if values.ndim == 2:
        return ((seeds @ values) * worlds).sum(axis=1)
    return np.stack(
        [_two_way_means(values[..., k], seeds, worlds) for k in range(values.shape[2])], axis=-1
    )


def _middle(samples: Array) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def interval_words(interval: tuple[float, float] | None) -> str:
    """An interval as the log shows it."""
    if interval is None:
        return "no interval: one episode, or all alike"
    return f"{interval[0]:.1f} to {interval[1]:.1f}"
