"""How one clip is seen: values of what is varied about its pictures and its recorder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.video import appearance


@dataclass(frozen=True, slots=True)
class ClipLook:
    """A function of its values and its seed."""

    values: Mapping[str, float]
    """By name, see `datasets/video/appearance.py`."""
    seed: tuple[int, ...]

    @property
    def is_late(self) -> bool:
        """Whether frames may be others than those of the ticks."""
        return bool(appearance.BETWEEN_TICKS & self.values.keys())

    def shown(self, wanted: NDArray[np.int64], screen_hz: float) -> NDArray[np.int64]:
        """Which frames of the screen are there at those of `wanted`."""
        return appearance.shown(wanted, screen_hz, self.values, self._chance(0))

    def apply(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frames [T, H, W, 3] as they are seen."""
        return appearance.apply(frames, self.values, self._chance(1))

    def _chance(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, stream])
