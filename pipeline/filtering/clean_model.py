"""How clean a frame is, from the vectors of its parts: what a filter's checkpoint holds beside its
embedding.

N frames, C cells of a picture, D size of a cell's vector, H hidden units, R reasons,
S order statistics, F = S + C features

What labels show of dirt is a part of all dirt, and lies at some places of all places. So each cell
is compared with what clean play shows there (after PaDiM, arXiv 2011.08785, a detector of defects),
what that says of dirt is weighed by one small network for all cells, and a frame is judged by its
strangest cells, wherever they lie: a menu is strange everywhere, a logo in few cells, a new level
a little in many. No cell that is stranger ever makes a frame cleaner.
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
Vectors = NDArray[np.float32]
STRANGEST = (1, 2, 4, 8, 16, 32, 64)
"""So many of a frame's strangest cells are averaged."""
ORDERED = len(STRANGEST) + 1  # S: and all of them
FARTHEST = 8.0  # deviations from clean play; beyond, a cell is as strange as can be
LEAST = 1e-6  # of a mean square distance
AT_ONCE = 32  # frames; always as many, so that what is said of one does not depend on others
OF_CELLS = (
    *("cell_means", "cell_factors"),
    *("hidden_weights", "hidden_biases", "cell_weights", "cell_bias"),
)
OF_FRAMES = (
    *("coefficients", "intercept", "slope"),
    *("reason_coefficients", "reason_intercepts"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanSpace:
    """What clean play shows in each cell."""

    means: Vectors
    """[C, D]."""
    factors: Vectors
    """[C, D, D]: the symmetric root of a cell's inverse covariance."""

    def deviations(self, vectors: Vectors) -> Vectors:
        """[N, C, D + 1] of [N, C, D]: how many standard deviations each part of a cell's vector
        lies from clean play, were the parts independent, and the logarithm of their mean square,
        near 0 in clean play.
        """
        off = vectors - self.means
        found = np.empty((*vectors.shape[:2], vectors.shape[2] + 1), np.float32)
        by_cell = np.matmul(off.swapaxes(0, 1), self.factors)  # (C, N, D)
        found[..., :-1] = by_cell.swapaxes(0, 1)
        found[..., -1] = np.log(np.square(found[..., :-1]).mean(2) + LEAST)
        return np.clip(found, -FARTHEST, FARTHEST, out=found)


@dataclass(frozen=True, kw_only=True, slots=True)
class CellScore:
    """Says of a cell how strange it is: one network for all cells."""

    hidden_weights: Vectors
    """[D + 1, H]."""
    hidden_biases: Vectors
    """[H]."""
    weights: Vectors
    """[H]."""
    bias: Vectors
    """[1]."""

    def __call__(self, deviations: Vectors) -> Vectors:
        """Log-odds of dirt, [N, C] of [N, C, D + 1]."""
        hidden = np.maximum(deviations @ self.hidden_weights + self.hidden_biases, 0)
        found: Vectors = hidden @ self.weights + self.bias[0]
        return found


def ordered(scores: Vectors) -> Array:
    """Order statistics of cells' scores, [N, S] of [N, C]: means of the strangest ones, of all."""
    falling = -np.sort(-scores.astype(np.float64), axis=1)
    sums = np.cumsum(falling, axis=1)
    counts = np.minimum([*STRANGEST, scores.shape[1]], scores.shape[1])
    found: Array = sums[:, counts - 1] / counts
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanModel:
    """Tells clean frames from others, and why they are not clean."""

    space: CleanSpace
    cell_score: CellScore
    coefficients: Array
    """[S], none above 0."""
    intercept: Array
    """[1]."""
    slope: Array
    """[2]: the calibration, a factor and a summand of the log-odds."""
    reason_coefficients: Array
    """[R, F]."""
    reason_intercepts: Array
    """[R]."""

    @property
    def num_features(self) -> int:
        """F."""
        return ORDERED + len(self.space.means)

    def features(self, vectors: Vectors) -> Array:
        """[N, F] of [N, C, D]: order statistics of the cells' scores, and these scores."""
        found = np.empty((len(vectors), self.num_features))
        for i in range(0, len(vectors), AT_ONCE):
            some = vectors[i : i + AT_ONCE]
            padded = np.pad(some, ((0, AT_ONCE - len(some)), (0, 0), (0, 0)))
            scores = self.cell_score(self.space.deviations(padded))[: len(some)]
            found[i : i + AT_ONCE, :ORDERED] = ordered(scores)
            found[i : i + AT_ONCE, ORDERED:] = scores
        return found

    def log_odds(self, features: Array) -> Array:
        """Calibrated log-odds of being clean, [N] of [N, F]."""
        raw = features[:, :ORDERED] @ self.coefficients + self.intercept[0]
        found: Array = self.slope[0] * raw + self.slope[1]
        return found

    def ask(self, vectors: Vectors) -> tuple[Array, Array]:
        """Of [N, C, D] the probability of being clean, [N], and the log-odds of each reason for
        frames that are not, [N, R].
        """
        features = self.features(vectors)
        reasons: Array = features @ self.reason_coefficients.T + self.reason_intercepts
        return sigmoid(self.log_odds(features)), reasons

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its arrays as a checkpoint keeps them."""
        arrays: dict[str, NDArray[Any]] = {
            "cell_means": self.space.means,
            "cell_factors": self.space.factors,
            "hidden_weights": self.cell_score.hidden_weights,
            "hidden_biases": self.cell_score.hidden_biases,
            "cell_weights": self.cell_score.weights,
            "cell_bias": self.cell_score.bias,
            **{name: getattr(self, name) for name in OF_FRAMES},
        }
        return {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in arrays.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], reasons: int) -> CleanModel:
        """What a checkpoint keeps. Raises CheckpointError where it does not fit together."""
        if missing := [name for name in (*OF_CELLS, *OF_FRAMES) if name not in tensors]:
            raise CheckpointError(f"the filter lacks {', '.join(missing)}")
        arrays: dict[str, Any] = {name: tensors[name].float().numpy() for name in OF_CELLS}
        arrays |= {name: tensors[name].double().numpy() for name in OF_FRAMES}
        cells, size = (*arrays["cell_means"].shape, 0, 0)[:2]
        hidden = (*arrays["hidden_biases"].shape, 0)[0]
        shapes = {
            "cell_means": (cells, size),
            "cell_factors": (cells, size, size),
            "hidden_weights": (size + 1, hidden),
            "hidden_biases": (hidden,),
            "cell_weights": (hidden,),
            "cell_bias": (1,),
            "coefficients": (ORDERED,),
            "intercept": (1,),
            "slope": (2,),
            "reason_coefficients": (reasons, ORDERED + cells),
            "reason_intercepts": (reasons,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                raise CheckpointError(
                    f"the filter's {name} has shape {arrays[name].shape}, expected {shape}, finite"
                )
        return cls(
            space=CleanSpace(means=arrays["cell_means"], factors=arrays["cell_factors"]),
            cell_score=CellScore(
                hidden_weights=arrays["hidden_weights"],
                hidden_biases=arrays["hidden_biases"],
                weights=arrays["cell_weights"],
                bias=arrays["cell_bias"],
            ),
            **{name: arrays[name] for name in OF_FRAMES},
        )
