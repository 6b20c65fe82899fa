"""Fits a `Calibration` on validation play.

N ticks, W windows, T ticks of a window, K buttons, A axes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...errors import RecordingError
from ..labels.calibration import (
    Array,
    Calibration,
    decided_log_prob,
    local_mean,
    softmax,
)
from ..labels.decisions import smooth
from ..labels.windows import WindowLogits
from ..scores.metrics import BIN_TOLERANCE, transition_counts

# Held ticks in validation below which a button's decision stays a plain threshold at one half
MIN_PRESSES = 10
# log-odds; a rare button needs up to +2.5 (decided held from a probability of 8 %)
THRESHOLDS = np.linspace(-1.5, 2.5, 17)
SWITCH_COSTS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])  # log-odds
TEMPERATURES = np.geomspace(0.5, 3.0, 26)
REACHES = (1, 2, 3, 5, 99)
# What decisions are chosen by: F1 before the rest. (Of weights 1 to 8 the best in every figure on
# maps left out.)
F1_WEIGHT, TRANSITION_WEIGHT, ACCURACY_WEIGHT = 4.0, 1.0, 4.0
PRIOR_STRENGTH = 1.0  # of "the logits are right already", beside the ticks' likelihoods
NEWTON_STEPS = 25
# Windows that all settings are tried on at once: more are not faster, and need the memory.
SIDE_BY_SIDE = 32


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """What the network said about a window, and the truth of its kept ticks."""

    logits: WindowLogits
    buttons: NDArray[np.uint8]
    """[n, K]."""
    camera: NDArray[np.float32]
    """[n, A], degrees."""
    valid: NDArray[np.bool_]
    """[n]."""
    known: NDArray[np.bool_]
    """[n, K + A]: which buttons and axes of the truth are known; others are fitted to nothing."""
    recording: str
    """Consecutive windows of one recording follow each other."""


def fit(
    windows: Sequence[LabelledWindow],
    spec: ActionSpec,
    positive_weights: NDArray[np.floating],
    twins: Sequence[int] | None = None,
    *,
    exclusive: bool = False,
) -> Calibration:
    """Fit everything.

    Args:
        windows: in order of time within each recording.
        spec: of the labels.
        positive_weights: [K], that held ticks had in training.
        twins: for each button the one whose logits are its own in the mirror image (itself where
            there is none): what holds for one holds for the other, so they are fitted together.
        exclusive: whether buttons of a group exclude each other in the logits.

    Raises RecordingError where nothing is valid.
    """
    valid = np.concatenate([window.valid for window in windows]) if windows else np.zeros(0, bool)
    if not valid.any():
        raise RecordingError(
            "the validation recordings have no tick with a valid label: nothing to calibrate on"
        )
    result = Calibration.neutral(spec, positive_weights, exclusive=exclusive)
    true = np.concatenate([window.buttons for window in windows])[valid]  # (N, K)
    logits = np.concatenate(
        [window.logits.buttons[slice(*window.logits.keep)] for window in windows]
    )[valid]
    known = np.concatenate([window.known for window in windows])[valid]  # (N, K + A)
    together = [sorted({k, (twins or range(spec.num_buttons))[k]}) for k in range(spec.num_buttons)]
    offsets = np.array(result.offset)
    platt = [
        fit_logistic(
            logits[:, both][known[:, both]].reshape(-1, 1),
            true[:, both][known[:, both]],
            prior=np.array([offsets[both].mean(), 1.0]),
        )
        for both in together
    ]
    result = replace(
        result,
        offset=tuple(float(weights[0]) for weights in platt),
        # A slope at or below zero (no evidence at all) would turn the network's opinion around.
        slope=tuple(float(max(weights[1], 0.05)) for weights in platt),
    )
    thresholds, costs = _fit_decisions(windows, result, together)
    result = replace(result, threshold=thresholds, switch_cost=costs)
    camera = np.concatenate([window.camera for window in windows])[valid]  # (N, A)
    axes = [
        np.concatenate([window.logits.axes[a][slice(*window.logits.keep)] for window in windows])[
            valid
        ]
        for a in range(spec.num_axes)
    ]
    seen = [known[:, spec.num_buttons + a] for a in range(spec.num_axes)]  # (N,) each
    temperatures = tuple(
        _fit_temperature(axes[a][seen[a]], spec.quantise(camera)[seen[a], a])
        if seen[a].any()
        else result.temperature[a]
        for a in range(spec.num_axes)
    )
    result = replace(result, temperature=temperatures)
    reach = tuple(
        _fit_reach(axes[a][seen[a]], camera[seen[a], a], result, spec, a)
        if seen[a].any()
        else result.reach[a]
        for a in range(spec.num_axes)
    )
    result = replace(result, reach=reach)
    return replace(result, confidence_weights=_fit_confidence(windows, result, spec))


def fit_logistic(x: Array, y: NDArray, prior: Array) -> Array:
    """Logistic regression with a Gaussian prior around `prior`, by Newton's method.

    Args:
        x: [N, F] features. y: [N], 0 or 1. prior: [1 + F], offset first.

    Returns weights [1 + F], offset first.
    """
    design = np.column_stack([np.ones(len(x)), x.astype(np.float64)])
    weights = prior.astype(np.float64)
    for _ in range(NEWTON_STEPS):
        z = np.clip(design @ weights, -30, 30)
        p = 1 / (1 + np.exp(-z))
        gradient = design.T @ (p - y) + PRIOR_STRENGTH * (weights - prior)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + PRIOR_STRENGTH * np.eye(
            len(prior)
        )
        step = np.linalg.solve(curvature, gradient)
        # Far from the optimum a full Newton step can overshoot; a step of the prior's own size is
        # always safe.
        weights = weights - step / max(1.0, float(np.abs(step).max()) / 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _fit_decisions(
    windows: Sequence[LabelledWindow], calibration: Calibration, together: Sequence[Sequence[int]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Threshold and switch cost of each button, by trying all pairs: weighted F1, transition F1 and
    accuracy.
    """
    each = [calibration.log_odds(window.logits.buttons) for window in windows]
    log_odds = np.stack(each, axis=1)  # (T, W, K)
    present = np.stack([window.logits.present for window in windows], axis=1)  # (T, W)
    true = np.concatenate([window.buttons for window in windows])  # (N, K)
    valid = np.concatenate(
        [window.valid[:, None] & window.known[:, : len(together)] for window in windows]
    )  # (N, K)
    segments = _segments(windows)
    count = len(windows)
    chunks = [range(w, min(w + SIDE_BY_SIDE, count)) for w in range(0, count, SIDE_BY_SIDE)]
    grid = np.meshgrid(THRESHOLDS, SWITCH_COSTS, indexing="ij")
    grid_threshold, grid_cost = (settings.ravel() for settings in grid)  # (G,)

    def paths_of(some: range, k: int) -> NDArray[np.bool_]:
        """What every setting decides in these windows, [their ticks, G]."""
        these = slice(some.start, some.stop)
        evidence = log_odds[:, these, k, None] + grid_threshold
        paths = smooth(evidence, grid_cost, present[:, these, None])  # (T, some, G)
        return np.concatenate(
            [paths[slice(*windows[w].logits.keep), i] for i, w in enumerate(some)]
        )

    def scores(k: int) -> Array:
        """The score of each setting, [G]; zeros for a button that is held too seldom to tell."""
        if true[valid[:, k], k].sum() < MIN_PRESSES:
            return np.zeros(len(grid_cost))
        kept = np.concatenate([paths_of(some, k) for some in chunks])  # (N, G)
        each = [
            _score(kept[:, g], true[:, k].astype(bool), valid[:, k], segments)
            for g in range(len(grid_cost))
        ]
        # Among settings that do as well the one nearest to no shift at all.
        return np.array(each) - 1e-3 * np.abs(grid_threshold)

    found = [scores(k) for k in range(len(together))]
    sums = [np.sum([found[k] for k in both], axis=0) for both in together]
    best = [int(np.argmax(of)) if of.any() else None for of in sums]
    return (
        tuple(0.0 if g is None else float(grid_threshold[g]) for g in best),
        tuple(0.0 if g is None else float(grid_cost[g]) for g in best),
    )


def _score(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    segments: NDArray[np.int64],
) -> float:
    p, t = predicted[valid], true[valid]
    accuracy = float((p == t).mean())
    f1 = 2 * float((p & t).sum()) / max(float(p.sum() + t.sum()), 1.0)
    matched, num_predicted, num_actual = transition_counts(predicted, true, valid, segments)
    transition_f1 = 2 * matched / max(num_predicted + num_actual, 1)
    return F1_WEIGHT * f1 + TRANSITION_WEIGHT * transition_f1 + ACCURACY_WEIGHT * accuracy


def _segments(windows: Sequence[LabelledWindow]) -> NDArray[np.int64]:
    """A number per tick that changes where a recording ends, [N]."""
    names = {
        name: i for i, name in enumerate(dict.fromkeys(window.recording for window in windows))
    }
    return np.concatenate(
        [np.full(len(window.valid), names[window.recording]) for window in windows]
    )


def _fit_temperature(logits: NDArray[np.float32], bins: NDArray[np.int64]) -> float:
    """The temperature of the highest likelihood of the true bins: logits [N, bins], bins [N]."""
    rows = np.arange(len(bins))
    losses = []
    for temperature in TEMPERATURES:
        p = softmax(logits.astype(np.float64) / temperature)
        losses.append(-np.log(np.maximum(p[rows, bins], 1e-12)).mean())
    return float(TEMPERATURES[int(np.argmin(losses))])


def _fit_reach(
    logits: NDArray[np.float32],
    degrees: NDArray[np.float32],
    calibration: Calibration,
    spec: ActionSpec,
    axis: int,
) -> int:
    """How many bins around the most likely one the mean goes over, by squared error in degrees."""
    p = softmax(logits.astype(np.float64) / calibration.temperature[axis])
    centres = spec.bin_centres(axis).astype(np.float64)
    errors = [((local_mean(p, centres, reach) - degrees) ** 2).mean() for reach in REACHES]
    return REACHES[int(np.argmin(errors))]


def _fit_confidence(
    windows: Sequence[LabelledWindow], calibration: Calibration, spec: ActionSpec
) -> tuple[float, float, float]:
    """Weights by likelihood of being right, over a small grid for the parts and a logistic offset
    for the whole.
    """
    buttons, near, right = [], [], []
    for window in windows:
        keep = slice(*window.logits.keep)
        log_odds = calibration.log_odds(window.logits.buttons)
        held = calibration.held(log_odds, window.logits.present, spec)[keep]
        degrees, _, log_near = calibration.camera(
            [axis[keep] for axis in window.logits.axes], spec, len(held)
        )
        # What nobody knows is neither right nor wrong, and no ground for doubt either.
        known, of_axes = np.split(window.known, [spec.num_buttons], axis=1)
        sure = decided_log_prob(log_odds[keep], held) * known
        buttons.append(sure.sum(1)[window.valid])
        near.append((log_near * of_axes).sum(1)[window.valid])
        right.append(all_right(held, degrees, window, spec)[window.valid])
    of_buttons, of_near, y = np.concatenate(buttons), np.concatenate(near), np.concatenate(right)
    best, weights = np.inf, (0.0, 1.0, 1.0)
    for a in (0.25, 0.5, 0.75, 1.0, 1.5):
        for b in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5) if spec.num_axes else (0.0,):
            unshifted = replace(calibration, confidence_weights=(0.0, a, b)).score(
                of_buttons, of_near
            )
            offset = _fit_offset(unshifted, y)
            z = np.clip(unshifted + offset, -30, 30)
            loss = float(np.logaddexp(0.0, np.where(y, -z, z)).mean())
            if loss < best:
                best, weights = loss, (offset, a, b)
    return weights


def _fit_offset(z: Array, y: NDArray[np.bool_]) -> float:
    """The offset that makes the mean of sigmoid(z + offset) the share of rights, by bisection."""
    low, high = -12.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        mean = (0.5 * (1 + np.tanh(0.5 * (z + middle)))).mean()
        low, high = (middle, high) if mean < y.mean() else (low, middle)
    return (low + high) / 2


def all_right(
    held: NDArray, degrees: NDArray, truth: LabelledWindow, spec: ActionSpec
) -> NDArray[np.bool_]:
    """Whether all buttons of a tick are right and each axis is in the true bin ± 1, as far as they
    are known: [n].
    """
    near = np.abs(spec.quantise(degrees) - spec.quantise(truth.camera)) <= BIN_TOLERANCE  # (n, A)
    right = np.concatenate([held.astype(bool) == truth.buttons.astype(bool), near], axis=1)
    all_of_tick: NDArray[np.bool_] = np.logical_and.reduce(right | ~truth.known, axis=1)
    return all_of_tick
