"""Fit a filter to labeled vectors, and measure it on videos that it was not fitted on.

N frames, C cells of a picture, D size of a cell's vector, F features
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, MissingDependencyError
from ...idm.labels.calibration import sigmoid
from .clean_model import LEAST, CleanModel, CleanSpace

if TYPE_CHECKING:
    from ...progress import Progress

Array = NDArray[np.float64]
Vectors = NDArray[np.float32]
Bools = NDArray[np.bool_]
SHRINK = 0.05  # of a covariance, towards a multiple of the identity: labels are few
INNER_FOLDS = 4  # of videos, by whose clean frames the others are judged while fitting
FEWEST = 10  # frames of each kind
FEWEST_OF_A_REASON = 5
LEAST_RECALL = 0.5
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the labels, of the learning curve
ITERATIONS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgments:
    """Labels of frames whose vectors lie beside them."""

    clean: Bools
    """[N]."""
    videos: NDArray[np.str_]
    """[N]: what each is a frame of."""
    reasons: Sequence[str]
    """N: why each is not clean; empty where it is."""

    def take(self, rows: NDArray[np.intp]) -> Judgments:
        """Those of some frames."""
        reasons = [self.reasons[row] for row in rows]
        return Judgments(clean=self.clean[rows], videos=self.videos[rows], reasons=reasons)

    def require_enough(self) -> None:
        """Raise ConfigError where there is too little to fit and to test."""
        for kind, count in (("clean", self.clean.sum()), ("unclean", (~self.clean).sum())):
            if count < FEWEST:
                raise ConfigError(
                    f"labels: {count} frames are {kind}, at least {FEWEST} are needed of each kind"
                )
        for kind, of in (("clean", self.clean), ("unclean", ~self.clean)):
            if len(set(self.videos[of].tolist())) < 2:
                raise ConfigError(
                    f"labels: all {kind} frames are of one video; a filter is tested on videos "
                    "that it was not fitted on: label frames of two at least"
                )


def require_sklearn() -> None:
    """Raise MissingDependencyError where scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "train-filter needs scikit-learn: pip install 'vidact[filter]'"
        ) from error


def fit_space(vectors: Vectors) -> CleanSpace:
    """What the clean frames [N, C, D] show in each cell."""
    x = vectors.astype(np.float64)
    size = x.shape[2]
    factors = np.empty((x.shape[1], size, size))
    for cell in range(x.shape[1]):
        covariance = np.atleast_2d(np.cov(x[:, cell], rowvar=False))
        level = max(float(np.trace(covariance)) / size, LEAST)
        covariance = (1 - SHRINK) * covariance + SHRINK * level * np.eye(size)
        factors[cell] = np.linalg.inv(np.linalg.cholesky(covariance))
    return CleanSpace(means=x.mean(0), factors=factors)


def honest_features(vectors: Vectors, judged: Judgments) -> Array:
    """Features of frames [N, C, D], each by clean frames of other videos, [N, F].

    By the clean frames themselves they would lie nearer than any that are new, and a filter that
    learned this would call new play unclean.
    """
    from sklearn.model_selection import GroupKFold

    found: Array | None = None
    groups = min(INNER_FOLDS, len(set(judged.videos.tolist())))
    if groups < 2:
        return fit_space(vectors[judged.clean]).features(vectors)
    for _, test in GroupKFold(groups).split(vectors, groups=judged.videos):
        rest = np.setdiff1d(np.arange(len(vectors)), test)
        clean = rest[judged.clean[rest]]
        if len(clean) < 2:  # of two videos with clean frames: better these than none
            clean = np.flatnonzero(judged.clean)
        features = fit_space(vectors[clean]).features(vectors[test])
        found = np.empty((len(vectors), features.shape[1])) if found is None else found
        found[test] = features
    if found is None:
        raise ValueError("there are no frames")
    return found


def fit_model(vectors: Vectors, judged: Judgments, *, regularization: float) -> CleanModel:
    """Fit to vectors [N, C, D]; not calibrated yet, and without reasons."""
    coefficients, intercepts = _regression(
        honest_features(vectors, judged), judged.clean, regularization
    )
    space = fit_space(vectors[judged.clean])
    return CleanModel(
        space=space,
        coefficients=coefficients[0],
        intercept=intercepts,
        slope=np.array([1.0, 0.0]),
        reason_coefficients=np.zeros((0, space.num_features)),
        reason_intercepts=np.zeros(0),
    )


def _regression(
    features: Array, wanted: NDArray[Any], regularization: float
) -> tuple[Array, Array]:
    """Coefficients [R, F] and intercepts [R] of a logistic regression on features [N, F], which are
    brought to one scale for it; of two classes the second's log-odds only, R = 1.
    """
    from sklearn.linear_model import LogisticRegression

    mean, deviation = features.mean(0), features.std(0) + LEAST
    found = LogisticRegression(
        C=1 / max(regularization, 1e-9), class_weight="balanced", max_iter=ITERATIONS
    ).fit((features - mean) / deviation, wanted)
    coefficients = found.coef_.astype(np.float64) / deviation
    return coefficients, found.intercept_.astype(np.float64) - coefficients @ mean


def with_reasons(
    model: CleanModel, vectors: Vectors, judged: Judgments, *, regularization: float
) -> tuple[CleanModel, list[str]]:
    """The model, which tells reasons apart that were given often enough, and their names."""
    counts = Counter(reason for reason in judged.reasons if reason)
    names = sorted(reason for reason, count in counts.items() if count >= FEWEST_OF_A_REASON)
    coefficients = np.zeros((len(names), model.space.num_features))
    intercepts = np.zeros(len(names))
    if len(names) >= 2:
        rows = np.flatnonzero([reason in names for reason in judged.reasons])
        wanted = np.array([names.index(judged.reasons[row]) for row in rows.tolist()])
        features = model.space.features(vectors[rows])
        own, summands = _regression(features, wanted, regularization)
        # Of two kinds the second's log-odds are all there is.
        coefficients[-len(own) :], intercepts[-len(own) :] = own, summands
    told = replace(model, reason_coefficients=coefficients, reason_intercepts=intercepts)
    return told, names


def calibration(log_odds: Array, clean: Bools) -> Array:
    """[2]: factor and summand that make log-odds [N] true (Platt's), of frames not fitted on."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=1e3, max_iter=ITERATIONS).fit(log_odds[:, None], clean)
    # A filter that tells nothing apart is not turned upside down.
    return np.array([max(float(found.coef_[0, 0]), 0.0), float(found.intercept_[0])])


def folds_of(judged: Judgments, folds: int, seed: int) -> list[NDArray[np.intp]]:
    """The rows that each fold tests; no video is in two of them."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(folds, len(set(judged.videos.tolist())))
    split = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [test for _, test in split.split(judged.clean, judged.clean, judged.videos)]


def held_out_log_odds(
    vectors: Vectors,
    judged: Judgments,
    tests: Sequence[NDArray[np.intp]],
    *,
    regularization: float,
    share: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Array:
    """What a filter says of each frame that was fitted without its video, [N], not calibrated.

    NaN where the rest has frames of one kind only.

    Args:
        tests: rows of each fold.
        share: of the rest that is fitted to, drawn at random.
    """
    said = np.full(len(vectors), np.nan)
    generator = np.random.default_rng([seed, round(1000 * share)])
    for test in tests:
        rest = np.setdiff1d(np.arange(len(vectors)), test)
        if share < 1:
            rest = np.sort(generator.permutation(rest)[: max(2, round(share * len(rest)))])
        own = judged.take(rest)
        if min(own.clean.sum(), (~own.clean).sum()) >= 2:
            model = fit_model(vectors[rest], own, regularization=regularization)
            said[test] = model.log_odds(model.space.features(vectors[test]))
        if progress is not None:
            progress.advance(1)
    return said


def held_out_probability(
    log_odds: Array, judged: Judgments, tests: Sequence[NDArray[np.intp]]
) -> Array:
    """Calibrated probabilities [N], each by what the other folds say."""
    out = np.full(len(log_odds), np.nan)
    for test in tests:
        known = np.setdiff1d(np.flatnonzero(np.isfinite(log_odds)), test)
        if len(set(judged.clean[known].tolist())) == 2:
            slope, summand = calibration(log_odds[known], judged.clean[known])
            out[test] = sigmoid(slope * log_odds[test] + summand)
    return out


def lowest_threshold(p: Array, clean: Bools, precision: float) -> float:
    """The lowest probability from which on frames called clean are so often clean.

    0.5 where no probability has that precision and keeps half of the clean frames: a filter that
    keeps next to nothing is of no use. Never below 0.5: a frame that is more likely unclean is not
    clean.
    """
    order = np.argsort(-p, kind="stable")
    right = np.cumsum(clean[order])
    # Frames of one score are called alike.
    last = np.append(np.diff(p[order]) != 0, True)
    enough = (right / np.arange(1, len(p) + 1) >= precision) & (right >= LEAST_RECALL * right[-1])
    places = np.flatnonzero(last & enough)
    return float(np.clip(p[order][places[-1]], 0.5, 0.999)) if len(places) else 0.5


def figures_of(p: Array, clean: Bools, threshold: float) -> dict[str, Any]:
    """Confusion, precision, recall and more of calibrated probabilities [N] at a threshold."""
    said = p >= threshold
    both, wrongly, missed, rightly = (
        int((a & b).sum())
        for a, b in ((said, clean), (said, ~clean), (~said, clean), (~said, ~clean))
    )
    errors = [
        abs(mean - share) * (count / len(p)) for mean, share, count in reliability_of(p, clean)
    ]
    return {
        "frames": len(p),
        "confusion": {
            "clean_called_clean": both,
            "unclean_called_clean": wrongly,
            "clean_called_unclean": missed,
            "unclean_called_unclean": rightly,
        },
        "precision": both / max(both + wrongly, 1),
        "recall": both / max(both + missed, 1),
        "accuracy": (both + rightly) / max(len(p), 1),
        "balanced_accuracy": 0.5
        * (both / max(both + missed, 1) + rightly / max(rightly + wrongly, 1)),
        "brier": float(np.square(p - clean).mean()),
        "ece": float(sum(errors)),
    }


def reliability_of(p: Array, clean: Bools) -> list[list[float]]:
    """Of tenths of the probability: its mean, the share of clean frames, and how many there are."""
    bins = np.minimum((p * 10).astype(int), 9)
    return [
        [float(p[bins == b].mean()), float(clean[bins == b].mean()), int((bins == b).sum())]
        for b in np.unique(bins)
    ]
