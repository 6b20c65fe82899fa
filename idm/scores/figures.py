"""Figures from sums: per button, per axis, as a whole, and how well confidence tells right from
wrong.

K buttons, A axes, S score bins, E reliability bins, W rows of weights

- accuracy, precision, recall, F1: of held or released, over valid ticks
- average precision: the mean over true presses of the precision at their score (area under
  precision against recall)
- transition F1: a predicted press or release is right if a true one of the same kind lies within ±2
  ticks; each true one is found at most once
- event F1: the same over the presses and releases of all buttons together
- event bins exact: of the bins of 50 ms in which truth or label has a press or release, those in
  which both have as many of each (`bins.py`); correlation and scale of the motion in such bins
- R²: 1 - squared error / variance of the true motion in degrees; None where the truth has no
  variance
- ECE: mean distance between probability and frequency over 15 bins of probability, weighted by
ticks Macro means go over the buttons that the recordings press at all; figures whose denominator is
zero are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from .bins import correlation_of, scale_of
from .metrics import SCORE_BINS, SCORE_LIMIT, Array, Sums, ratio

COMMON = 0.02  # buttons held in fewer ticks are rare: a few mistakes decide their figures
BUTTON_FIGURES = (
    "keypress_accuracy",
    "macro_f1",
    "macro_f1_common",
    "macro_ap",
    "transition_f1",
    "transition_f1_common",
    "event_f1",
    "event_bins_exact",
    "ece",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures from summed `Sums`, with a leading axis of W; NaN where a denominator is zero."""

    per_button: dict[str, Array]
    """[W, K] by name of the figure; `held_ticks` counts those in truth, `said_ticks` those said."""
    motion_r2: Array
    """[W, A]."""
    motion_error_deg: Array
    """[W, A], mean absolute error."""
    motion_near: Array
    """[W, A], share of ticks in the right bin or next to it."""
    motion_correlation: Array
    """[W, A], Pearson's, of the motion in bins of 50 ms."""
    motion_scale: Array
    """[W, A], how far labels turn in them for each degree of truth."""
    headline: dict[str, Array]
    """[W] by name: those of `BUTTON_FIGURES`, mouse_r2.<axis>."""
    confidence: dict[str, Array]
    """[W] by name: mean confidence, share of ticks wholly right, ece, auroc, error in all and in
    the surest 80 %, and the confidence that these have at least.
    """

    @classmethod
    def over(cls, recordings: Sequence[Sums], spec: ActionSpec) -> Figures:
        """The figures of all recordings together, without resampling."""
        total = Sums.stack(recordings).weighted(np.ones((1, len(recordings))))
        return cls.of(total, spec, total.press_rates()[0])

    @classmethod
    def of(cls, sums: Sums, spec: ActionSpec, press_rates: Array) -> Figures:
        """
        Args:
            sums: [W, …].
            spec: names the axes.
            press_rates: [K], share of ticks in which a button is held. Macro means go over the
                buttons that occur, those named `common` over the ones held in at least `COMMON` of
                the ticks.
        """
        pressed, common = press_rates > 0, press_rates >= COMMON
        tp, fp, fn, tn = np.moveaxis(sums.confusion, -1, 0)  # (W, K)
        matched, predicted, actual = np.moveaxis(sums.transitions, -1, 0)  # (W, K)
        ticks = tp + fp + fn + tn
        per_button = {
            "pressed": ratio(tp + fn, ticks),
            "held_ticks": tp + fn,
            "said_ticks": tp + fp,
            "accuracy": ratio(tp + tn, ticks),
            "precision": ratio(tp, tp + fp),
            "recall": ratio(tp, tp + fn),
            "f1": ratio(2 * tp, 2 * tp + fp + fn),
            "average_precision": average_precision(sums.scores),
            "transition_f1": ratio(2 * matched, predicted + actual),
            "event_bins_exact": ratio(sums.binned_events[..., 3], sums.binned_events[..., 2]),
            "all_bins_exact": ratio(sums.binned_events[..., 1], sums.binned_events[..., 0]),
            "ece": expected_calibration_error(sums.reliability),
        }
        motion = np.moveaxis(sums.motion, -1, 0)  # (6, W, A)
        count, total, squares, squared_error, absolute_error, near = motion
        variance = squares - ratio(total**2, count)
        # Rounding leaves some variance where the truth has none.
        enough = variance > 1e-9 * np.maximum(count, 1)
        r2 = np.where(enough, 1 - ratio(squared_error, np.where(enough, variance, 0.0)), np.nan)
        r2_of = {f"mouse_r2.{name}": r2[:, a] for a, name in enumerate(spec.axis_names)}
        return cls(
            per_button=per_button,
            motion_r2=r2,
            motion_error_deg=ratio(absolute_error, count),
            motion_near=ratio(near, count),
            motion_correlation=correlation_of(sums.binned_motion),
            motion_scale=scale_of(sums.binned_motion),
            headline={
                "keypress_accuracy": ratio((tp + tn).sum(-1), ticks.sum(-1)),
                "macro_f1": _mean(per_button["f1"][:, pressed]),
                "macro_f1_common": _mean(per_button["f1"][:, common]),
                "macro_ap": _mean(per_button["average_precision"][:, pressed]),
                "transition_f1": _mean(per_button["transition_f1"][:, pressed]),
                "transition_f1_common": _mean(per_button["transition_f1"][:, common]),
                "event_f1": ratio(2 * matched.sum(-1), (predicted + actual).sum(-1)),
                "event_bins_exact": _mean(per_button["event_bins_exact"][:, pressed]),
                "ece": _mean(per_button["ece"][:, pressed]),
                **r2_of,
            },
            confidence=_confidence(sums),
        )

    def plain_headline(self) -> dict[str, float | None]:
        """The first row's headline figures, by name."""
        return {name: plain(values[0]) for name, values in self.headline.items()}

    def by_button(self, spec: ActionSpec) -> dict[str, dict[str, float | None]]:
        """The first row's figures of each button, by its name."""
        return {
            button: {name: plain(values[0, k]) for name, values in self.per_button.items()}
            for k, button in enumerate(spec.button_names)
        }

    def take(self, rows: NDArray[np.intp]) -> Figures:
        """Choose along W; a row may be taken several times."""
        return self._each(lambda values: values[0][rows], [self])

    @classmethod
    def concatenate(cls, parts: Sequence[Figures]) -> Figures:
        """Join along W."""
        return cls._each(np.concatenate, parts)

    @classmethod
    def _each(cls, make: Callable[[list[Array]], Array], parts: Sequence[Figures]) -> Figures:
        """Make each array of the same one of all parts, whether it is a field or has a name."""

        def made(name: str) -> Any:
            values = [getattr(part, name) for part in parts]
            if isinstance(values[0], dict):
                return {key: make([value[key] for value in values]) for key in values[0]}
            return make(values)

        return cls(**{field.name: made(field.name) for field in fields(cls)})


def average_precision(scores: Array) -> Array:
    """Average precision from histograms [..., S, 2] of released and held ticks by rising score.

    NaN where nothing is held.
    """
    falling = scores[..., ::-1, :]
    held = falling[..., 1]
    predicted, matched = falling.sum(-1).cumsum(-1), held.cumsum(-1)
    return ratio((held * ratio(matched, predicted, empty=0.0)).sum(-1), held.sum(-1))


def auroc(scores: Array) -> Array:
    """The chance that a right tick scores higher than a wrong one; ties count half.

    Args:
        scores: histograms [..., S, 2] of wrong and right ticks.
    """
    wrong, right = scores[..., 0], scores[..., 1]
    below = wrong.cumsum(-1) - 0.5 * wrong
    return ratio((right * below).sum(-1), right.sum(-1) * wrong.sum(-1))


def expected_calibration_error(reliability: Array) -> Array:
    """ECE from [..., E, 3]: ticks, sum of probability, ticks where the event occurred."""
    count, probability, so = np.moveaxis(reliability, -1, 0)
    return ratio(np.abs(probability - so).sum(-1), count.sum(-1))


def risk_coverage(ranking: Array) -> tuple[Array, Array]:
    """Share of ticks kept, surest first, and share of wrong ones among them: [S, 2] ► two [S]."""
    falling = ranking[::-1]
    kept, wrong = falling.sum(-1).cumsum(), falling[:, 0].cumsum()
    return ratio(kept, kept[-1]), ratio(wrong, kept)


def lowest_kept() -> Array:
    """The confidence that the last tick kept has at each place of `risk_coverage`, [S]."""
    edges = np.linspace(SCORE_LIMIT, -SCORE_LIMIT, SCORE_BINS + 1)[1:]
    return 1 / (1 + np.exp(-edges))


def surest(ranking: Array, kept: Array) -> Array:
    """How right the surest ticks are, for shares `kept` [K] of all ticks.

    Returns two rows, [2, K]: the share of wrong ones among them, and the confidence that all of
    them have. NaN where there are no ticks.
    """
    shares, wrong = risk_coverage(ranking)
    places = np.flatnonzero(np.isfinite(shares) & np.isfinite(wrong))
    if not len(places):
        return np.full((2, len(kept)), np.nan)
    _, first = np.unique(shares[places], return_index=True)
    places = places[first]  # of places that keep the same share
    return np.stack([np.interp(kept, shares[places], of[places]) for of in (wrong, lowest_kept())])


def confidence_curves(sums: Sums) -> dict[str, dict[str, list[float]]]:
    """What plots of `confidence` draw, of the first weighting in `sums`.

    `reliability`: by bin of confidence that has ticks, its mean, the share of them that are right,
    and how many they are. `risk_coverage`: at 50 shares of ticks kept, surest first, the share of
    wrong ones among them and the confidence that they have at least.
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
    error = 1 - ratio(right, count)
    at_80, cut_80 = np.stack(
        [surest(ranking, np.array([0.8]))[:, 0] for ranking in sums.ranking], axis=-1
    )
    return {
        "mean_confidence": ratio(probability, count),
        "right": ratio(right, count),
        "ece": expected_calibration_error(sums.confidence),
        "auroc": auroc(sums.ranking),
        "error": error,
        "error_at_80": at_80,
        "confidence_at_80": cut_80,
    }


def plain(value: Any) -> float | None:
    """A number as JSON can hold it: None for NaN."""
    return float(value) if np.isfinite(value) else None


def _mean(values: Array) -> Array:
    """Mean over the last axis of what is finite, NaN where nothing is."""
    finite = np.isfinite(values)
    return ratio(np.where(finite, values, 0.0).sum(-1), finite.sum(-1))
