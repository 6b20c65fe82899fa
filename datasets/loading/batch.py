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
    """uint8 [B, T, H, W, 3], of the spec's size or of the one that they are shrunk to."""
    buttons: NDArray[np.uint8]
    """uint8 [B, T, K]: 1 where held."""
    camera: NDArray[np.float32]
    """float32 [B, T, A]: degrees turned in the tick."""
    confidence: NDArray[np.float32]
    """float32 [B, T]: the probability that the label is right; 0 where not valid."""
    valid: NDArray[np.bool_]
    """bool [B, T]: whether the tick exists and has a label."""
    first: NDArray[np.bool_]
    """bool [B, T]: where a memory must be empty: the start of an episode, a gap in it, or a cut."""
    ticks: NDArray[np.int64]
    """int64 [B]: how many ticks of the row exist, from its start on; 0 where it has no clip."""
    keys: list[str]
    """The key of each row's clip; empty for a row that has none."""
    buttons_prob: NDArray[np.float32] | None = None
    """float32 [B, T, K]: the probability of being held; None unless asked for."""
    camera_prob: NDArray[np.float32] | None = None
    """float32 [B, T, A, Q]: the distribution over an axis' bins, zero beyond them; Q is that of the
    axis with most bins. None unless asked for.
    """

    @classmethod
    def empty(
        cls,
        spec: ActionSpec,
        rows: int,
        ticks: int,
        *,
        frame_size: tuple[int, int] | None = None,
        probabilities: bool = False,
        pinned: bool = False,
    ) -> Batch:
        """A batch to be filled.

        Args:
            frame_size: height and width of its frames: the spec's by default, (0, 0) for none.
            probabilities: whether it has those of buttons and bins.
            pinned: put the frames into page-locked memory, from which a GPU copies by itself.
        """
        size = (spec.frame.height, spec.frame.width) if frame_size is None else frame_size
        bins = max(spec.num_bins, default=0)
        soft = (
            {
                "buttons_prob": np.zeros((rows, ticks, spec.num_buttons), np.float32),
                "camera_prob": np.zeros((rows, ticks, spec.num_axes, bins), np.float32),
            }
            if probabilities
            else {}
        )
        return cls(
            # Not zeroed: whoever fills a row zeroes what its clip leaves.
            frames=(_pinned if pinned else _plain)((rows, ticks, *size, 3)),
            buttons=np.zeros((rows, ticks, spec.num_buttons), np.uint8),
            camera=np.zeros((rows, ticks, spec.num_axes), np.float32),
            confidence=np.zeros((rows, ticks), np.float32),
            valid=np.zeros((rows, ticks), bool),
            first=np.zeros((rows, ticks), bool),
            ticks=np.zeros(rows, np.int64),
            keys=[""] * rows,
            **soft,
        )


def _plain(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.empty(shape, np.uint8)


def _pinned(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 of this shape in page-locked memory, as `torch.from_numpy` keeps it."""
    import torch

    return torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()
