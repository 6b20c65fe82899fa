"""Agreement statistics: kappa, alpha, events that match, degrees of the camera, intervals.

Legend: R raters, N items, C categories, T frames, A axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...idm.scores.metrics import transition_counts

MISSING = -1
"""A rating that was not given."""
TOLERANCE = 2
"""Ticks by which two people may place the same event apart."""
RESAMPLES = 1000
LEVEL = 0.95
Matrix = NDArray[np.float64]


def confusion(first: NDArray[np.int64], second: NDArray[np.int64], categories: int) -> Matrix:
    """Count how often two raters gave each pair of categories: [C, C]; missing ones left out."""
    both = (first != MISSING) & (second != MISSING)
    flat = first[both] * categories + second[both]
    counts = np.bincount(flat, minlength=categories * categories)
    return counts.reshape(categories, categories).astype(np.float64)


def kappa(table: Matrix) -> float:
    """Cohen's kappa of a confusion matrix; NaN where chance alone would agree always.

    Source: Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    total = table.sum()
    if total == 0:
        return math.nan
    observed = np.trace(table) / total
    expected = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2
    return math.nan if expected >= 1 else float((observed - expected) / (1 - expected))


def coincidences(ratings: NDArray[np.int64], categories: int) -> Matrix:
    """Return the coincidence matrix [C, C] of ratings [R, N]; items with one rating count nothing.

    Those of several sets of items add up, which is what intervals are drawn from.
    """
    counts = np.stack([(ratings == c).sum(axis=0) for c in range(categories)])  # (C, N)
    raters = counts.sum(axis=0)  # (N,)
    counts, raters = counts[:, raters >= 2].astype(np.float64), raters[raters >= 2]
    weighted = counts / (raters - 1)
    return np.asarray(weighted @ counts.T - np.diag(weighted.sum(axis=1)))


def alpha(table: Matrix) -> float:
    """Krippendorff's nominal alpha of a coincidence matrix; NaN where only one category was used.

    Source: Krippendorff, Computing Krippendorff's alpha-reliability, 2011.
    """
    per_category = table.sum(axis=1)
    total = per_category.sum()
    expected = total**2 - float(per_category @ per_category)
    if expected <= 0:
        return math.nan
    return float(1 - (total - 1) * (total - np.trace(table)) / expected)


def interval(
    parts: Matrix, statistic: Callable[[Matrix], float], *, seed: int = 0
) -> tuple[float, float] | None:
    """Return a 95 % interval of a statistic of summed parts, by drawing parts anew.

    Frames of a task are alike, so that whole tasks are drawn (a cluster bootstrap).

    Args:
        parts: what the statistic is computed of, a row a task: its sum over the drawn tasks.
        statistic: of the sum.
        seed: of the draw.

    Returns:
        Its ends, or None with fewer than two tasks or where it is undefined in most draws.
    """
    if len(parts) < 2:
        return None
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=RESAMPLES)
    sums = np.tensordot(weights.astype(np.float64), parts, axes=1)
    values = np.array([statistic(one) for one in sums])
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES / 2:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def event_counts(
    first: NDArray[np.bool_], second: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Count the events of two rows of one button [T]: (matched, of the first, of the second).

    Presses and releases are events; two match within TOLERANCE ticks, each once.
    """
    one_stretch = np.zeros(len(counted), np.int64)
    counts = transition_counts(first, second, counted, one_stretch, TOLERANCE)
    return np.array(counts, np.float64)


def f1(counts: NDArray[np.float64]) -> float:
    """The F1 of `event_counts`; NaN where neither has an event."""
    matched, ours, theirs = counts
    return math.nan if ours + theirs == 0 else float(2 * matched / (ours + theirs))


def mean(sums: NDArray[np.float64]) -> float:
    """The mean of (sum, count); NaN of nothing."""
    return math.nan if sums[1] == 0 else float(sums[0] / sums[1])
