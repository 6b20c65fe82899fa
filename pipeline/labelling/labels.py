"""The labels that a model gives to a stretch of play, as clips hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...datasets.shards.clip import ARRAY_DTYPES

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

STRIDE_TICKS = 64  # frames handed to the model at a time: one stride of its windows


def predict(
    predictor: Predictor,
    frames: np.ndarray,
    start: int,
    *,
    stretch: tuple[int, int],
    keep: tuple[int, int],
) -> dict[str, np.ndarray]:
    """The labels of the ticks `keep`, by the names and in the types that they have in a clip.

    Args:
        frames: uint8 [n, H, W, 3], tick `start` first.
        stretch: ticks that belong together; the model looks at none outside.
    """
    batches = (frames[i : i + STRIDE_TICKS] for i in range(0, len(frames), STRIDE_TICKS))
    parts = list(predictor.predict(batches, start=start, stretch=stretch, keep=keep))
    return {
        name: np.concatenate([getattr(part, name) for part in parts]).astype(kind)
        for name, kind in ARRAY_DTYPES.items()
        if name != "valid"  # which is not for the model to say
    }
