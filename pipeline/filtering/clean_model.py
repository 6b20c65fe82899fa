"""How clean a frame is, from the vectors of its parts: what a filter's checkpoint holds beside its
embedding.

N frames, C cells of a picture, D size of a cell's vector, F = C + 3 features, R reasons

What labels show of dirt is a part of all dirt, so a frame is judged by how far each of its cells
lies from what clean play shows there, and labels say how much that tells: a menu is far off
everywhere, a column of chat in some cells, a new level a little in many. (The distances are those
of PaDiM, arXiv 2011.08785, a detector of defects.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import CheckpointError
from ...idm.labels.calibration import sigmoid

Array = NDArray[np.float64]
SUMMARIES = 3  # features of all cells: the farthest, the mean of the far ones, the mean
FAR = 8  # one cell in so many counts as a far one
LEAST = 1e-6  # of a mean square distance
PARTS = (
    *("cell_means", "cell_factors", "coefficients", "intercept", "slope"),
    *("reason_coefficients", "reason_intercepts"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanSpace:
    """What clean play shows in each cell."""

    means: Array
    """[C, D]."""
    factors: Array
    """[C, D, D]: the inverse covariance of a cell is factor.T @ factor."""

    @property
    def num_features(self) -> int:
        """F."""
        return len(self.means) + SUMMARIES

    def features(self, vectors: NDArray[np.float32]) -> Array:
        """[N, F] of [N, C, D]: the logarithm of each cell's mean square distance from clean play,
        near 0 for a frame of it, before them the three summaries.
        """
        cells = len(self.means)
        found = np.empty((len(vectors), self.num_features))
        for cell in range(cells):
            off = (vectors[:, cell] - self.means[cell]) @ self.factors[cell].T
            found[:, SUMMARIES + cell] = np.log(np.square(off).mean(1) + LEAST)
        falling = np.sort(found[:, SUMMARIES:], axis=1)[:, ::-1]
        found[:, 0] = falling[:, 0]
        found[:, 1] = falling[:, : max(1, cells // FAR)].mean(1)
        found[:, 2] = falling.mean(1)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanModel:
    """Tells clean frames from others, and why they are not clean."""

    space: CleanSpace
    coefficients: Array
    """[F]."""
    intercept: Array
    """[1]."""
    slope: Array
    """[2]: the calibration, a factor and a summand of the log-odds."""
    reason_coefficients: Array
    """[R, F]."""
    reason_intercepts: Array
    """[R]."""

    def log_odds(self, features: Array) -> Array:
        """Calibrated log-odds of being clean, [N] of [N, F]."""
        raw = features @ self.coefficients + self.intercept[0]
        found: Array = self.slope[0] * raw + self.slope[1]
        return found

    def ask(self, vectors: NDArray[np.float32]) -> tuple[Array, Array]:
        """Of [N, C, D] the probability of being clean, [N], and the log-odds of each reason for
        frames that are not, [N, R].
        """
        features = self.space.features(vectors)
        reasons: Array = features @ self.reason_coefficients.T + self.reason_intercepts
        return sigmoid(self.log_odds(features)), reasons

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its arrays as a checkpoint keeps them."""
        arrays = {"cell_means": self.space.means, "cell_factors": self.space.factors}
        arrays |= {name: getattr(self, name) for name in PARTS if name not in arrays}
        return {
            name: torch.from_numpy(np.ascontiguousarray(array, np.float64))
            for name, array in arrays.items()
        }

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], reasons: int) -> CleanModel:
        """What a checkpoint keeps. Raises CheckpointError where it does not fit together."""
        if missing := [name for name in PARTS if name not in tensors]:
            raise CheckpointError(f"the filter lacks {', '.join(missing)}")
        arrays: dict[str, Any] = {name: tensors[name].double().numpy() for name in PARTS}
        cells, size = (*arrays["cell_means"].shape, 0, 0)[:2]
        features = cells + SUMMARIES
        shapes = {
            "cell_means": (cells, size),
            "cell_factors": (cells, size, size),
            "coefficients": (features,),
            "intercept": (1,),
            "slope": (2,),
            "reason_coefficients": (reasons, features),
            "reason_intercepts": (reasons,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                raise CheckpointError(
                    f"the filter's {name} has shape {arrays[name].shape}, expected {shape}, finite"
                )
        space = CleanSpace(means=arrays.pop("cell_means"), factors=arrays.pop("cell_factors"))
        return cls(space=space, **arrays)
