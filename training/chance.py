"""Streams of numpy's chance: each a pure function of the seed, a number and what it is for."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Use(IntEnum):
    """What draws; no two draw from the same stream. A value is never changed: runs go on by it."""

    CLIPS = 0
    RECORDERS = 1
    """The recorders that clips are seen through."""
    ADR = 2
    PLACES = 3
    """Of clips in tests of boundaries."""
    RANDOMIZATION = 4


def chance(use: Use, seed: int, number: int, stream: int = 0) -> np.random.Generator:
    """The generator of a use's `number`, such as a step; `stream` tells several of them apart."""
    return np.random.Generator(
        np.random.Philox(key=[seed, number], counter=[0, 0, stream, int(use)])
    )
