"""Agreement statistics: kappa, alpha, events that match, degrees of the camera, intervals.

Legend: R raters, N items, C categories, T frames, A axes. What is computed of sums takes any number
of them at once: the leading axes (...) stay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

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


def kappa(table: Matrix) -> Matrix:
    """Cohen's kappa [...] of confusion matrices [..., C, C]; NaN where chance alone would agree
    always.

    Source: Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    total = table.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(table, axis1=-2, axis2=-1) / total
        expected = (table.sum(axis=-2) * table.sum(axis=-1)).sum(axis=-1) / total**2
        value = (observed - expected) / (1 - expected)
    return np.where((total == 0) | (expected >= 1), np.nan, value)


def coincidences(ratings: NDArray[np.int64], categories: int) -> Matrix:
    """Return the coincidence matrix [C, C] of ratings [R, N]; items with one rating count nothing.

    Those of several sets of items add up, which is what intervals are drawn from.
    """
    counts = np.stack([(ratings == c).sum(axis=0) for c in range(categories)])  # (C, N)
    raters = counts.sum(axis=0)  # (N,)
    counts, raters = counts[:, raters >= 2].astype(np.float64), raters[raters >= 2]
    weighted = counts / (raters - 1)
    return np.asarray(weighted @ counts.T - np.diag(weighted.sum(axis=1)))


def alpha(table: Matrix) -> Matrix:
    """Krippendorff's nominal alpha [...] of coincidence matrices [..., C, C]; NaN where only one
    category was used.

    Source: Krippendorff, Computing Krippendorff's alpha-reliability, 2011.
    """
    per_category = table.sum(axis=-1)
    total = per_category.sum(axis=-1)
    expected = total**2 - (per_category**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 1 - (total - 1) * (total - np.trace(table, axis1=-2, axis2=-1)) / expected
    return np.where(expected <= 0, np.nan, value)


def interval(
    parts: Matrix, statistic: Callable[[Matrix], Matrix], *, seed: int = 0
) -> tuple[float, float] | None:
    """Return a 95 % interval of a statistic of summed parts, by drawing parts anew.

    Frames of a task are alike, so that whole tasks are drawn (a cluster bootstrap).

    Args:
        parts: what the statistic is computed of, a row a task: its sum over the drawn tasks.
        statistic: [...] of sums [..., P].
        seed: of the draw.

    Returns:
        Its ends, or None with fewer than two tasks or where it is undefined in most draws.
    """
    if len(parts) < 2:
        return None
    values = statistic(_draws(len(parts), seed).astype(np.float64) @ parts)
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES / 2:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@lru_cache(maxsize=32)
def _draws(parts: int, seed: int) -> NDArray[np.uint16]:
    """How often each part is drawn: [RESAMPLES, parts]. All statistics of as many share it."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(parts, np.full(parts, 1 / parts), size=RESAMPLES)
    return drawn.astype(np.uint16)


def event_counts(
    first: NDArray[np.bool_], second: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Count the events of two rows of one button [T]: (matched, of the first, of the second).

    Presses and releases are events; two match within TOLERANCE ticks, each once.
    """
    one_stretch = np.zeros(len(counted), np.int64)
    counts = transition_counts(first, second, counted, one_stretch, TOLERANCE)
    return np.array(counts, np.float64)


def f1(counts: Matrix) -> Matrix:
    """The F1 [...] of `event_counts` [..., 3]; NaN where neither has an event."""
    events = counts[..., 1] + counts[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(events == 0, np.nan, 2 * counts[..., 0] / events)


def mean(sums: Matrix) -> Matrix:
    """The mean [...] of sums and counts [..., 2 or more]; NaN of nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] == 0, np.nan, sums[..., 0] / sums[..., 1])
