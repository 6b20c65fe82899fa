"""How much a frame looks like a game: where it lies between the game's play and other pictures.

N frames, D size of an embedding, P principal components

The score of a frame is the log-ratio of two normal densities over the principal components of its
embedding: that of play, as it was recorded and as strangers record it, and that of everything else
at hand (`negatives.py`). The threshold lies below what play reaches that was held out. Of play
alone a density says less: pictures that are flat lie near the mean of any play.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import CheckpointError

Array = NDArray[np.float64]
COMPONENTS = 128
# Of a covariance, towards a multiple of the identity: of play there is much, of all other pictures
# any collection shows a part only.
SHRINK_PLAY, SHRINK_OTHERS = 0.1, 0.2
LOWEST = 0.01  # of held-out play may lie below where the margin begins
# How far the threshold lies below, in distances from there to the median: play of other people, on
# other maps, is farther off than what was held out.
MARGIN = 0.1
NAMES = ("center", "projection", "play_mean", "play_factor", "others_mean", "others_factor")


@dataclass(frozen=True, slots=True)
class GameDensity:
    """What play looks like to an embedding; made by `GameDensity.fit`."""

    center: Array
    """[D]."""
    projection: Array
    """[D, P]: to principal components of vectors less the center."""
    play: Normal
    others: Normal
    threshold: float
    """A score; frames from there on count as the game."""
    scale: float
    """Of scores: one unit of log-odds."""
    sha256: str = ""
    """Of its tensors: what labels and jobs know it by."""

    @classmethod
    def fit(
        cls,
        play: NDArray[np.float32],
        held_out: Sequence[NDArray[np.float32]],
        others: NDArray[np.float32],
    ) -> GameDensity:
        """Fit it.

        Args:
            play: vectors [N, D].
            held_out: vectors of play that is not in `play`.
            others: vectors of what is not the game.
        """
        together = np.concatenate([play, others]).astype(np.float64)
        spread = play.std(0, dtype=np.float64)
        # What hardly varies in play tells much where it does vary; but rounding is no variation.
        spread = np.maximum(spread, 1e-3 * max(float(spread.mean()), 1e-6))
        center = together.mean(0)
        _, _, axes = np.linalg.svd((together - center) / spread, full_matrices=False)
        projection = axes[:COMPONENTS].T / spread[:, None]
        found = cls(
            center,
            projection,
            Normal.fit((play - center) @ projection, SHRINK_PLAY),
            Normal.fit((others - center) @ projection, SHRINK_OTHERS),
            threshold=0.0,
            scale=1.0,
        )
        scores = np.concatenate([found.scores(vectors) for vectors in held_out])
        low, middle = np.quantile(scores, [LOWEST, 0.5])
        threshold = float(low - MARGIN * (middle - low))
        # Half of the held-out play has an `in_game` of 0.98 or more.
        scale = max(float(middle - threshold) / 4, 1e-6)
        return cls(center, projection, found.play, found.others, threshold, scale)

    def scores(self, vectors: NDArray[np.float32]) -> Array:
        """Log-ratios of the densities, [N] of [N, D]; the more, the more like play."""
        x = (vectors - self.center) @ self.projection
        return self.play.log_density(x) - self.others.log_density(x)

    def log_odds(self, vectors: NDArray[np.float32]) -> Array:
        """How far beyond the threshold, [N] of [N, D]; 0 is on it."""
        return (self.scores(vectors) - self.threshold) / self.scale

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its arrays as a checkpoint keeps them."""
        values = (
            *(self.center, self.projection),
            *(self.play.mean, self.play.factor, self.others.mean, self.others.factor),
        )
        return {
            name: torch.from_numpy(np.ascontiguousarray(value, np.float32))
            for name, value in zip(NAMES, values, strict=True)
        }

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], entry: Mapping[str, Any]) -> GameDensity:
        """What a checkpoint keeps: its arrays, and what its configuration says of them.

        Raises CheckpointError where they do not belong together.
        """
        try:
            arrays = [tensors[name].double().numpy() for name in NAMES]
            threshold, scale = float(entry["threshold"]), float(entry["scale"])
            sha256 = str(entry["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the density of the game cannot be read: {error!r}") from error
        center, projection, *rest = arrays
        count = projection.shape[-1] if projection.ndim == 2 else -1
        shapes = [(len(center), count), *[(count,), (count, count)] * 2]
        finite = all(np.isfinite(array).all() for array in arrays) and np.isfinite(threshold)
        if [array.shape for array in arrays[1:]] != shapes or not finite or not scale > 0:
            raise CheckpointError(
                "the density of the game does not fit together: "
                f"{[array.shape for array in arrays]}, threshold {threshold}, scale {scale}"
            )
        play, others = Normal(rest[0], rest[1]), Normal(rest[2], rest[3])
        return cls(center, projection, play, others, threshold, scale, sha256)


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal density over P components."""

    mean: Array
    """[P]."""
    factor: Array
    """[P, P], upper triangular: the inverse covariance is factor @ factor.T."""

    @classmethod
    def fit(cls, x: Array, shrink: float) -> Normal:
        """Of [N, P], its covariance shrunk by a share towards a multiple of the identity."""
        mean = x.mean(0)
        covariance = np.atleast_2d(np.cov(x, rowvar=False))
        level = max(float(np.trace(covariance)) / len(mean), 1e-9)
        covariance = (1 - shrink) * covariance + shrink * level * np.eye(len(mean))
        return cls(mean, np.linalg.inv(np.linalg.cholesky(covariance)).T)

    def log_density(self, x: Array) -> Array:
        """[N] of [N, P], less what is the same for all densities."""
        whitened = (x - self.mean) @ self.factor
        half: Array = -0.5 * np.square(whitened).sum(1)
        return half + float(np.log(np.diag(self.factor)).sum())
