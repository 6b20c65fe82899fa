"""Events and motion in bins of 50 ms, as work on desktop play reports them.

N ticks, K buttons, A axes, B bins

A tick lies in the bin in which it begins. Bins without a tick (a spec of 17.5 Hz leaves every
eighth empty) and bins with a tick that has no label are left out. D2E (arXiv 2510.05684) speaks of
such bins, and of correlation and scale of the mouse, without a program that computes them: what is
counted here is defined below, and in docs/guides/train_idm.md.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

BIN_S = Fraction(1, 20)

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]


def bin_of_ticks(ticks: int, tick_hz: Fraction) -> NDArray[np.int64]:
    """The bin of each tick, counted from 0 without the empty ones: int [N], exact in whole numbers.

    A recording begins with its first tick, at 0 s.
    """
    a_tick = 1 / (tick_hz * BIN_S)  # bins
    places = np.arange(ticks, dtype=np.int64) * a_tick.numerator // a_tick.denominator
    return np.cumsum(np.concatenate([[0], np.diff(places) > 0])[:ticks])


def binned_events(held: Bools, true: Bools, valid: Bools, bins: NDArray[np.int64]) -> Array:
    """[K, 4]: bins, those in which truth and label have equally many events, bins in which either
    has one, and equal ones of these.

    An event is a press or a release between two valid ticks; it lies in the bin of the second, and
    presses and releases are counted apart.

    Args:
        held, true: [N, K], labels and truth.
        valid: [N, K].
        bins: of the ticks, rising.
    """
    none = np.zeros((1, valid.shape[1]), bool)
    known = np.concatenate([none, valid[1:] & valid[:-1]])[: len(valid)]
    counts = [  # of labels and truth, presses beside releases
        np.stack(
            [
                _by_bin(known & (np.diff(of.astype(np.int8), axis=0, prepend=0) == kind), bins)
                for kind in (1, -1)
            ]
        )
        for of in (held, true)
    ]  # (2, B, K) each
    equal = (counts[0] == counts[1]).all(0)  # (B, K)
    some = (counts[0] + counts[1] > 0).any(0)
    whole = _whole(valid, bins)
    sums = [whole & np.ones_like(equal), whole & equal, whole & some, whole & some & equal]
    return np.stack([of.sum(0) for of in sums], -1).astype(np.float64)


def binned_motion(camera: Array, true: Array, valid: Bools, bins: NDArray[np.int64]) -> Array:
    """[A, 8], of the motion in each bin, x the label's and y the true one: bins and the sums of x,
    y, x², y², xy, |x|, |y|.

    Args:
        camera, true: [N, A], degrees.
        valid: [N, A].
    """
    whole = _whole(valid, bins)
    x, y = (np.where(whole, _by_bin(of, bins), 0.0) for of in (camera, true))  # (B, A)
    parts = (whole.astype(np.float64), x, y, x * x, y * y, x * y, np.abs(x), np.abs(y))
    return np.stack([part.sum(0) for part in parts], -1)


def correlation_of(sums: Array) -> Array:
    """Pearson's correlation of label and truth, [...] of `binned_motion` [..., 8]; NaN where either
    never varies.
    """
    n, x, y, xx, yy, xy = np.moveaxis(sums[..., :6], -1, 0)
    n = np.maximum(n, 1)
    spread_x, spread_y = xx - x * x / n, yy - y * y / n
    # Rounding leaves some variance where there is none.
    varies = (spread_x > 1e-9 * n) & (spread_y > 1e-9 * n)
    below = np.sqrt(np.where(varies, spread_x * spread_y, 1.0))
    return np.where(varies, (xy - x * y / n) / below, np.nan)


def scale_of(sums: Array) -> Array:
    """How far labels turn for each degree of truth, there and back: Σ|x| / Σ|y|; 1 is right, NaN
    where the truth never moves.
    """
    ours, true = sums[..., 6], sums[..., 7]
    return np.where(true > 0, ours / np.where(true > 0, true, 1.0), np.nan)


def _by_bin(values: NDArray[np.generic], bins: NDArray[np.int64]) -> Array:
    """Sums of [N, …] over the ticks of each bin, [B, …]."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    if not len(starts):
        return np.zeros((0, *values.shape[1:]))
    return np.asarray(np.add.reduceat(values.astype(np.float64), starts, axis=0))


def _whole(valid: Bools, bins: NDArray[np.int64]) -> Bools:
    """Which bins have valid ticks only, [B, K or A]."""
    return _by_bin(~valid, bins) == 0
