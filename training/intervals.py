"""How far chance may have moved a measurement: 95 % intervals by the bootstrap.

R units (recordings, episodes), W rows of weights
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
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


def mean_interval(scores: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """The interval of the mean of episodes: percentiles of the means of resampled ones.

    Episodes are the units that are drawn: frames of one episode are not independent. One episode
    says nothing of how far others would be: None.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("no scores: a mean needs at least one episode")
    if len(values) == 1:
        return None
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    means = values[drawn].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def interval_words(interval: tuple[float, float] | None) -> str:
    """An interval as the log shows it."""
    if interval is None:
        return "no interval of one episode"
    return f"{interval[0]:.1f} to {interval[1]:.1f}"
