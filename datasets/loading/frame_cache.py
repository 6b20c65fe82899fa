"""Decoded items of a loader, kept in memory: what was decoded once is only copied afterwards.

T ticks, H, W pixels
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Shrink:
    """What becomes of frames as they are decoded: a network often looks at fewer pixels."""

    size: tuple[int, int]
    """Height and width in pixels."""
    apply: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """Frames uint8 [T, H, W, 3] of the spec's size ► uint8 [T, height, width, 3]; called in several
    threads.
    """


@dataclass(frozen=True, slots=True)
class Piece:
    """A decoded item."""

    frames: NDArray[np.uint8] | None
    """uint8 [T, height, width, 3]; None where only labels are wanted."""
    labels: dict[str, NDArray[np.generic]]
    """Arrays [T, ...] by the names that they have in a batch."""
    begins: bool
    """Whether its first tick begins an episode or a scene, by its clip's own word."""

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        labels = sum(array.nbytes for array in self.labels.values())
        return labels + (0 if self.frames is None else self.frames.nbytes)


class FrameCache:
    """Keeps pieces up to a budget; several loaders and threads may share one.

    Nothing is ever dropped: an epoch passes every item once, so whatever went first would be the
    next that is wanted. What does not fit is decoded again, each time.

    Args:
        budget_bytes: the most that all pieces take together.
    """

    def __init__(self, budget_bytes: int):
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self._pieces: dict[Hashable, Piece] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pieces)

    def find(self, key: Hashable) -> Piece | None:
        """The piece of this key, if it is kept."""
        return self._pieces.get(key)

    def keep(self, key: Hashable, piece: Piece) -> None:
        """Keep a piece where there is room for it."""
        with self._lock:
            if key not in self._pieces and self.used_bytes + piece.size_bytes <= self.budget_bytes:
                self._pieces[key] = piece
                self.used_bytes += piece.size_bytes
