"""Runs of a mask over ticks or frames, such as how long a button is held."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def stretches(mask: ArrayLike) -> NDArray[np.int64]:
    """Return the half-open ranges in which a mask holds, in order.

    Args:
        mask: bool [T], or numbers that are taken for true where they are not 0.

    Returns:
        int64 [n, 2], start and end of each: `[0, 1, 1, 0, 1]` gives `[[1, 3], [4, 5]]`.
    """
    # Framed by False on both sides, every start has its end; the difference of bools is "differs".
    framed = np.concatenate([[False], np.asarray(mask, bool), [False]])
    return np.flatnonzero(np.diff(framed)).reshape(-1, 2)
