"""Least and greatest value, mean and deviation of features, added up piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = ("min", "max", "mean", "std", "count")


@dataclass(slots=True)
class Moments:
    """Of the D components of a feature; the same however the values are cut into pieces, but for
    rounding.
    """

    count: int = 0
    low: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    high: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """[D]: the sum of the squared differences from the mean."""

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Of values [N > 0, D]."""
        own = values.astype(np.float64)
        mean = own.mean(axis=0)
        return cls(
            len(own), own.min(axis=0), own.max(axis=0), mean, ((own - mean) ** 2).sum(axis=0)
        )

    @classmethod
    def read(cls, stats: Mapping[str, Any]) -> Moments:
        """What `to_dict` gave."""
        count = int(np.ravel(stats["count"])[0])
        low, high, mean, std = (np.ravel(np.array(stats[name], np.float64)) for name in NAMES[:4])
        return cls(count, low, high, mean, std**2 * count)

    def add(self, other: Moments) -> None:
        """Add what was counted elsewhere (Chan, Golub and LeVeque 1979: no squares of large
        numbers, in which a double would lose the digits that count).
        """
        if not self.count:
            self.low, self.high, self.mean, self.squares = (
                other.low,
                other.high,
                other.mean,
                other.squares,
            )
            self.count = other.count
            return
        total = self.count + other.count
        apart = other.mean - self.mean
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.squares = self.squares + other.squares + apart**2 * (self.count * other.count / total)
        self.mean = self.mean + apart * (other.count / total)
        self.count = total

    def to_dict(self, *, picture: bool = False) -> dict[str, list[Any]]:
        """Lists of D numbers by name; of a picture's channels, [D, 1, 1]."""
        std = np.sqrt(self.squares / max(self.count, 1))
        found = zip(NAMES[:4], (self.low, self.high, self.mean, std), strict=True)
        stats = {name: (v[:, None, None] if picture else v).tolist() for name, v in found}
        return {**stats, "count": [self.count]}
