"""What a labelling is worth, against the truth: per button, per axis, and as a whole, with intervals.

N ticks, K buttons, A axes, R recordings, S score bins, E reliability bins, W rows of weights

Everything is computed from sums over the ticks of each recording (`Sums`). A figure of any set of recordings is a
function of weighted sums, so bootstrap resampling of recordings costs no second look at the ticks. Ranking measures
(average precision) use histograms of the log-odds, 0.02 wide: scores that differ by less count as ties.

- accuracy, precision, recall, F1: of held or released, over valid ticks
- average precision: the mean over true presses of the precision at their score (area under precision against recall)
- transition F1: a predicted press or release is right if a true one of the same kind lies within ±2 ticks; each true
  one is found at most once
- R²: 1 - squared error / variance of the true motion in degrees; None where the truth has no variance
- ECE: mean distance between probability and frequency over 15 bins of probability, weighted by ticks
Macro means go over the buttons that the recordings press at all; figures whose denominator is zero are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...errors import RecordingError

TRANSITION_TOLERANCE = 2  # ticks
SCORE_LIMIT = 12.0  # log-odds; beyond it scores are ties
SCORE_BINS = 1200  # S
RELIABILITY_BINS = 15  # E
BIN_TOLERANCE = 1
COMMON = 0.02  # buttons held in fewer ticks are rare: a few mistakes decide their figures
BUTTON_FIGURES = (
    "keypress_accuracy",
    "macro_f1",
    "macro_f1_common",
    "macro_ap",
    "transition_f1",
    "transition_f1_common",
    "ece",
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """Predicted labels of one recording."""

    buttons: NDArray[np.uint8]
    """[N, K], held or not."""
    buttons_prob: NDArray[np.floating]
    """[N, K]; what buttons are ranked by."""
    camera: NDArray[np.floating]
    """[N, A], degrees."""
    confidence: NDArray[np.floating] | None = None
    """[N], or None where there is none."""

    @classmethod
    def joined(cls, parts: Iterable[Any]) -> Labelling:
        """Of consecutive parts, each with these four fields."""
        some = list(parts)
        return cls(
            **{
                f.name: np.concatenate([getattr(part, f.name) for part in some])
                for f in fields(cls)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """True labels of one recording."""

    buttons: NDArray[np.uint8]
    """[N, K]."""
    camera: NDArray[np.float32]
    """[N, A], degrees."""
    valid: NDArray[np.bool_]
    """[N]: ticks that count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over the valid ticks of one recording, or with a leading axis of several."""

    ticks: Array
    """[]."""
    confusion: Array
    """[K, 4]: true and false held, false and true released."""
    scores: Array
    """[K, S, 2]: released and held ticks by score."""
    transitions: Array
    """[K, 3]: found, predicted, true."""
    reliability: Array
    """[K, E, 3]: ticks, sum of probability, held ticks by probability."""
    motion: Array
    """[A, 6]: ticks, sum and square sum of the truth, squared error, absolute error, ticks in the right bin ± 1."""
    confidence: Array
    """[E, 3]: ticks, sum of confidence, ticks wholly right by confidence."""
    ranking: Array
    """[S, 2]: ticks with an error and ticks wholly right by confidence."""

    @classmethod
    def of(cls, labels: Labelling, truth: Truth, spec: ActionSpec) -> Sums:
        """Of one recording."""
        valid = truth.valid
        held, true = labels.buttons[valid].astype(bool), truth.buttons[valid].astype(bool)  # (n, K)
        p = labels.buttons_prob[valid].astype(np.float64)
        buttons = range(true.shape[1])
        whole = np.zeros(len(valid), np.int64)
        camera, true_camera = (
            labels.camera[valid].astype(np.float64),
            truth.camera[valid].astype(np.float64),
        )
        error = camera - true_camera
        near = np.abs(spec.quantise(camera) - spec.quantise(true_camera)) <= BIN_TOLERANCE  # (n, A)
        right = (held == true).all(1) & near.all(1)
        confidence = (
            np.zeros(len(right))
            if labels.confidence is None
            else labels.confidence[valid].astype(np.float64)
        )
        return cls(
            ticks=np.float64(valid.sum()),  # type: ignore[arg-type]
            confusion=np.stack([held & true, held & ~true, ~held & true, ~held & ~true], -1)
            .sum(0)
            .astype(np.float64),
            scores=np.stack([_by_score(p[:, k], true[:, k]) for k in buttons]),
            transitions=np.stack(
                [
                    np.array(
                        transition_counts(
                            labels.buttons[:, k] > 0, truth.buttons[:, k] > 0, valid, whole
                        ),
                        np.float64,
                    )
                    for k in buttons
                ]
            ),
            reliability=np.stack([_by_probability(p[:, k], true[:, k]) for k in buttons]),
            motion=np.stack(
                [
                    np.full(spec.num_axes, float(len(error))),
                    true_camera.sum(0),
                    (true_camera**2).sum(0),
                    (error**2).sum(0),
                    np.abs(error).sum(0),
                    near.sum(0).astype(np.float64),
                ],
                -1,
            ),
            confidence=_by_probability(confidence, right),
            ranking=_by_score(confidence, right),
        )

    @classmethod
    def added(cls, recordings: Sequence[Sums]) -> Sums:
        """All of them as if they were one."""
        return cls(**{f.name: sum(getattr(one, f.name) for one in recordings) for f in fields(cls)})

    @classmethod
    def stack(cls, recordings: Sequence[Sums]) -> Sums:
        """With a leading axis of recordings."""
        if not recordings:
            raise RecordingError("there is no recording to measure on")
        return cls(
            **{f.name: np.stack([getattr(one, f.name) for one in recordings]) for f in fields(cls)}
        )

    def press_rates(self) -> Array:
        """Share of ticks in which a button is truly held, [..., K]; NaN without ticks."""
        return _ratio(self.confusion[..., 0] + self.confusion[..., 2], self.confusion.sum(-1))

    def weighted(self, weights: Array) -> Sums:
        """Sums over recordings: weights [W, R], self stacked [R, …] ► [W, …]."""
        return Sums(
            **{f.name: np.tensordot(weights, getattr(self, f.name), axes=1) for f in fields(self)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures from summed `Sums`, with a leading axis of W; NaN where a denominator is zero."""

    per_button: dict[str, Array]
    """By name of the figure [W, K]."""
    motion_r2: Array
    """[W, A]."""
    motion_error_deg: Array
    """[W, A], mean absolute error."""
    motion_near: Array
    """[W, A], share of ticks in the right bin or next to it."""
    headline: dict[str, Array]
    """By name [W]: those of `BUTTON_FIGURES`, mouse_r2.<axis>."""
    confidence: dict[str, Array]
    """By name [W]: mean confidence, share of ticks wholly right, ece, auroc, error in all and in the surest 80 %, and
    the confidence that these have at least."""

    @classmethod
    def over(cls, recordings: Sequence[Sums], spec: ActionSpec) -> Figures:
        """Of all recordings together, without resampling."""
        total = Sums.stack(recordings).weighted(np.ones((1, len(recordings))))
        return cls.of(total, spec, total.press_rates()[0])

    @classmethod
    def of(cls, sums: Sums, spec: ActionSpec, press_rates: Array) -> Figures:
        """
        Args:
            sums: [W, …].
            spec: names the axes.
            press_rates: [K], share of ticks in which a button is held. Macro means go over the buttons that occur,
                those named `common` over the ones held in at least `COMMON` of the ticks.
        """
        pressed, common = press_rates > 0, press_rates >= COMMON
        tp, fp, fn, tn = np.moveaxis(sums.confusion, -1, 0)  # (W, K)
        found, predicted, were = np.moveaxis(sums.transitions, -1, 0)  # (W, K)
        ticks = tp + fp + fn + tn
        per_button = {
            "pressed": _ratio(tp + fn, ticks),
            "accuracy": _ratio(tp + tn, ticks),
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "average_precision": average_precision(sums.scores),
            "transition_f1": _ratio(2 * found, predicted + were),
            "ece": expected_calibration_error(sums.reliability),
        }
        count, total, squares, squared_error, absolute_error, near = np.moveaxis(
            sums.motion, -1, 0
        )  # (W, A)
        variance = squares - _ratio(total**2, count)
        enough = variance > 1e-9 * np.maximum(count, 1)
        r2 = np.where(enough, 1 - _ratio(squared_error, np.where(enough, variance, 0.0)), np.nan)
        r2_of = {f"mouse_r2.{name}": r2[:, a] for a, name in enumerate(spec.axis_names)}
        return cls(
            per_button=per_button,
            motion_r2=r2,
            motion_error_deg=_ratio(absolute_error, count),
            motion_near=_ratio(near, count),
            headline={
                "keypress_accuracy": _ratio((tp + tn).sum(-1), ticks.sum(-1)),
                "macro_f1": _mean(per_button["f1"][:, pressed]),
                "macro_f1_common": _mean(per_button["f1"][:, common]),
                "macro_ap": _mean(per_button["average_precision"][:, pressed]),
                "transition_f1": _mean(per_button["transition_f1"][:, pressed]),
                "transition_f1_common": _mean(per_button["transition_f1"][:, common]),
                "ece": _mean(per_button["ece"][:, pressed]),
                **r2_of,
            },
            confidence=_confidence(sums),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Figures]) -> Figures:
        """Join along W."""

        def joined(name: str) -> Any:
            values = [getattr(part, name) for part in parts]
            if isinstance(values[0], dict):
                return {key: np.concatenate([value[key] for value in values]) for key in values[0]}
            return np.concatenate(values)

        return cls(**{f.name: joined(f.name) for f in fields(cls)})


def transition_counts(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    segments: NDArray[np.int64],
    tolerance: int = TRANSITION_TOLERANCE,
) -> tuple[int, int, int]:
    """Presses and releases of one button: (found, predicted, true).

    Args:
        predicted, true, valid: [N]. A transition lies between two valid ticks of one segment.
        segments: int [N]: a new number where time jumps.
        tolerance: ticks.
    """
    joined = valid[1:] & valid[:-1] & (segments[1:] == segments[:-1])
    # Ticks of different segments must not match: they are moved apart by more than the tolerance.
    place = np.arange(1, len(valid)) + np.cumsum(segments[1:] != segments[:-1]) * (tolerance + 1)
    found = said = were = 0
    for before in (False, True):  # presses, releases
        p = place[joined & (predicted[:-1] == before) & (predicted[1:] != before)]
        t = place[joined & (true[:-1] == before) & (true[1:] != before)]
        found += _matches(p.tolist(), t.tolist(), tolerance)
        said += len(p)
        were += len(t)
    return found, said, were


def _matches(one: list[int], other: list[int], tolerance: int) -> int:
    """The most pairs that two rising lists form within a tolerance, each element used once."""
    i = j = pairs = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= tolerance:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return pairs


def average_precision(scores: Array) -> Array:
    """From histograms [..., S, 2] of released and held ticks by rising score; NaN where nothing is held."""
    falling = scores[..., ::-1, :]
    held = falling[..., 1]
    said, found = falling.sum(-1).cumsum(-1), held.cumsum(-1)
    return _ratio((held * _ratio(found, said, empty=0.0)).sum(-1), held.sum(-1))


def auroc(scores: Array) -> Array:
    """The chance that a right tick scores higher than a wrong one (ties: half): histograms [..., S, 2] wrong, right."""
    wrong, right = scores[..., 0], scores[..., 1]
    below = wrong.cumsum(-1) - 0.5 * wrong
    return _ratio((right * below).sum(-1), right.sum(-1) * wrong.sum(-1))


def expected_calibration_error(reliability: Array) -> Array:
    """From [..., E, 3]: ticks, sum of probability, ticks where it was so."""
    count, probability, so = np.moveaxis(reliability, -1, 0)
    return _ratio(np.abs(probability - so).sum(-1), count.sum(-1))


def risk_coverage(ranking: Array) -> tuple[Array, Array]:
    """Share of ticks kept, surest first, and share of wrong ones among them: [S, 2] ► two [S]."""
    falling = ranking[::-1]
    kept, wrong = falling.sum(-1).cumsum(), falling[:, 0].cumsum()
    return _ratio(kept, kept[-1]), _ratio(wrong, kept)


def lowest_kept() -> Array:
    """The confidence that the last tick kept has at each place of `risk_coverage`, [S]."""
    edges = np.linspace(SCORE_LIMIT, -SCORE_LIMIT, SCORE_BINS + 1)[1:]
    return 1 / (1 + np.exp(-edges))


def surest(ranking: Array, kept: Array) -> Array:
    """Of the surest ticks, shares `kept` [K] of all: the share of wrong ones, and the confidence that all of them have.

    Returns two rows, [2, K]; NaN where there are no ticks.
    """
    shares, wrong = risk_coverage(ranking)
    places = np.flatnonzero(np.isfinite(shares) & np.isfinite(wrong))
    if not len(places):
        return np.full((2, len(kept)), np.nan)
    places = places[
        np.unique(shares[places], return_index=True)[1]
    ]  # the first of those that keep no more
    return np.stack([np.interp(kept, shares[places], of[places]) for of in (wrong, lowest_kept())])


def confidence_curves(sums: Sums) -> dict[str, dict[str, list[float]]]:
    """What plots of `confidence` draw, of the first weighting in `sums`.

    `reliability`: by bin of confidence that has ticks, its mean, the share of them that are right, and how many they
    are. `risk_coverage`: at 50 shares of ticks kept, surest first, the share of wrong ones among them and the
    confidence that they have at least.
    """
    count, probability, right = np.moveaxis(sums.confidence[0], -1, 0)  # (E,)
    some = count > 0
    reliability = {
        "confidence": (probability[some] / count[some]).tolist(),
        "right": (right[some] / count[some]).tolist(),
        "ticks": count[some].astype(int).tolist(),
    }
    grid = np.linspace(0.02, 1.0, 50)
    drawn = np.vstack([grid, surest(sums.ranking[0], grid)])
    drawn = drawn[:, np.isfinite(drawn).all(0)]
    curves = dict(zip(("kept", "wrong", "confidence"), drawn.tolist(), strict=True))
    return {"reliability": reliability, "risk_coverage": curves}


def _confidence(sums: Sums) -> dict[str, Array]:
    count, probability, right = np.moveaxis(sums.confidence.sum(-2), -1, 0)  # (W,)
    error = 1 - _ratio(right, count)
    at_80, cut_80 = np.stack(
        [surest(ranking, np.array([0.8]))[:, 0] for ranking in sums.ranking], axis=-1
    )
    return {
        "mean_confidence": _ratio(probability, count),
        "right": _ratio(right, count),
        "ece": expected_calibration_error(sums.confidence),
        "auroc": auroc(sums.ranking),
        "error": error,
        "error_at_80": at_80,
        "confidence_at_80": cut_80,
    }


def plain(value: Any) -> float | None:
    """For JSON: a number, or None for NaN."""
    return float(value) if np.isfinite(value) else None


def _by_score(p: Array, so: NDArray[np.bool_]) -> Array:
    """[S, 2]: ticks by log-odds of p, where it was not so and where it was."""
    with np.errstate(divide="ignore"):
        score = np.clip(np.log(p) - np.log1p(-p), -SCORE_LIMIT, SCORE_LIMIT)
    index = np.minimum(
        (score + SCORE_LIMIT) * (SCORE_BINS / (2 * SCORE_LIMIT)), SCORE_BINS - 1
    ).astype(np.int64)
    both = [np.bincount(index[so == state], minlength=SCORE_BINS) for state in (False, True)]
    return np.stack(both, -1).astype(np.float64)


def _by_probability(p: Array, so: NDArray[np.bool_]) -> Array:
    """[E, 3]: ticks, sum of p, ticks where it was so, by p."""
    index = np.minimum(p * RELIABILITY_BINS, RELIABILITY_BINS - 1).astype(np.int64)
    sums = [
        np.bincount(index, weights=w, minlength=RELIABILITY_BINS)
        for w in (np.ones_like(p), p, so.astype(float))
    ]
    return np.stack(sums, -1)


def _ratio(above: Array, below: Array, empty: float = np.nan) -> Array:
    below = np.asarray(below, np.float64)
    return np.where(below != 0, above / np.where(below != 0, below, 1.0), empty)


def _mean(values: Array) -> Array:
    """Mean over the last axis of what is finite, NaN where nothing is."""
    finite = np.isfinite(values)
    return _ratio(np.where(finite, values, 0.0).sum(-1), finite.sum(-1))
