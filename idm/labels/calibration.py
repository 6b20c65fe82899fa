"""Probabilities that mean what they say, decisions, and a confidence; fitted on validation play
(`fit_calibration.py`).

N ticks, T ticks of a window, K buttons, A axes

- a button's probability: sigmoid(slope * logit + offset) (Platt), which also takes back the weights
  that rare buttons had in training; an axis's: softmax(logits / temperature)
- a button is held where its path of states says so (`decisions.py`), with the offset and switch
  cost that do best
- `confidence`: the probability that all buttons of a tick are right and each axis is in the true
  bin or next to it
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...errors import CheckpointError
from ..scores.metrics import BIN_TOLERANCE
from .decisions import smooth
from .windows import WindowLogits

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Labels of n consecutive ticks."""

    start: int
    """The first tick."""
    buttons: NDArray[np.uint8]
    """[n, K]: held (1) or released."""
    buttons_prob: NDArray[np.float32]
    """[n, K]: calibrated probability that a button is held."""
    camera: NDArray[np.float32]
    """[n, A]: motion in degrees."""
    camera_prob: NDArray[np.float32]
    """[n, A, most bins of any axis]: calibrated; bins that an axis does not have are 0."""
    confidence: NDArray[np.float32]
    """[n]: probability that all buttons are right and each axis is in the true bin ± 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What validation play has taught about the logits; one entry per button or axis."""

    slope: tuple[float, ...]
    offset: tuple[float, ...]
    threshold: tuple[float, ...]
    """Added to the calibrated log-odds before deciding: above 0 makes pressing easier."""
    switch_cost: tuple[float, ...]
    temperature: tuple[float, ...]
    reach: tuple[int, ...]
    """The camera's motion is the mean over the most likely bin and this many on each side."""
    confidence_weights: tuple[float, float, float]
    """Offset, weight of the log-probability of the decided buttons, of the bins around the decided
    motion.
    """
    exclusive: bool = False
    """Of the buttons of a group that exclude each other (`ActionSpec.exclusive_groups`) one at most
    is held, the likeliest; as the network's own probabilities have it.
    """

    def __post_init__(self) -> None:
        per_button = (self.slope, self.offset, self.threshold, self.switch_cost)
        same = len({len(entries) for entries in per_button}) == 1
        same &= len(self.temperature) == len(self.reach)
        if not same or len(self.confidence_weights) != 3:
            raise CheckpointError(
                "the checkpoint's calibration does not have one entry per button and axis"
            )

    @classmethod
    def neutral(
        cls,
        spec: ActionSpec,
        positive_weights: NDArray[np.floating] | None = None,
        *,
        exclusive: bool = False,
    ) -> Calibration:
        """Nothing fitted: the logits as they are, less the weights of held ticks in training."""
        weights = np.ones(spec.num_buttons) if positive_weights is None else positive_weights
        return cls(
            slope=(1.0,) * spec.num_buttons,
            offset=tuple(float(-np.log(weight)) for weight in weights),
            threshold=(0.0,) * spec.num_buttons,
            switch_cost=(0.0,) * spec.num_buttons,
            temperature=(1.0,) * spec.num_axes,
            reach=(2,) * spec.num_axes,
            confidence_weights=(0.0, 1.0, 1.0),
            exclusive=exclusive,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's config."""
        content = asdict(self)
        if not self.exclusive:  # It came later: checkpoints of before do without it.
            del content["exclusive"]
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any], spec: ActionSpec) -> Calibration:
        """The inverse of `to_dict`. Raises CheckpointError where it is none of this spec."""
        try:
            lists = {key: tuple(value) for key, value in content.items() if key != "exclusive"}
            finite = np.isfinite([number for value in lists.values() for number in value]).all()
            found = cls(**lists, exclusive=bool(content.get("exclusive", False)))
        except TypeError as error:
            raise CheckpointError(
                f"the checkpoint's calibration cannot be read: {error}"
            ) from error
        if not finite or (len(found.slope), len(found.reach)) != (spec.num_buttons, spec.num_axes):
            raise CheckpointError(
                "the checkpoint's calibration does not have one finite entry per button and axis"
            )
        whole = all(isinstance(reach, int) and reach >= 0 for reach in found.reach)
        if min(found.temperature, default=1) <= 0 or min(found.switch_cost) < 0 or not whole:
            raise CheckpointError(
                "the checkpoint's calibration must have temperatures above 0, costs from 0 and "
                f"whole reaches from 0: temperature {found.temperature}, "
                f"switch_cost {found.switch_cost}, reach {found.reach}"
            )
        return found

    def log_odds(self, logits: NDArray[np.float32]) -> Array:
        """Calibrated log-odds of [..., K] logits."""
        return logits.astype(np.float64) * np.asarray(self.slope) + np.asarray(self.offset)

    def held(
        self, log_odds: Array, present: NDArray[np.bool_], spec: ActionSpec
    ) -> NDArray[np.bool_]:
        """Decisions of one whole window: [T, K] log-odds, [T] present ► bool [T, K]."""
        shifted = log_odds + np.asarray(self.threshold)
        held = smooth(shifted, np.asarray(self.switch_cost), present[:, None])
        if self.exclusive:
            for group in spec.exclusive_groups():
                held[:, group] = likeliest(held[:, group], log_odds[:, group], shifted[:, group])
        return held

    def labels(self, window: WindowLogits, spec: ActionSpec) -> Predictions:
        """Labels of a window's kept ticks."""
        keep = slice(*window.keep)
        log_odds = self.log_odds(window.buttons)  # (T, K)
        held = self.held(log_odds, window.present, spec)[keep]
        log_odds = log_odds[keep]
        camera, camera_prob, log_near = self.camera(
            [axis[keep] for axis in window.axes], spec, len(held)
        )
        log_odds_right = self.score(decided_log_prob(log_odds, held).sum(1), log_near.sum(1))
        return Predictions(
            start=window.first_tick + window.keep[0],
            buttons=held.astype(np.uint8),
            buttons_prob=sigmoid(log_odds).astype(np.float32),
            camera=camera,
            camera_prob=camera_prob,
            confidence=sigmoid(log_odds_right).astype(np.float32),
        )

    def camera(
        self, axes: list[NDArray[np.float32]], spec: ActionSpec, ticks: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Array]:
        """Motion, probabilities and confidence of each axis, if any, from logits [n, bins] an axis
        of n = `ticks`.

        Returns degrees [n, A]; probabilities [n, A, most bins]; log-probability of the decided bin
        ± 1 [n, A].
        """
        most = max(spec.num_bins, default=0)
        degrees = np.zeros((ticks, spec.num_axes), np.float32)
        probabilities = np.zeros((ticks, spec.num_axes, most), np.float32)
        log_near = np.zeros((ticks, spec.num_axes))
        for index, logits in enumerate(axes):
            p = softmax(logits.astype(np.float64) / self.temperature[index])  # (n, bins)
            centres = spec.bin_centres(index).astype(np.float64)
            degrees[:, index] = local_mean(p, centres, self.reach[index])
            probabilities[:, index, : p.shape[1]] = p
            decided = spec.axes[index].quantiser.quantise(degrees[:, index])
            around = np.abs(np.arange(p.shape[1]) - decided[:, None]) <= BIN_TOLERANCE
            share = (p * around).sum(1)
            log_near[:, index] = np.log(np.maximum(share, 1e-9))  # finite: it goes into sums
        return degrees, probabilities, log_near

    def score(self, buttons: Array, near: Array) -> Array:
        """Log-odds of a tick being right, from the log-probabilities of its decided buttons and
        bins.
        """
        offset, of_buttons, of_camera = self.confidence_weights
        # From a log-probability of being right to log-odds: log p - log(1 - p), after weighting the
        # parts. Certainty (log p = 0) would have infinite odds.
        log_p = np.minimum(of_buttons * buttons + of_camera * near, -1e-6)
        return offset + log_p - np.log(-np.expm1(log_p))


def likeliest(held: NDArray[np.bool_], log_odds: Array, shifted: Array) -> NDArray[np.bool_]:
    """Decisions over buttons that exclude each other, from decisions over each by itself.

    Of several that are held the likeliest stays. Where none is, one is held all the same if that is
    likelier than that none is: of three candidates at 40, 30 and 30 % none reaches one half, and a
    rare key is most often in doubt between several.

    Args:
        held: bool [T, n]. log_odds: [T, n], calibrated. shifted: [T, n], with what makes pressing
            easier.
    """
    best = np.eye(held.shape[1], dtype=bool)[shifted.argmax(1)]  # (T, n)
    p = sigmoid(log_odds)
    pressed = held.any(1) | ((p * best).sum(1) > 1 - p.sum(1))
    among = np.where(held.any(1, keepdims=True) & ~held, -np.inf, shifted)
    best = np.eye(held.shape[1], dtype=bool)[among.argmax(1)]
    return best & pressed[:, None]


def decided_log_prob(log_odds: Array, held: NDArray[np.bool_]) -> Array:
    """Log-probability that each decision is right, [n, K]."""
    return -np.logaddexp(0.0, np.where(held, -log_odds, log_odds))


def local_mean(p: Array, centres: Array, reach: int) -> Array:
    """Mean of the bins within `reach` of the most likely one: [n, bins], [bins] ► [n]."""
    near = np.abs(np.arange(p.shape[1]) - p.argmax(1)[:, None]) <= reach  # (n, bins)
    weights = np.where(near, p, 0.0)
    return (weights @ centres) / weights.sum(1)


def sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
