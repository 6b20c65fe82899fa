"""Baselines that see no truth of the test play: what a labelling must beat to be worth anything.

N ticks, K buttons, A axes, F features

- `always_released`: nothing is ever pressed, the mouse lies still
- `rates`: presses drawn at the training play's rates, with its hold lengths; mouse motion drawn
  from its ticks
- `frame_difference`: a linear model on how the picture changes, fitted on the training play
`copy_last` (the true label of the tick before) sees the truth: it is printed as an oracle, not as a
baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...datasets.actions.stretches import stretches
from .metrics import Labelling, Truth

GRID = 12  # cells a side of the grey pictures that the linear model sees
RIDGE = 1e-3  # of the mean feature's square; keeps the solution finite, and decides nothing
# Hold lengths of a button that are remembered, spread evenly over their sorted list.
HOLDS_KEPT = 500
# Most ticks, 577 numbers each, that the linear model's thresholds are chosen on.
THRESHOLD_TICKS = 20_000
MOTIONS_KEPT = 5000  # ticks of mouse motion that are remembered

Array = NDArray[np.float64]


def always_released(ticks: int, spec: ActionSpec) -> Labelling:
    """Nothing happens."""
    return Labelling(
        buttons=np.zeros((ticks, spec.num_buttons), np.uint8),
        buttons_prob=np.zeros((ticks, spec.num_buttons)),
        camera=np.zeros((ticks, spec.num_axes)),
    )


def copy_last(truth: Truth) -> Labelling:
    """An oracle: each tick gets the true label of the tick before."""
    buttons, camera = np.zeros_like(truth.buttons), np.zeros_like(truth.camera)
    buttons[1:], camera[1:] = truth.buttons[:-1], truth.camera[:-1]
    return Labelling(buttons=buttons, buttons_prob=buttons.astype(np.float64), camera=camera)


class RatesSampler:
    """Draws play with the training play's statistics, button by button, blind to the video.

    Args:
        held, released: for each button int [n], lengths in ticks of its presses and of the pauses
            between them.
        motions: float [n, A], degrees: mouse motion of some training ticks.
    """

    def __init__(
        self,
        held: Sequence[NDArray[np.int64]],
        released: Sequence[NDArray[np.int64]],
        motions: NDArray[np.float32],
    ):
        self.held, self.released, self.motions = list(held), list(released), motions

    @classmethod
    def fit(cls, truths: Sequence[Truth], spec: ActionSpec) -> RatesSampler:
        """Count the lengths and motions of training play."""
        held, released = [], []
        for k in range(spec.num_buttons):
            states = [truth.buttons[truth.buttons_known[:, k], k] > 0 for truth in truths]
            holds = np.concatenate([_lengths(state) for state in states])
            pauses = np.concatenate([_lengths(~state) for state in states])
            held.append(_spread(holds, HOLDS_KEPT))
            released.append(_spread(pauses, HOLDS_KEPT))
        whole = [truth.valid & truth.known[:, spec.num_buttons :].all(1) for truth in truths]
        motions = np.concatenate(
            [truth.camera[ticks] for truth, ticks in zip(truths, whole, strict=True)]
        )
        if not len(motions):  # nobody knows how the mouse moved: it lies still
            motions = np.zeros((1, spec.num_axes), np.float32)
        return cls(held, released, motions[:: max(1, len(motions) // MOTIONS_KEPT)])

    def __call__(self, ticks: int, generator: np.random.Generator) -> Labelling:
        """Labels of a recording of so many ticks."""
        buttons = np.zeros((ticks, len(self.held)), np.uint8)
        for k, (held, released) in enumerate(zip(self.held, self.released, strict=True)):
            if not len(held):
                continue
            if not len(released):
                buttons[:, k] = 1
                continue
            share = held.mean() / (held.mean() + released.mean())
            tick, pressed = 0, bool(generator.random() < share)
            while tick < ticks:
                length = int(generator.choice(held if pressed else released))
                buttons[tick : tick + length, k] = pressed
                tick, pressed = tick + length, not pressed
        camera = self.motions[generator.integers(0, len(self.motions), ticks)]
        return Labelling(buttons=buttons, buttons_prob=buttons.astype(np.float64), camera=camera)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's config."""
        return {
            "held": [lengths.tolist() for lengths in self.held],
            "released": [lengths.tolist() for lengths in self.released],
            "motions": np.round(self.motions.astype(np.float64), 3).tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], spec: ActionSpec) -> RatesSampler:
        """The inverse of `to_dict`."""
        motions = np.asarray(content["motions"], np.float32).reshape(
            len(content["motions"]), spec.num_axes
        )
        held, released = (
            [np.asarray(one, np.int64) for one in content[name]] for name in ("held", "released")
        )
        if not len(held) == len(released) == spec.num_buttons or any(
            (one < 1).any() for one in held + released
        ):
            raise ValueError("rates: lengths of at least a tick for each button")
        if not len(motions) or not np.isfinite(motions).all():
            raise ValueError("rates: some motions, all of them finite")
        return cls(held, released, motions)


class LinearModel:
    """Buttons and motion as linear functions of the grey differences to the frames before and
    after.

    Args:
        weights: float [1 + F, K + A], offset first.
        thresholds: float [K]: a button is held where its value lies above; chosen for the best F1
            in training.
    """

    def __init__(self, weights: Array, thresholds: Array):
        self.weights, self.thresholds = weights, thresholds

    @classmethod
    def of(cls, weights: Array, thresholds: Array, spec: ActionSpec) -> LinearModel:
        """The model in stored arrays. Raises ValueError where they are none of this spec."""
        expected = (1 + 4 * GRID * GRID, spec.num_buttons + spec.num_axes)
        fits = weights.shape == expected and thresholds.shape == (spec.num_buttons,)
        if not fits or not np.isfinite(weights).all():
            raise ValueError(
                f"baselines: weights {expected}, finite, and {spec.num_buttons} thresholds "
                "are needed"
            )
        return cls(weights, thresholds)

    @classmethod
    def fit(cls, play: Iterable[tuple[Iterable[NDArray[np.uint8]], Truth]]) -> LinearModel:
        """Least squares over training play.

        Args:
            play: for each recording its frames in batches uint8 [n, H, W, 3], and the truth.
        """
        groups: list[_LeastSquares] = []
        # some ticks, evenly spread, to choose thresholds on: features, what is held, what is known
        seen: list[tuple[Array, NDArray[np.uint8], NDArray[np.bool_]]] = []
        stride = 1
        for frames, truth in play:
            x = difference_features(frames)[: len(truth.valid)]
            valid = truth.valid[: len(x)]
            x = np.column_stack([np.ones(valid.sum()), x[valid]])
            y = np.column_stack(
                [truth.buttons[: len(valid)][valid], truth.camera[: len(valid)][valid]]
            ).astype(float)
            held, known = truth.buttons[: len(valid)][valid], truth.known[: len(valid)][valid]
            groups = groups or [_LeastSquares.of_all(x.shape[1], y.shape[1])]
            groups = [part for group in groups for part in group.with_ticks(x, y, known)]
            seen.append(tuple(part[::stride].copy() for part in (x, held, known)))  # type: ignore
            while sum(len(part[0]) for part in seen) > THRESHOLD_TICKS:
                seen = [(a[::2].copy(), b[::2].copy(), c[::2].copy()) for a, b, c in seen]
                stride *= 2
        if not groups:
            raise ValueError("the linear baseline needs at least one training recording")
        weights = np.zeros((len(groups[0].products), sum(len(group.columns) for group in groups)))
        for group in groups:
            weights[:, group.columns] = group.solution()
        x, true, counted = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        values = x @ weights
        thresholds = [
            _best_threshold(values[counted[:, k], k], true[counted[:, k], k])
            for k in range(true.shape[1])
        ]
        return cls(weights, np.array(thresholds))

    def __call__(self, features: Array) -> Labelling:
        """Labels from `difference_features` [N, F]."""
        buttons = len(self.thresholds)
        values = np.column_stack([np.ones(len(features)), features]) @ self.weights  # (N, K + A)
        return Labelling(
            buttons=(values[:, :buttons] > self.thresholds).astype(np.uint8),
            # Values of a linear model are no probabilities, but they rank ticks all the same.
            buttons_prob=np.clip(values[:, :buttons], 1e-4, 1 - 1e-4),
            camera=values[:, buttons:],
        )


@dataclass(frozen=True, slots=True)
class _LeastSquares:
    """Sums of a regression for some of its targets: those that were known in the same ticks."""

    columns: NDArray[np.int64]
    """Of the targets, buttons first."""
    products: Array
    """[1 + F, 1 + F]."""
    targets: Array
    """[1 + F, columns]."""

    @classmethod
    def of_all(cls, features: int, targets: int) -> _LeastSquares:
        """Of all targets, before any tick."""
        return cls(
            np.arange(targets), np.zeros((features, features)), np.zeros((features, targets))
        )

    def with_ticks(self, x: Array, y: Array, known: NDArray[np.bool_]) -> list[_LeastSquares]:
        """Itself with further ticks, apart for targets that are known in different ones of them."""
        masks, which = np.unique(known[:, self.columns], axis=1, return_inverse=True)
        parts = []
        for number, rows in enumerate(masks.T):
            own = which.reshape(-1) == number
            columns, seen = self.columns[own], x if rows.all() else x[rows]
            targets = self.targets[:, own] + seen.T @ y[rows][:, columns]
            parts.append(_LeastSquares(columns, self.products + seen.T @ seen, targets))
        return parts

    def solution(self) -> Array:
        """The weights, [1 + F, columns]; 0 for what was never known."""
        size = len(self.products)
        ridge = float(RIDGE * np.trace(self.products) / size) or 1.0
        solved = np.linalg.solve(self.products + ridge * np.eye(size), self.targets)
        return solved.astype(np.float64, copy=False)


def difference_features(frames: Iterable[NDArray[np.uint8]]) -> Array:
    """How the picture changes: batches uint8 [n, H, W, 3] of one recording ► [N, F]."""
    stream = DifferenceStream()
    for batch in frames:
        stream.add(batch)
    return stream.result()


class DifferenceStream:
    """Collects `difference_features` of frames that pass by; holds coarse pictures only.

    Features are the differences of a coarse grey picture, and their absolute values, to the next
    frame and from the one before.
    """

    def __init__(self) -> None:
        self._coarse: list[NDArray[np.float32]] = []

    def add(self, frames: NDArray[np.uint8]) -> None:
        """The next frames, uint8 [n, H, W, 3]."""
        self._coarse.append(_coarse(frames))

    def result(self) -> Array:
        """[N, F] of all frames so far."""
        coarse = np.concatenate(self._coarse)  # (N, GRID²)
        after = np.diff(coarse, axis=0, append=coarse[-1:])
        before = np.diff(coarse, axis=0, prepend=coarse[:1])
        features = [after, np.abs(after), before, np.abs(before)]
        return np.concatenate(features, axis=1).astype(np.float64)


def _coarse(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[n, H, W, 3] ► grey cell means [n, GRID²] in 0..1."""
    count, height, width = frames.shape[:3]
    rows, columns = (np.linspace(0, size, GRID + 1).astype(int)[:-1] for size in (height, width))
    sums = np.add.reduceat(frames.sum(-1, dtype=np.int32), rows, axis=1)
    sums = np.add.reduceat(sums, columns, axis=2)  # (n, GRID, GRID)
    return (sums.reshape(count, -1) * (GRID * GRID / (3 * 255 * height * width))).astype(np.float32)


def _best_threshold(values: Array, true: NDArray[np.uint8]) -> float:
    """The value above which "held" has the best F1; infinite for a button never held."""
    if not true.any():
        return np.inf
    order = np.argsort(-values)
    found = np.cumsum(true[order])
    f1 = 2 * found / (np.arange(1, len(values) + 1) + true.sum())
    best = int(np.argmax(f1))
    return float(values[order[best]]) - 1e-9  # just below: "held" lies above the threshold


def _lengths(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how long the mask holds each time."""
    return np.diff(stretches(mask))[:, 0]


def _spread(values: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the sorted values, evenly spread: the same distribution in less room."""
    ordered = np.sort(values)
    if len(ordered) <= most:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, most).astype(int)]
