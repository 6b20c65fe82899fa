"""When an overlay's keys were pressed: its delay against the game, and where it stood still.

An IDM says from the game's pictures alone when keys go down. The delay is the one under which its
labels make the overlay's likeliest. An overlay whose program has hung shows the same keys for
minutes while the game goes on: what it shows there is no truth.

Shapes: N frames, T ticks, K buttons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...datasets.actions.stretches import stretches
from .config import MAX_DELAY_FRAMES

PARTS = 8  # of a video, in which the delay is estimated again: how far these differ is its jitter
MIN_PRESSES = 12  # of which fewer tell no delay
SURE = 1e-3  # no probability of an IDM counts for more than this
MIN_CHANGES = 3  # that an IDM sees while the overlay shows none: then the overlay has stopped
# And of the changes that it sees in the whole video, in as long a time: an IDM errs now and then.
SHARE_OF_CHANGES = 0.3
MOVES = 1.0  # levels: mean change from one frame to the next above which a picture is no still

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Delay:
    """How much later an overlay shows a key than the game does, in frames."""

    frames: int
    jitter: float | None
    """Standard deviation of the same over parts of the video; None where too few tell it."""
    sure: bool
    """Whether it was told by enough presses."""


def buttons_of(spec: ActionSpec, names: Sequence[str]) -> dict[int, list[int]]:
    """Return which buttons of a spec are pressed by inputs alone that an overlay shows, each with
    the places of its inputs among the `names` of those.
    """
    place = {name: i for i, name in enumerate(names)}
    return {
        k: [place[name] for name in button.inputs]
        for k, button in enumerate(spec.buttons)
        if button.inputs and place.keys() >= set(button.inputs)
    }


def find_delay(held: Bools, said: NDArray[np.floating], starts: NDArray[np.int64]) -> Delay:
    """Estimate the delay.

    Args:
        held: whether the overlay shows each button held, [N, K].
        said: an IDM's probability that it is, [T, K].
        starts: the first frame of each tick, int [T], rising.
    """
    changes = np.diff(held.astype(np.int8), axis=0, prepend=held[:1])
    presses = int((changes > 0).sum())
    if not held.shape[1] or presses < MIN_PRESSES:
        return Delay(0, None, False)
    scores = _likelihoods(held, said, starts)  # (lags, T)
    total = scores.sum(1)
    best = int(np.argmax(total))
    each = [np.argmax(part.sum(1)) for part in np.array_split(scores, PARTS, axis=1)]
    enough = presses >= PARTS * MIN_PRESSES
    jitter = float(np.std(each)) if enough else None
    return Delay(best - MAX_DELAY_FRAMES, jitter, True)


def _likelihoods(
    held: Bools, said: NDArray[np.floating], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Log-likelihood of each tick under each delay, [lags, T]: a tick is held where any of its
    frames is.
    """
    p = np.clip(said.astype(np.float64), SURE, 1 - SURE)
    on, off = np.log(p), np.log1p(-p)
    found = []
    for delay in range(-MAX_DELAY_FRAMES, MAX_DELAY_FRAMES + 1):
        ticks = np.logical_or.reduceat(moved(held, delay), starts)
        found.append(np.where(ticks, on, off).sum(1))
    return np.stack(found)


def moved(held: NDArray[np.bool_], delay: int) -> NDArray[np.bool_]:
    """Return what was done in each frame, where it is shown `delay` frames later; the ends, of
    which nothing is shown, repeat what is next to them.
    """
    at = np.clip(np.arange(len(held)) + delay, 0, len(held) - 1)
    return held[at]


def frozen(
    held: Bools,
    motion: NDArray[np.floating],
    least_frames: int,
    said: NDArray[np.floating] | None = None,
    starts: NDArray[np.int64] | None = None,
) -> Bools:
    """Return in which frames an overlay stood still though the game went on, [N].

    Args:
        held: [N, inputs or buttons of one device].
        motion: mean change of the picture from the frame before, levels, [N].
        least_frames: the length of a stretch without a change that is looked at.
        said: an IDM's probabilities for the columns of `held`, [T, those]. Where it sees presses
            and releases in such a stretch, not much rarer than elsewhere, that is frozen; without
            it, any in which the picture moves.
        starts: the first frame of each tick.
    """
    changed = np.zeros(len(held), bool)
    changed[1:] = (held[1:] != held[:-1]).any(1)
    result = np.zeros(len(held), bool)
    for begin, end in _between_changes(changed):
        if end - begin < least_frames:
            continue
        if said is not None and starts is not None:
            changes = (np.diff(said > 0.5, axis=0)).sum(1)  # (T - 1,)
            first, last = np.searchsorted(starts, [begin, end])
            inside = changes[first : last - 1]
            enough = max(MIN_CHANGES, SHARE_OF_CHANGES * float(changes.mean()) * len(inside))
            result[begin:end] = inside.sum() >= enough
        else:
            result[begin:end] = float(np.median(motion[begin:end])) > MOVES
    return result


def _between_changes(changed: Bools) -> NDArray[np.int64]:
    """Ranges of frames in which nothing changes, each with the frame in which it began, [n, 2]."""
    ranges = stretches(~changed)
    ranges[:, 0] = np.maximum(ranges[:, 0] - 1, 0)
    return ranges
