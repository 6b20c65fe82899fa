"""The score of a player: its mean over episodes, with an interval that says how far chance may have moved it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95


def mean_interval(scores: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of the mean: percentiles of the means of resampled episodes (bootstrap).

    Episodes are the units that are drawn: frames of one episode are not independent. One episode says nothing of how
    far others would be: None.
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
    return (
        "no interval of one episode"
        if interval is None
        else f"{interval[0]:.1f} to {interval[1]:.1f}"
    )
