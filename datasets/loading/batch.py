"""What the loaders give: a batch of clips as NumPy arrays of fixed shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..actions.spec import ActionSpec


@dataclass(frozen=True, slots=True)
class Batch:
    """B clips of T ticks, with K buttons and A axes.

    Ticks beyond a clip's end are zero and not valid.
    """

    frames: NDArray[np.uint8]
    """uint8 [B, T, H, W, 3]."""
    buttons: NDArray[np.uint8]
    """uint8 [B, T, K]: 1 where held."""
    camera: NDArray[np.float32]
    """float32 [B, T, A]: degrees turned in the tick."""
    confidence: NDArray[np.float32]
    """float32 [B, T]: the probability that the label is right; 0 where not valid."""
    valid: NDArray[np.bool_]
    """bool [B, T]: whether the tick exists and has a label."""
    first: NDArray[np.bool_]
    """bool [B, T]: where a memory must be empty: the start of an episode, or a gap in it."""
    ticks: NDArray[np.int64]
    """int64 [B]: how many ticks of the row exist, from its start on; 0 where it has no clip."""
    keys: list[str]
    """The key of each row's clip; empty for a row that has none."""

    @classmethod
    def empty(cls, spec: ActionSpec, rows: int, ticks: int, *, frames: bool = True) -> Batch:
        """A batch to be filled; without frames, their array is [B, T, 0, 0, 3]."""
        size = (spec.frame.height, spec.frame.width) if frames else (0, 0)
        return cls(
            # Not zeroed: whoever fills a row zeroes what its clip leaves.
            frames=np.empty((rows, ticks, *size, 3), np.uint8),
            buttons=np.zeros((rows, ticks, spec.num_buttons), np.uint8),
            camera=np.zeros((rows, ticks, spec.num_axes), np.float32),
            confidence=np.zeros((rows, ticks), np.float32),
            valid=np.zeros((rows, ticks), bool),
            first=np.zeros((rows, ticks), bool),
            ticks=np.zeros(rows, np.int64),
            keys=[""] * rows,
        )
