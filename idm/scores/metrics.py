"""Sums over the ticks of a recording, from which all figures are computed (`figures.py`).

N ticks, K buttons, A axes, R recordings, S score bins, E reliability bins, W rows of weights

A figure of any set of recordings is a function of weighted sums, so bootstrap resampling of
recordings costs no second look at the ticks. Ranking measures (average precision) use histograms of
the log-odds, 0.02 wide: scores that differ by less count as ties.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.devices import all_known
from ...datasets.actions.spec import ActionSpec
from ...errors import RecordingError
from .bins import bin_of_ticks, binned_events, binned_motion

TRANSITION_TOLERANCE = 2  # ticks
SCORE_LIMIT = 12.0  # log-odds; beyond it scores are ties
SCORE_BINS = 1200  # S
RELIABILITY_BINS = 15  # E
OUTCOMES = ((True, True), (True, False), (False, True), (False, False))  # said held, truly held
BIN_TOLERANCE = 1  # bins on each side of the right one that still count as right

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
        """The labels of consecutive parts, each with these four fields, as those of one."""
        some = list(parts)
        names = [field.name for field in fields(cls)]
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in some]) for name in names}
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
    known: NDArray[np.bool_] = None  # type: ignore[assignment]
    """[N, K + A]: buttons and axes that count in them; all of them unless given."""

    def __post_init__(self) -> None:
        if self.known is None:
            object.__setattr__(self, "known", all_known(self.buttons, self.camera))

    @classmethod
    def of(cls, play: Any) -> Truth:
        """The labels of something with these four fields: actions of a recording, a track."""
        return cls(buttons=play.buttons, camera=play.camera, valid=play.valid, known=play.known)

    @property
    def buttons_known(self) -> NDArray[np.bool_]:
        """[N, K]: buttons of valid ticks that are known."""
        return self.known[:, : self.buttons.shape[1]] & self.valid[:, None]

    @property
    def camera_known(self) -> NDArray[np.bool_]:
        """[N, A]: axes of valid ticks that are known."""
        return self.known[:, self.buttons.shape[1] :] & self.valid[:, None]


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
    """[K, 3]: matched, predicted, actual."""
    reliability: Array
    """[K, E, 3]: ticks, sum of probability, held ticks by probability."""
    motion: Array
    """[A, 6]: ticks, sum and square sum of the truth, squared error, absolute error, ticks in the
    right bin ± 1.
    """
    confidence: Array
    """[E, 3]: ticks, sum of confidence, ticks wholly right by confidence."""
    ranking: Array
    """[S, 2]: ticks with an error and ticks wholly right by confidence."""
    binned_events: Array
    """[K, 4]: bins of 50 ms, equal ones, ones with an event, equal ones of these; see `bins.py`."""
    binned_motion: Array
    """[A, 8]: bins, and sums over them from which correlation and scale follow."""

    @classmethod
    def of(cls, labels: Labelling, truth: Truth, spec: ActionSpec) -> Sums:
        """The sums of one recording."""
        valid, known, seen = truth.valid, truth.buttons_known, truth.camera_known
        held, true = labels.buttons[valid].astype(bool), truth.buttons[valid].astype(bool)  # (n, K)
        p = labels.buttons_prob[valid].astype(np.float64)
        camera = labels.camera[valid].astype(np.float64)  # (n, A)
        true_camera = truth.camera[valid].astype(np.float64)
        near = np.abs(spec.quantise(camera) - spec.quantise(true_camera)) <= BIN_TOLERANCE  # (n, A)
        here, there = known[valid], seen[valid]  # (n, K), (n, A)
        right = ((held == true) | ~here).all(1) & (near | ~there).all(1)
        confidence = np.zeros(len(right))
        if labels.confidence is not None:
            confidence = labels.confidence[valid].astype(np.float64)
        # Over all ticks, not the valid ones alone: a transition needs to know which ticks are
        # neighbors.
        one_segment = np.zeros(len(valid), np.int64)
        switches = [
            transition_counts(one > 0, other > 0, counted, one_segment)
            for one, other, counted in zip(labels.buttons.T, truth.buttons.T, known.T, strict=True)
        ]
        bins = bin_of_ticks(len(valid), spec.tick_hz)
        outcomes = [here & (held == a) & (true == b) for a, b in OUTCOMES]
        buttons = range(true.shape[1])
        return cls(
            ticks=np.float64(valid.sum()),  # type: ignore[arg-type]
            confusion=np.stack(outcomes, -1).sum(0).astype(np.float64),
            scores=np.stack([_by_score(p[here[:, k], k], true[here[:, k], k]) for k in buttons]),
            transitions=np.stack([np.array(counts, np.float64) for counts in switches]),
            reliability=np.stack(
                [_by_probability(p[here[:, k], k], true[here[:, k], k]) for k in buttons]
            ),
            motion=_motion(camera, true_camera, near, there),
            confidence=_by_probability(confidence, right),
            ranking=_by_score(confidence, right),
            binned_events=binned_events(labels.buttons > 0, truth.buttons > 0, known, bins),
            binned_motion=binned_motion(
                labels.camera.astype(np.float64), truth.camera.astype(np.float64), seen, bins
            ),
        )

    @classmethod
    def added(cls, recordings: Sequence[Sums]) -> Sums:
        """The sums of all recordings as if they were one."""
        return cls(**{f.name: sum(getattr(one, f.name) for one in recordings) for f in fields(cls)})

    @classmethod
    def stack(cls, recordings: Sequence[Sums]) -> Sums:
        """Sums with a leading axis of recordings."""
        if not recordings:
            raise RecordingError("there is no recording to measure on")
        return cls(
            **{f.name: np.stack([getattr(one, f.name) for one in recordings]) for f in fields(cls)}
        )

    def press_rates(self) -> Array:
        """Share of ticks in which a button is truly held, [..., K]; NaN without ticks."""
        return ratio(self.confusion[..., 0] + self.confusion[..., 2], self.confusion.sum(-1))

    def weighted(self, weights: Array) -> Sums:
        """Sums over recordings: weights [W, R], self stacked [R, …] ► [W, …]."""
        return Sums(
            **{f.name: np.tensordot(weights, getattr(self, f.name), axes=1) for f in fields(self)}
        )


def _motion(camera: Array, true: Array, near: NDArray[np.bool_], known: NDArray[np.bool_]) -> Array:
    """`Sums.motion` of [n, A] degrees."""
    true = np.where(known, true, 0.0)
    error = np.where(known, camera - true, 0.0)
    sums = [
        known.sum(0).astype(np.float64),
        true.sum(0),
        (true**2).sum(0),
        (error**2).sum(0),
        np.abs(error).sum(0),
        (near & known).sum(0).astype(np.float64),
    ]
    return np.stack(sums, -1)


def transition_counts(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    segments: NDArray[np.int64],
    tolerance: int = TRANSITION_TOLERANCE,
) -> tuple[int, int, int]:
    """Presses and releases of one button: (matched, predicted, actual).

    Args:
        predicted, true, valid: [N]. A transition lies between two valid ticks of one segment.
        segments: int [N]: a new number where time jumps.
        tolerance: ticks.
    """
    joined = valid[1:] & valid[:-1] & (segments[1:] == segments[:-1])
    # Ticks of different segments must not match: they are moved apart by more than the tolerance.
    place = np.arange(1, len(valid)) + np.cumsum(segments[1:] != segments[:-1]) * (tolerance + 1)
    matched, num_predicted, num_actual = 0, 0, 0
    for before in (False, True):  # presses, releases
        ours = place[joined & (predicted[:-1] == before) & (predicted[1:] != before)]
        theirs = place[joined & (true[:-1] == before) & (true[1:] != before)]
        matched += _matches(ours.tolist(), theirs.tolist(), tolerance)
        num_predicted += len(ours)
        num_actual += len(theirs)
    return matched, num_predicted, num_actual


def _matches(one: list[int], other: list[int], tolerance: int) -> int:
    """How many pairs two rising lists form at most within a tolerance, each element used once."""
    i = j = pairs = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= tolerance:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return pairs


def _by_score(p: Array, so: NDArray[np.bool_]) -> Array:
    """[S, 2]: ticks by log-odds of p, where it was not so and where it was."""
    with np.errstate(divide="ignore"):  # log 0 is -inf, which clips to the limit
        score = np.clip(np.log(p) - np.log1p(-p), -SCORE_LIMIT, SCORE_LIMIT)
    place = (score + SCORE_LIMIT) * (SCORE_BINS / (2 * SCORE_LIMIT))
    index = np.minimum(place, SCORE_BINS - 1).astype(np.int64)
    both = [np.bincount(index[so == state], minlength=SCORE_BINS) for state in (False, True)]
    return np.stack(both, -1).astype(np.float64)


def _by_probability(p: Array, so: NDArray[np.bool_]) -> Array:
    """[E, 3]: ticks, sum of p, ticks where it was so, by p."""
    index = np.minimum(p * RELIABILITY_BINS, RELIABILITY_BINS - 1).astype(np.int64)
    weights = (np.ones_like(p), p, so.astype(float))
    sums = [np.bincount(index, weights=w, minlength=RELIABILITY_BINS) for w in weights]
    return np.stack(sums, -1)


def ratio(above: Array, below: Array, empty: float = np.nan) -> Array:
    """The quotient; `empty` where there is nothing to divide by."""
    below = np.asarray(below, np.float64)
    return np.where(below != 0, above / np.where(below != 0, below, 1.0), empty)
