"""What is held in each frame: two hypotheses about every key, and where it toggles, two clusters.

A pixel of a key has its color, as far as it is opaque, and what of the game lies beneath, of which
only the color about the key is known. So a key that is nearly transparent while it is up explains a
picture badly, whatever it shows, and the same key filled while it is down explains it well or not
at all: the log-likelihood of each pixel counts both. Where a key goes up and down in a video, the
two clusters of its frames are what tells; where it never does, the hypotheses.

Shapes: n frames, P pixels of a key, B keys and buttons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...idm.labels.calibration import sigmoid
from .layout import Floats, Layout
from .place import OPACITIES, Place

NOISE = 9.0  # levels: what compression at half a megabit a second makes of a plain color
GAME = 45.0  # levels: how far a pixel of the game lies from the mean color about a key
AROUND = 0.35  # of a key's side: how far about it the game's color is looked at
MIN_AROUND = 4  # pixels
CHANGES = 0.04  # of full scale: pixels that change less with a key tell nothing
APART = 0.5  # of what is expected: clusters nearer to each other are one
MIN_FRAMES = 3  # of a cluster
SPREAD = 0.04  # of what is expected: no cluster is narrower
ALONE = 0.2  # of what is expected: how far a key lies from the hypotheses that it is told by
BOUNDS = (-1.0, 2.0)  # of what is expected: beyond them everything is equally sure

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Key:
    """One key on the screen: which pixels tell, and what they say under either hypothesis."""

    part: tuple[slice, slice]
    """Rows and columns of the frame that are looked at."""
    tells: NDArray[np.bool_]
    """Which of these pixels change with the key."""
    columns: Floats
    """Weights of pixel values, [P * 3, 7]: with the game's color (3), without it, its color (3)."""
    squares: Floats
    """Weights of their squares, [P * 3]."""
    of_color: tuple[float, Array, float]
    """Of the game's color c: weight of its square, of itself [3], and a constant."""
    levels: tuple[Array, Array, Array]
    """What is expected up and down beyond `of_color`: see `_expected`."""


class OverlayReader:
    """Reads a layout at its place.

    Args:
        layout: of the overlay.
        place: where it lies.
        size: width and height of the frames.
        names: inputs to read; all that the layout shows unless given.
    """

    def __init__(
        self,
        layout: Layout,
        place: Place,
        size: tuple[int, int],
        names: Sequence[str] | None = None,
    ):
        self.layout, self.place, self.size = layout, place, size
        self.names = tuple(layout.inputs if names is None else names)
        up, down = layout.drawn(place.scale), layout.drawn(place.scale, layout.inputs)
        self._up, self._down = (_on_screen(of, place, size) for of in (up, down))
        self._keys = [self._key(name) for name in self.names]

    def evidence(self, frames: NDArray[np.uint8]) -> Array:
        """Return how much each key looks held, [n, B]: 0 as one that is up, 1 as one that is down.

        Args:
            frames: uint8 [n, H, W, 3].
        """
        found = np.empty((len(frames), len(self._keys)))
        for number, key in enumerate(self._keys):
            values = frames[:, key.part[0], key.part[1]].reshape(len(frames), -1)
            values = values.astype(np.float32)
            sums = (values @ key.columns).astype(np.float64)  # (n, 7)
            color = sums[:, 4:]
            of_square, of_color, constant = key.of_color
            score = (values * values) @ key.squares - 2 * sums[:, 3]
            score = score - 2 * (color * sums[:, :3]).sum(1)
            score = score + of_square * (color**2).sum(1) + color @ of_color + constant
            found[:, number] = _relative(score, color, key.levels)
        return found

    def likelihood(self, frames: NDArray[np.uint8]) -> float:
        """Return how well frames uint8 [n, H, W, 3] are explained, each key up or down: the mean
        log-likelihood of a value.
        """
        total, count = 0.0, 0
        for key in self._keys:
            values = frames[:, key.part[0], key.part[1]].astype(np.float32)
            color = values.reshape(len(frames), -1) @ key.columns[:, 4:]  # (n, 3)
            each = []
            for of in (self._up, self._down):
                over = of[key.part]
                through = (1 - over[..., 3:] * self.place.opacity)[None]
                mean = through * color[:, None, None] + over[..., :3] * 255 * self.place.opacity
                variance = NOISE**2 + (through * GAME) ** 2
                each.append(-((values - mean) ** 2) / (2 * variance) - np.log(variance) / 2)
            inside = key.tells[None, ..., None]
            sums = np.stack([(one * inside).sum((1, 2, 3)) for one in each])
            total += float(sums.max(0).sum())
            count += len(frames) * 3 * int(inside.sum())
        return total / max(count, 1)

    def _key(self, name: str) -> _Key:
        left, top, right, bottom = self._box(name)
        reach = max(MIN_AROUND, round(AROUND * min(right - left, bottom - top)))
        width, height = self.size
        part = (
            slice(max(0, top - reach), min(height, bottom + reach)),
            slice(max(0, left - reach), min(width, right + reach)),
        )
        own = np.zeros((height, width), bool)
        own[top:bottom, left:right] = True
        up, down = self._up[part], self._down[part]
        changes = (np.abs(up - down).max(-1) > CHANGES) & own[part]
        tells = changes.reshape(-1)
        free = (np.maximum(up[..., 3], down[..., 3]) < 0.01).reshape(-1)
        if free.sum() < MIN_AROUND**2:  # keys on all sides: what they let through best
            clear = np.maximum(up[..., 3], down[..., 3]).reshape(-1)
            free = clear <= np.quantile(clear, 0.1)
        opacity = self.place.opacity
        through = [
            1 - of[..., 3].reshape(-1).astype(np.float64) * opacity for of in (up, down)
        ]  # (P,) each
        colors = [
            of[..., :3].reshape(-1, 3).astype(np.float64) * 255 * opacity for of in (up, down)
        ]
        variance = [NOISE**2 + (k * GAME) ** 2 for k in through]
        weights = [np.where(tells, 1 / (2 * v), 0.0) for v in variance]
        mixed = [g * k for g, k in zip(weights, through, strict=True)]
        solid = [g[:, None] * c for g, c in zip(weights, colors, strict=True)]
        columns = np.zeros((len(tells), 3, 7), np.float32)
        for channel in range(3):
            columns[:, channel, channel] = mixed[0] - mixed[1]
            columns[:, channel, 4 + channel] = free / max(1, free.sum())
        columns[:, :, 3] = solid[0] - solid[1]
        logs = 3 * float(np.where(tells, np.log(variance[0]) - np.log(variance[1]), 0.0).sum()) / 2
        of_square, of_color, constant = [], [], []
        for g, k, c in zip(weights, through, colors, strict=True):
            of_square.append(float((g * k**2).sum()))
            of_color.append(2 * ((g * k)[:, None] * c).sum(0))
            constant.append(float((g[:, None] * c**2).sum()))
        return _Key(
            part,
            changes,
            columns.reshape(-1, 7),
            np.repeat(weights[0] - weights[1], 3).astype(np.float32),
            (
                of_square[0] - of_square[1],
                of_color[0] - of_color[1],
                constant[0] - constant[1] + logs,
            ),
            _levels(weights, through, colors, variance, logs),
        )

    def _box(self, name: str) -> tuple[int, int, int, int]:
        """The box of a key in the frame, as far as it lies in it."""
        left, top, right, bottom = (round(at * self.place.scale) for at in self.layout.box_of(name))
        width, height = self.size
        return (
            min(max(0, left + self.place.x), width - 1),
            min(max(0, top + self.place.y), height - 1),
            min(width, max(right + self.place.x, 1)),
            min(height, max(bottom + self.place.y, 1)),
        )


def find_opacity(
    frames: NDArray[np.uint8], layout: Layout, place: Place, names: Sequence[str]
) -> Place:
    """Return a place with the opacity that explains some frames uint8 [n, H, W, 3] best."""
    size = frames.shape[2], frames.shape[1]
    tried = [replace(place, opacity=float(opacity)) for opacity in OPACITIES]
    return max(tried, key=lambda one: OverlayReader(layout, one, size, names).likelihood(frames))


def probabilities(evidence: Array) -> Array:
    """Return the probability that each key is held, [n, B], from the evidence of a whole video."""
    return np.stack([_probability(column) for column in evidence.T], axis=1)


def _probability(values: Array) -> Array:
    """Of one key, [n]."""
    bounded = np.clip(values, *BOUNDS)
    cut = _otsu(bounded)
    low, high = bounded[bounded < cut], bounded[bounded >= cut]
    if min(len(low), len(high)) < MIN_FRAMES or high.mean() - low.mean() < APART:
        return sigmoid((bounded - 0.5) / ALONE**2)
    variance = (low.var() * len(low) + high.var() * len(high)) / len(bounded)
    middle, apart = (np.median(low) + np.median(high)) / 2, high.mean() - low.mean()
    return sigmoid(apart * (bounded - middle) / max(SPREAD**2, float(variance)))


def _otsu(values: Array) -> float:
    """The cut between two clusters that explains most of the variance."""
    ordered = np.sort(values)
    sums = np.cumsum(ordered)
    count = np.arange(1, len(ordered))
    if not len(count):
        return 0.5
    low, high = sums[:-1] / count, (sums[-1] - sums[:-1]) / (len(ordered) - count)
    between = count * (len(ordered) - count) * (high - low) ** 2
    best = int(np.argmax(between))
    return float((ordered[best] + ordered[best + 1]) / 2)


def _levels(
    weights: Sequence[Array],
    through: Sequence[Array],
    colors: Sequence[Array],
    variance: Sequence[Array],
    logs: float,
) -> tuple[Array, Array, Array]:
    """What the score is expected to be while a key is up and while it is down, as a function of the
    game's color c: of each, weights of the sum of c², of c, and 1: [2], [2, 3], [2].
    """
    squares, linear, constants = np.zeros(2), np.zeros((2, 3)), np.zeros(2)
    for state in (0, 1):
        other = 1 - state
        sign = 1.0 if state else -1.0  # the score grows with what speaks for "down"
        k = through[state] - through[other]
        c = colors[state] - colors[other]
        g = weights[other]
        squares[state] = sign * float((g * k**2).sum())
        linear[state] = sign * 2 * ((g * k)[:, None] * c).sum(0)
        noise = 3 * float(((weights[0] - weights[1]) * variance[state]).sum())
        constants[state] = sign * float((g[:, None] * c**2).sum()) + noise + logs
    return squares, linear, constants


def _relative(score: Array, color: Array, levels: tuple[Array, Array, Array]) -> Array:
    """A score between what is expected up (0) and down (1)."""
    squares, linear, constants = levels
    expected = (color**2).sum(1)[:, None] * squares + color @ linear.T + constants  # (n, 2)
    apart = expected[:, 1] - expected[:, 0]
    return (score - expected[:, 0]) / np.maximum(apart, 1e-6)


def _on_screen(drawn: Floats, place: Place, size: tuple[int, int]) -> Floats:
    """A layout that is drawn at a scale, where it lies: float32 [H, W, 4], nothing about it."""
    width, height = size
    screen = np.zeros((height, width, 4), np.float32)
    rows, columns = (
        min(drawn.shape[0], height - place.y),
        min(drawn.shape[1], width - place.x),
    )
    screen[place.y : place.y + rows, place.x : place.x + columns] = drawn[:rows, :columns]
    return screen
