"""Whether labels and pictures are shifted against each other, told from the data alone.

What is done at a tick changes the picture until the next one. So labels predict the changes of the
picture best where they stand; where they do so some ticks away, all are shifted by as many. A
linear model predicts, of each change, how far the picture moved, and where it became brighter or
changed at all; it is fitted and tested on different parts of the play.

Shapes: T ticks, F features of a change, X of labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..actions.spec import ActionSpec, FrameSpec
from .recording import Recording

MAX_SHIFT = 6  # ticks that are looked at, each way
TOLERATED = 1  # a tick off is what a program's own rate does
SIDE, CELLS = 64, 4  # pixels of a picture, and cells a side of which each says how it changed
MIN_TICKS = 200  # with a label; fewer tell nothing
MAX_TICKS = 4_000  # of a recording: four minutes say enough
FOLDS = 10  # parts of the play, each predicted from the others
# Times the root of the ticks, for features of equal variance. So much that it hardly is a fit: in
# half a minute, what few presses of a key happened to coincide with would outweigh the rest.
RIDGE = 60.0
# By how many standard errors, over the parts, a shifted label must predict better than one that
# stands right: measured on one-minute recordings (benchmarks/label_shift.py).
BETTER_SE = 1.5
# By how many a label must predict anything; below, it has nothing to do with the picture.
TELLS_SE = 2.0


@dataclass(frozen=True, slots=True)
class Shift:
    """What was found."""

    ticks: int | None
    """By how many ticks pictures show later than labels say; 0: not shifted, or by a tick at most;
    None: nobody can tell, as labels predict nothing of the pictures.
    """
    best_ticks: int
    """Where labels predict best."""
    standard_errors: float
    """By how many of them, there, better than where they stand."""


def find_shift(recordings: Sequence[Recording], spec: ActionSpec) -> Shift:
    """Look for a shift that all recordings share.

    Raises:
        VideoError: a recording cannot be decoded.
    """
    parts = []
    for recording in recordings:
        actions = recording.actions(spec)
        ticks = min(len(actions.valid), MAX_TICKS)
        if int(actions.valid[:ticks].sum()) >= MIN_TICKS:
            changes = picture_changes(gray_ticks(recording, spec, ticks))
            labels = label_features(actions.buttons[: ticks - 1], actions.camera[: ticks - 1])
            parts.append(explained(changes, labels, actions.valid[: ticks - 1]))
    return decide(np.concatenate(parts, axis=1)) if parts else Shift(None, 0, 0.0)


def gray_ticks(recording: Recording, spec: ActionSpec, ticks: int) -> NDArray[np.float32]:
    """Return the first ticks' pictures, small and gray, [T, SIDE, SIDE]. Raises VideoError."""
    small = dataclasses.replace(spec, frame=FrameSpec(SIDE, SIDE))
    batches = recording.frames(small, end_tick=ticks)
    return np.concatenate([batch.frames.mean(-1, dtype=np.float32) for batch in batches])


def decide(explained_by: NDArray[np.float64]) -> Shift:
    """Decide from what labels explain of each part, [2 * MAX_SHIFT + 1, parts]."""
    totals = explained_by.sum(1)
    best = int(totals.argmax())
    ticks = best - MAX_SHIFT
    if _standard_errors(explained_by[best]) < TELLS_SE:
        return Shift(None, ticks, 0.0)
    near = slice(MAX_SHIFT - TOLERATED, MAX_SHIFT + TOLERATED + 1)
    stands = explained_by[near][int(totals[near].argmax())]
    better = _standard_errors(explained_by[best] - stands)
    shifted = abs(ticks) > TOLERATED and better >= BETTER_SE
    return Shift(ticks if shifted else 0, ticks, better)


def picture_changes(frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what changed between each gray picture and the next, [T - 1, F].

    Args:
        frames: [T, SIDE, SIDE], 0 to 255.
    """
    gray = frames.astype(np.float32)
    change = np.diff(gray, axis=0)
    cell = SIDE // CELLS
    cells = change.reshape(len(change), CELLS, cell, CELLS, cell)
    brighter = cells.mean((2, 4)).reshape(len(change), -1)
    changed = np.abs(cells).mean((2, 4)).reshape(len(change), -1)
    # Logarithms: an explosion must not outweigh a minute of walking.
    found = (
        _motion(gray),
        np.sign(brighter) * np.log1p(np.abs(brighter)),
        np.log1p(changed),
    )
    return np.concatenate(found, axis=1).astype(np.float64)


def _motion(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each picture moved as a whole to the next one, pixels in x and y, [T - 1, 2].

    By phase correlation (Kuglin and Hines 1975).
    """
    window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)
    moved = []
    for begin in range(0, len(gray) - 1, 256):  # so that transforms of long play fit into memory
        pictures = gray[begin : begin + 257]
        pictures = (pictures - pictures.mean((1, 2), keepdims=True)) * window
        spectrum = np.fft.rfft2(pictures)
        cross = spectrum[1:] * np.conj(spectrum[:-1])
        size = np.abs(cross)
        # Waves that hardly are in the picture have any phase.
        cross /= size + 1e-3 * size.mean((1, 2), keepdims=True) + 1e-6
        peak = np.fft.irfft2(cross, s=(SIDE, SIDE)).reshape(len(cross), -1).argmax(1)
        y, x = np.divmod(peak, SIDE)
        moved.append(np.stack([x, y], 1))
    places = np.concatenate(moved)
    return np.where(places > SIDE // 2, places - SIDE, places).astype(np.float32)


def label_features(buttons: NDArray[np.uint8], camera: NDArray[np.float32]) -> NDArray[np.float64]:
    """Buttons, motion, and its size whatever its direction, [T, X]."""
    size = np.log1p(np.abs(camera))
    return np.concatenate([buttons, np.sign(camera) * size, size], axis=1).astype(np.float64)


def explained(
    changes: NDArray[np.float64], labels: NDArray[np.float64], valid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return how much of the changes labels explain at each shift, [2 * MAX_SHIFT + 1, FOLDS].

    It is the decrease of the squared error by the prediction, in parts that it was not fitted to.

    Args:
        changes: from each tick to the next, [T, F].
        labels: of each tick, [T, X].
        valid: whether the tick has a label, [T].
    """
    y, x = _standardized(changes), _standardized(labels)
    inner = np.arange(MAX_SHIFT, len(y) - MAX_SHIFT)
    fold = np.arange(len(inner)) * FOLDS // len(inner)
    found = np.zeros((2 * MAX_SHIFT + 1, FOLDS))
    for row, shift in enumerate(range(-MAX_SHIFT, MAX_SHIFT + 1)):
        cause, effect, known = x[inner - shift], y[inner], valid[inner - shift]
        for part in range(FOLDS):
            fit, test = known & (fold != part), known & (fold == part)
            if not fit.any():  # all that has a label is in this part: nothing predicts it
                continue
            penalty = RIDGE * np.sqrt(fit.sum()) * np.eye(x.shape[1])
            weights = np.linalg.solve(
                cause[fit].T @ cause[fit] + penalty, cause[fit].T @ effect[fit]
            )
            rest = effect[test] - cause[test] @ weights
            found[row, part] = np.sum(effect[test] ** 2) - np.sum(rest**2)
    return found


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of mean 0 and variance 1; those that never change are left out."""
    spread = values.std(0)
    kept = spread > 1e-6
    return (values[:, kept] - values[:, kept].mean(0)) / spread[kept]


def _standard_errors(values: NDArray[np.float64]) -> float:
    """The mean of the parts in standard errors of it."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() / error) if error > 0 else 0.0
