"""Which frames lie in a run of clean play.

n frames that are asked, at one distance from each other, of consecutive parts of a video

A frame is kept where it lies in a window of the least length of a run in which enough frames are
clean, and not at the end of such a run where frames are not clean: play is not kept for the sake of
what comes after it. Every answer depends on frames nearby only (`context_s`), so that it is the
same however a video is cut into segments.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .config import CleanConfig

Bools = NDArray[np.bool_]
PARTS = 1000  # of a probability: as records keep it, and as what is said of a run is computed


def window_of(config: CleanConfig, asked_hz: float) -> int:
    """Frames of the shortest run."""
    return max(1, math.ceil(config.min_seconds * asked_hz))


def reach_of(config: CleanConfig, asked_hz: float) -> int:
    """Frames on each side that what is said of a frame is the mean over."""
    return math.floor(config.smoothed_seconds * asked_hz)


def context_of(config: CleanConfig, asked_hz: float) -> int:
    """Frames on each side of a frame that decide whether it is kept."""
    # A window that holds it, and one more that may begin at its other end.
    return 2 * window_of(config, asked_hz) + reach_of(config, asked_hz)


def in_parts(p: NDArray[np.float64]) -> NDArray[np.int64]:
    """Probabilities as whole thousandths, int [n]."""
    return np.round(np.asarray(p) * PARTS).astype(np.int64)


def smoothed(parts: NDArray[np.int64], reach: int) -> NDArray[np.float64]:
    """The mean over the frames near each one, [n]; of whole numbers, so that sums have no
    rounding.
    """
    places = np.arange(len(parts))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(parts))
    sums = np.concatenate([[0], np.cumsum(parts)])
    return (sums[high] - sums[low]) / (high - low) / PARTS


def in_runs(clean: Bools, window: int, share: float) -> Bools:
    """Whether each frame is kept, [n], of whether each is clean. Of fewer frames than a window has,
    all of them are one.
    """
    n = len(clean)
    window = min(window, n)
    if not n:
        return np.zeros(0, bool)
    sums = np.concatenate([[0], np.cumsum(clean)])
    good = sums[window:] - sums[: n - window + 1] >= share * window - 1e-9
    starts = np.flatnonzero(good)
    edges = np.zeros(n + 1, int)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + window, -1)
    inside = np.cumsum(edges[:-1]) > 0
    places = np.arange(n)
    # The nearest clean frame, or the nearest outside, on each side.
    for step in (1, -1):
        found = np.where(clean & inside, 1, np.where(inside, 0, -1))[::step]
        last = np.maximum.accumulate(np.where(found != 0, places, -1))
        before = np.where(last >= 0, found[np.maximum(last, 0)], -1)
        inside = inside & (before > 0)[::step]
    return inside
