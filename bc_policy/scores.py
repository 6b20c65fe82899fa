"""The score of a player: its mean over episodes, with an interval that says how far chance may have moved it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95


def mean_interval(scores: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean: percentiles of the means of resampled episodes (bootstrap).

    Episodes are the units that are drawn: frames of one episode are not independent.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("no scores: an interval needs at least one episode")
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    means = values[drawn].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
