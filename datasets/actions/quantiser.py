"""Mu-law quantiser of camera motion: fine bins near rest, coarse ones for flicks.

The formula and its rounding are those of VPT (Baker et al. 2022, `lib/actions.py` of the published
code), so that with `max_deg=10, bins=11, mu=10` every bin edge is OpenAI's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class MuLaw:
    """A quantiser of one axis."""

    max_deg: float
    """Largest motion per tick, in degrees; larger ones are clipped to the outermost bins."""
    bins: int
    """Number of bins; odd, so that the middle one is exactly "no motion"."""
    mu: float
    """Companding: 0 would be uniform; the larger, the finer the bins near rest."""

    def __post_init__(self) -> None:
        if not self.max_deg > 0:
            raise SpecError(f"quantiser max_deg must be above 0 degrees, got {self.max_deg}")
        if self.bins < 3 or self.bins % 2 == 0:
            raise SpecError(
                f"quantiser bins must be odd and at least 3 (the middle bin is no motion), "
                f"got {self.bins}"
            )
        if not self.mu > 0:
            raise SpecError(f"quantiser mu must be above 0, got {self.mu}")

    @property
    def null_bin(self) -> int:
        """The bin of no motion."""
        return self.bins // 2

    def quantise(self, degrees: ArrayLike) -> NDArray[np.int64]:
        """Convert degrees of any shape to bin numbers, int64 of the same shape."""
        clipped = np.clip(np.asarray(degrees, dtype=np.float64), -self.max_deg, self.max_deg)
        x = clipped / self.max_deg
        # In [-1, 1].
        companded = np.sign(x) * np.log(1.0 + self.mu * np.abs(x)) / np.log(1.0 + self.mu)
        return np.round((companded + 1.0) * self.null_bin).astype(np.int64)

    def dequantise(self, bins: ArrayLike) -> NDArray[np.float32]:
        """Convert bin numbers of any shape to the degrees of their centers, float32."""
        return self.centres()[np.asarray(bins, dtype=np.int64)]

    def centres(self) -> NDArray[np.float32]:
        """Return the degrees that each bin stands for, float32 [bins]; the middle one is 0."""
        companded = np.arange(self.bins) / self.null_bin - 1.0  # in [-1, 1]
        size = ((1.0 + self.mu) ** np.abs(companded) - 1.0) / self.mu * self.max_deg
        return (np.sign(companded) * size).astype(np.float32)
