"""Quantisers of axes: mu-law bins for motion of the camera, even ones for sticks, triggers, wheels.

The mu-law formula (fine bins near rest, coarse ones for flicks) and its rounding are those of VPT
(Baker et al. 2022, `lib/actions.py` of the published code), so that with
`max_deg=10, bins=11, mu=10` every bin edge is OpenAI's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import SpecError

WHOLE = 1e-6  # of a bin's width: how far rest may lie from a bin's center, for decimals that round


class Quantiser(Protocol):
    """What every quantiser of an axis can do; values are in the axis's own unit."""

    @property
    def bins(self) -> int:
        """Number of bins."""

    @property
    def low(self) -> float:
        """What the first bin stands for; values below are clipped to it."""

    @property
    def high(self) -> float:
        """What the last bin stands for; values above are clipped to it."""

    @property
    def null_bin(self) -> int:
        """The bin of rest, whose center is exactly 0."""

    def quantise(self, values: ArrayLike) -> NDArray[np.int64]:
        """Convert values of any shape to bin numbers, int64 of the same shape."""

    def dequantise(self, bins: ArrayLike) -> NDArray[np.float32]:
        """Convert bin numbers of any shape to the values of their centers, float32."""

    def centres(self) -> NDArray[np.float32]:
        """Return the value that each bin stands for, float32 [bins], rising."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuLaw:
    """A quantiser of an axis of relative motion."""

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
    def low(self) -> float:
        """Degrees of the first bin."""
        return -self.max_deg

    @property
    def high(self) -> float:
        """Degrees of the last bin."""
        return self.max_deg

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Even:
    """Bins of equal width: what a stick, a trigger or a place has no reason to have finer anywhere.

    A wheel's bins are whole notches: `{low: -3, high: 3, bins: 7}`.
    """

    low: float
    """Center of the first bin: -1 of a stick, 0 of a trigger."""
    high: float
    """Center of the last bin."""
    bins: int
    """Number of bins; 0, which is rest, must be the center of one."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise SpecError(f"quantiser low must be below high, got {self.low} and {self.high}")
        if self.bins < 2:
            raise SpecError(f"quantiser bins must be at least 2, got {self.bins}")
        rest = -self.low / self.width
        if not -WHOLE <= rest <= self.bins - 1 + WHOLE or abs(rest - round(rest)) > WHOLE:
            raise SpecError(
                f"quantiser bins: 0 (rest) must be the center of one of the bins, but {self.bins} "
                f"even ones from {self.low} to {self.high} have none there; take another number"
            )

    @property
    def width(self) -> float:
        """From one center to the next."""
        return (self.high - self.low) / (self.bins - 1)

    @property
    def null_bin(self) -> int:
        """The bin of rest."""
        return round(-self.low / self.width)

    def quantise(self, values: ArrayLike) -> NDArray[np.int64]:
        """Convert values of any shape to bin numbers, int64 of the same shape."""
        clipped = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        return np.round((clipped - self.low) / self.width).astype(np.int64)

    def dequantise(self, bins: ArrayLike) -> NDArray[np.float32]:
        """Convert bin numbers of any shape to the values of their centers, float32."""
        return self.centres()[np.asarray(bins, dtype=np.int64)]

    def centres(self) -> NDArray[np.float32]:
        """Return the value that each bin stands for, float32 [bins]; that of rest is exactly 0."""
        steps = np.arange(self.bins) - self.null_bin
        return (steps * self.width).astype(np.float32)
