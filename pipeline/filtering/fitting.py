"""Fit a filter to labeled vectors, and measure it on videos, and kinds of dirt, that it was not
fitted on.

N frames, M of them under made-up dirt, C cells of a picture, D size of a cell's vector, F features,
S order statistics
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
from .clean_model import ORDERED, CleanModel, ordered
from .fit_cells import covered, fit_cell_score, fit_space

if TYPE_CHECKING:
    from ...progress import Progress

Array = NDArray[np.float64]
Vectors = NDArray[np.float32]
Bools = NDArray[np.bool_]
INNER_FOLDS = 4  # of videos, by whose clean frames the others are judged while fitting
FEWEST = 10  # frames of each kind
FEWEST_OF_A_REASON = 5
LEAST_RECALL = 0.9  # of a filter that is as strict as it may be: play is what is looked for
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the labels, of the learning curve
ITERATIONS = 2000
LEAST = 1e-6  # of a feature's deviation


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted:
    """Clean frames under made-up dirt (`made_up_dirt.py`)."""

    vectors: Vectors
    """[M, C, D]."""
    rows: NDArray[np.intp]
    """[M]: which labeled frame each is."""

    def take(self, rows: NDArray[np.intp]) -> Painted:
        """Those of some labeled frames, sorted, by their places among these."""
        mine = np.isin(self.rows, rows)
        places = np.searchsorted(rows, self.rows[mine])
        return Painted(vectors=self.vectors[mine], rows=places)


def require_sklearn() -> None:
    """Raise MissingDependencyError where scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "train-filter needs scikit-learn: pip install 'vidact[filter]'"
        ) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What filters of these frames have in common, whatever dirt is among the labels."""

    model: CleanModel
    """Without coefficients and reasons."""
    labeled: Array
    """Order statistics of the labeled frames, each by clean frames of other videos, [N, S]."""
    painted: Array
    """Of those under made-up dirt, likewise, [M, S]."""


def fit_cells(vectors: Vectors, judged: Judgments, painted: Painted, *, seed: int) -> Fitted:
    """Fit what is said of cells to vectors [N, C, D].

    Frames are judged by clean frames of other videos: by themselves they would lie nearer than any
    that are new, and a filter that learned this would call new play unclean.
    """
    from sklearn.model_selection import GroupKFold

    cells, size = vectors.shape[1], vectors.shape[2] + 1
    own = np.empty((len(vectors), cells, size), np.float32)
    under = np.empty((len(painted.rows), cells, size), np.float32)
    space = fit_space(vectors[judged.clean])
    groups = min(INNER_FOLDS, len(set(judged.videos.tolist())))
    tests = [np.arange(len(vectors))]
    if groups >= 2:
        tests = [test for _, test in GroupKFold(groups).split(vectors, groups=judged.videos)]
    for test in tests:
        clean = judged.clean.copy()
        clean[test] = False
        # Of two videos with clean frames: better these than none.
        near = fit_space(vectors[clean]) if clean.sum() >= 2 else space
        own[test] = near.deviations(vectors[test])
        rows = np.flatnonzero(np.isin(painted.rows, test))
        under[rows] = near.deviations(painted.vectors[rows])
    dirty = under[covered(under, own[painted.rows])]
    score = fit_cell_score(dirty, own[judged.clean].reshape(-1, size), seed=seed)
    model = CleanModel(
        space=space,
        cell_score=score,
        coefficients=np.zeros(ORDERED),
        intercept=np.zeros(1),
        slope=np.array([1.0, 0.0]),
        reason_coefficients=np.zeros((0, ORDERED + cells)),
        reason_intercepts=np.zeros(0),
    )
    return Fitted(model=model, labeled=ordered(score(own)), painted=ordered(score(under)))


def fit_model(
    fitted: Fitted, judged: Judgments, *, regularization: float, without: str = ""
) -> CleanModel:
    """Weigh the cells' scores by labels; not calibrated yet, and without reasons.

    Made-up dirt counts as much as labeled dirt.

    Args:
        without: a reason whose frames are left out.
    """
    kept = np.array([not without or reason != without for reason in judged.reasons])
    features = np.concatenate([fitted.labeled[kept], fitted.painted])
    made_up = np.zeros(len(fitted.painted), bool)
    clean = np.concatenate([judged.clean[kept], made_up])
    weights = np.ones(len(features))
    dirty = int((~judged.clean[kept]).sum())
    weights[len(features) - len(made_up) :] = max(dirty, 1) / max(len(made_up), 1)
    coefficients, intercept = _falling_regression(features, clean, weights, regularization)
    return replace(fitted.model, coefficients=coefficients, intercept=np.array([intercept]))


def _falling_regression(
    features: Array, clean: Bools, weights: Array, regularization: float
) -> tuple[Array, float]:
    """Coefficients [F], none of them above 0, and intercept of a logistic regression on features
    [N, F]: what is stranger is never cleaner. Both kinds weigh the same.
    """
    from scipy.optimize import minimize

    mean, deviation = features.mean(0), features.std(0) + LEAST
    scaled = (features - mean) / deviation
    sign = np.where(clean, 1.0, -1.0)
    balanced = np.empty(len(features))
    for kind in (clean, ~clean):
        balanced[kind] = weights[kind] * len(features) / 2 / max(weights[kind].sum(), LEAST)

    def loss(values: Array) -> tuple[float, Array]:
        margin = sign * (scaled @ values[:-1] + values[-1])
        slope = -sign * balanced * sigmoid(-margin)
        penalty = 0.5 * regularization * float(np.square(values[:-1]).sum())
        gradient = np.append(scaled.T @ slope + regularization * values[:-1], slope.sum())
        return float((balanced * np.logaddexp(0, -margin)).sum()) + penalty, gradient

    most: list[float | None] = [*([0.0] * features.shape[1]), None]
    found = minimize(
        loss,
        np.zeros(len(most)),
        jac=True,
        bounds=[(None, highest) for highest in most],
        options={"maxiter": ITERATIONS},
    ).x
    coefficients = found[:-1] / deviation
    return coefficients, float(found[-1] - coefficients @ mean)


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
    coefficients = np.zeros((len(names), model.num_features))
    intercepts = np.zeros(len(names))
    if len(names) >= 2:
        rows = np.flatnonzero([reason in names for reason in judged.reasons])
        wanted = np.array([names.index(judged.reasons[row]) for row in rows.tolist()])
        features = model.features(vectors[rows])
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
    painted: Painted,
    tests: Sequence[NDArray[np.intp]],
    *,
    regularization: float,
    share: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Array:
    """What a filter says of each frame that was fitted without its video, and without labels of the
    kind of dirt that is on it, [N], not calibrated.

    NaN where the rest has frames of one kind only.

    Args:
        tests: rows of each fold.
        share: of the rest that is fitted to, drawn at random.
    """
    said = np.full(len(vectors), np.nan)
    generator = np.random.default_rng([seed, round(1000 * share)])
    reasons = np.array(judged.reasons)
    for test in tests:
        rest = np.setdiff1d(np.arange(len(vectors)), test)
        if share < 1:
            rest = np.sort(generator.permutation(rest)[: max(2, round(share * len(rest)))])
        own = judged.take(rest)
        if min(own.clean.sum(), (~own.clean).sum()) >= 2:
            fitted = fit_cells(vectors[rest], own, painted.take(rest), seed=seed)
            features = fitted.model.features(vectors[test])
            for reason in sorted(set(reasons[test].tolist())):
                model = fit_model(fitted, own, regularization=regularization, without=reason)
                here = reasons[test] == reason
                said[test[here]] = model.log_odds(features[here])
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

    Where none has that precision and keeps `LEAST_RECALL` of the clean frames: the highest that
    keeps so many. Never below 0.5: a frame that is more likely unclean is not clean.
    """
    order = np.argsort(-p, kind="stable")
    right = np.cumsum(clean[order])
    # Frames of one score are called alike.
    last = np.append(np.diff(p[order]) != 0, True)
    kept = last & (right >= LEAST_RECALL * right[-1])
    precise = np.flatnonzero(kept & (right / np.arange(1, len(p) + 1) >= precision))
    place = precise[-1] if len(precise) else np.flatnonzero(kept)[0]
    return float(np.clip(p[order][place], 0.5, 0.999))


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
