"""Insets: another picture within the picture, as a face cam is, told by its sides.

N changes from one frame to the next, H rows, W columns, L places along a line, P places of lines

While a scene moves, pixels beside each other change alike: both see the same surface pass. Those on
two sides of an inset's side do not, for as long as it stands there, be its border drawn or not, and
be its picture still or not. So pixels vote, change by change, whether what lies left and right of a
line (and, on the picture turned, above and below it) changed alike; an inset is a rectangle whose
visible sides are such lines, each on most of its length, and end where they meet. Where nothing
moves nobody votes: a doorway before which a player stands still is no inset.

A game has such lines itself: those of its status bar, of its weapons, of a map in a corner. What
clean frames show of them, in labels, does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CheckpointError

Gray = NDArray[np.int16]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]
CHANGES = 24  # of a window: eight seconds, three frames a second
FINEST = 96  # pixels a side that pictures are compared at, at least; below twice as many
LARGEST_CHANGE = 64  # levels: a flash is no more than another change
NOISE = 16.0  # levels squared: what a codec changes in a still picture
FEW_VOTES = 1.0  # that are worth no opinion
ENOUGH_VOTES = 10.0  # from which on an opinion counts in full
BESIDE = 3  # pixels from a line where neighbors change as they usually do
FULL = 0.5  # by how much less alike than these the two sides of a line are, to count in full
OWN_MOST = 0.3  # of that, which clean play shows by itself and which is taken away
OWN_LINE = 0.25  # from which on a place of a line is the game's: nothing is seen there
OWN_WHOLE_LINE = 0.12  # and from which on a line is from end to end: those of a game of tiles
STILL = 0.5  # of the usual votes: below, clean play stands still there, and nothing is seen
PAIRS = 400  # of clean frames
AT_ONCE = 50
# Of a side of the picture:
SHORTEST, LONGEST = 0.12, 0.6  # an inset's; one that reaches over a status bar seems longer
LINE = 0.11  # on which a line must be strong, to be looked at; no less than must be visible
SEEN = 0.09  # of an inset's side that must be visible
BEYOND = 0.06  # past a corner, where the line must be weaker
LINE_STRENGTH = 0.3  # of a line that is looked at
WEAKER = 0.6  # past a corner, as a share of the side's strength
STRENGTH = 0.68  # mean over each side of an inset
HELD, LOWER = 0.1, 0.66  # around the middle, below: what a player holds, as square as a cam
MOST_LINES = 10  # of each direction


def shows_insets(frame: Mapping[str, Any]) -> bool:
    """Whether frames of this `height` and `width` are large enough to see an inset's sides."""
    return min(int(frame["height"]), int(frame["width"])) >= FINEST


def gray_of(frames: NDArray[np.uint8]) -> Gray:
    """Frames uint8 [N, H', W', 3] that are large enough, as they are compared, int16 [N, H, W]."""
    red, green, blue = (frames[..., color].astype(np.int16) for color in range(3))
    gray = (red + green + green + blue) >> 2
    rows, columns = (side // FINEST for side in gray.shape[1:])
    if (rows, columns) == (1, 1):
        return gray
    height, width = gray.shape[1] // rows, gray.shape[2] // columns
    part = gray[:, : height * rows, : width * columns]
    return part.reshape(len(gray), height, rows, width, columns).mean((2, 4)).astype(np.int16)


def votes(changes: Gray) -> tuple[Floats, Floats]:
    """What N changes [N, H, W] say of lines: upright ones [2, H, W], and level ones [2, W, H].

    First how many votes there are at each place, then how many of them, of -1 to 1 each, say that
    both sides changed alike.
    """
    d = np.clip(changes, -LARGEST_CHANGE, LARGEST_CHANGE).astype(np.float32)
    squares = d * d

    def across(d: Floats, squares: Floats) -> Floats:
        both = (squares[..., :-2] + squares[..., 2:]) * np.float32(0.5)
        weight = 1 / (both + np.float32(NOISE))
        found = np.zeros((2, *d.shape[1:]), np.float32)
        np.sum(both * weight, axis=0, out=found[0, :, 1:-1])
        np.sum(d[..., :-2] * d[..., 2:] * weight, axis=0, out=found[1, :, 1:-1])
        return found

    turned = (np.ascontiguousarray(x.swapaxes(1, 2)) for x in (d, squares))
    return across(d, squares), across(*turned)


def unlike(votes: Floats) -> tuple[Floats, Floats]:
    """By how much less alike the two sides of each line changed than is usual beside it, [L, P],
    and how many votes that is of, [L, P].
    """
    padded = np.pad(votes, ((0, 0), (1, 1), (0, 0)), mode="edge")
    count, alike = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / np.float32(3)
    likeness = alike / (count + np.float32(FEW_VOTES))
    found = np.zeros_like(likeness)
    inner = slice(BESIDE, -BESIDE)
    around = np.maximum(likeness[:, : -2 * BESIDE], likeness[:, 2 * BESIDE :])
    heard = np.minimum(count[:, inner] / np.float32(ENOUGH_VOTES), 1)
    found[:, inner] = (around - likeness[:, inner]) * heard
    return found, count


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnLines:
    """Lines that a game has itself: how unlike their two sides are in clean play, 1 where nothing
    can be seen of an inset's sides.
    """

    upright: Floats
    """[H, W]."""
    level: Floats
    """[W, H]."""

    @classmethod
    def of(cls, gray: Gray, *, seed: int) -> OwnLines:
        """Those of clean frames [N, H, W], of as many moments and places as there are: of pairs of
        them, as if one followed the other.
        """
        generator = np.random.default_rng(seed)
        first = generator.integers(len(gray), size=PAIRS)
        other = (first + generator.integers(1, len(gray), size=PAIRS)) % len(gray)
        sums = [np.zeros((2, *shape), np.float32) for shape in (gray.shape[1:], gray.shape[:0:-1])]
        for i in range(0, PAIRS, AT_ONCE):
            some = slice(i, i + AT_ONCE)
            upright, level = votes(gray[first[some]] - gray[other[some]])
            sums[0] += upright
            sums[1] += level
        upright, level = (_own(total * np.float32(CHANGES / PAIRS)) for total in sums)
        return cls(upright=upright, level=level)

    def arrays(self) -> dict[str, Floats]:
        """As a checkpoint keeps them."""
        return {"upright": self.upright, "level": self.level}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Floats], frame: Mapping[str, Any]) -> OwnLines | None:
        """Those that a checkpoint keeps for frames of this size.

        Raises CheckpointError where they do not fit.
        """
        if not shows_insets(frame):
            return None
        picture = np.zeros((1, int(frame["height"]), int(frame["width"]), 3), np.uint8)
        height, width = gray_of(picture).shape[1:]
        for name, shape in (("upright", (height, width)), ("level", (width, height))):
            found = arrays.get(name)
            if found is None or found.shape != shape or not np.isfinite(found).all():
                raise CheckpointError(
                    f"the filter's {name} lines have shape {getattr(found, 'shape', None)}, "
                    f"expected {shape}, finite"
                )
        return cls(upright=arrays["upright"], level=arrays["level"])


def _own(votes: Floats) -> Floats:
    found, count = unlike(votes)
    usual = np.median(count[:, BESIDE:-BESIDE])
    hidden = (count < STILL * usual) | (found >= OWN_LINE)
    whole = np.where(hidden, 0, found).sum(0) >= OWN_WHOLE_LINE * (~hidden).sum(0).clip(1)
    # One falls between pixels now and then.
    hidden |= whole | np.roll(whole, 1) | np.roll(whole, -1)
    return np.where(hidden, np.float32(1), np.clip(found, 0, OWN_MOST))


@dataclass(frozen=True, slots=True)
class Lines:
    """How strong lines of one direction are, as sums along each, so that a part of it is read off.

    M parts of lines
    """

    strength: Floats
    """[L + 1, P]: of the first so many places."""
    seen: Floats
    """[L + 1, P]: how many of these can be seen."""

    @classmethod
    def of(cls, votes: Floats, own: Floats) -> Lines:
        """Those of votes [2, L, P] for `CHANGES` changes, but for a game's own."""
        visible = own < 1
        found = np.clip((unlike(votes)[0] - own) * np.float32(1 / FULL), -1, 1)
        sums = (_sums(np.where(visible, found, np.float32(0))), _sums(visible))
        return cls(*sums)

    @property
    def length(self) -> int:
        """L."""
        return len(self.strength) - 1

    @property
    def places(self) -> int:
        """P."""
        return self.strength.shape[1]

    def strong(self) -> Places:
        """Where lines are strong somewhere, the strongest `MOST_LINES` of them, in order."""
        line, least = round(LINE * self.length), SEEN * self.length
        seen = self.seen[line:] - self.seen[:-line]
        mean = (self.strength[line:] - self.strength[:-line]) / np.maximum(seen, least)
        best = np.where(seen >= least, mean, 0).max(0)
        near = np.lib.stride_tricks.sliding_window_view(np.pad(best, 2), 5).max(1)
        peaks = np.flatnonzero((best == near) & (best >= LINE_STRENGTH))
        strongest = np.argsort(-best[peaks], kind="stable")[:MOST_LINES]
        return np.sort(peaks[strongest])

    def mean(self, place: Places, start: Places, end: Places, least: float) -> tuple[Floats, Bools]:
        """Mean strength of parts of lines, and whether at least so much of each is seen, [M]."""
        start, end = (np.clip(at, 0, self.length) for at in (start, end))
        inside = (place >= 0) & (place < self.places)
        at = np.where(inside, place, 0)
        seen = self.seen[end, at] - self.seen[start, at]
        mean = (self.strength[end, at] - self.strength[start, at]) / np.maximum(seen, 1)
        return mean, inside & (seen >= least) & (seen > 0)

    def sides(self, place: Places, start: Places, end: Places) -> tuple[Floats, Bools]:
        """How strong sides of insets are, and whether they are seen, [M]; none where the line goes
        on beyond a corner.
        """
        strength, seen = self.mean(place, start + 2, end - 1, SEEN * self.length)
        beyond = round(BEYOND * self.length)
        for a, b in ((start - 1 - beyond, start - 1), (end + 2, end + 2 + beyond)):
            more, is_seen = self.mean(place, a, b, beyond / 2)
            strength = np.where(is_seen & (more >= WEAKER * strength), np.float32(0), strength)
        return strength, seen


def _sums(x: NDArray[np.generic]) -> Floats:
    found = np.zeros((len(x) + 1, x.shape[1]), np.float32)
    np.cumsum(x, axis=0, dtype=np.float32, out=found[1:])
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Inset:
    """Where a rectangle was found, pixels of the compared pictures, and how strong its weakest side
    is.
    """

    top: int
    left: int
    bottom: int
    right: int
    strength: float


def find_inset(votes: tuple[Floats, Floats], own: OwnLines) -> Inset | None:
    """The rectangle that is likeliest an inset, by the votes for `CHANGES` changes; None where none
    is strong enough.
    """
    upright, level = Lines.of(votes[0], own.upright), Lines.of(votes[1], own.level)
    columns, rows = upright.strong(), level.strong()
    if not (len(columns) and len(rows)):
        return None
    left, right = _spans(columns, upright.places)
    top, bottom = _spans(rows, level.places)
    if not (len(left) and len(top)):
        return None
    x, y = (i.ravel() for i in np.meshgrid(np.arange(len(left)), np.arange(len(top))))
    left, right, top, bottom = left[x], right[x], top[y], bottom[y]
    sides = [
        upright.sides(left, top, bottom),
        upright.sides(right, top, bottom),
        level.sides(top, left, right),
        level.sides(bottom, left, right),
    ]
    seen = np.stack([is_seen for _, is_seen in sides])  # (4, M)
    weakest = np.min([np.where(s, strength, np.inf) for strength, s in sides], axis=0)
    corner = (seen[0] | seen[1]) & (seen[2] | seen[3])
    middle = np.abs(left + right - upright.places) < 2 * HELD * upright.places
    held = middle & (top + bottom > 2 * LOWER * level.places)
    weakest = np.where(corner & ~held, weakest, 0)
    best = int(np.argmax(weakest))
    if weakest[best] < STRENGTH:
        return None
    y0, x0, y1, x1 = (max(int(at[best]), 0) for at in (top, left, bottom, right))
    return Inset(top=y0, left=x0, bottom=y1, right=x1, strength=float(weakest[best]))


def _spans(lines: Places, length: int) -> tuple[Places, Places]:
    """Pairs of lines, or of a line and the picture's edge, as far from each other as the sides of
    insets are.
    """
    places = np.array([-1, *lines, length])
    i, j = np.triu_indices(len(places), 1)
    size = places[j] - places[i]
    fit = (size >= SHORTEST * length) & (size <= LONGEST * length)
    return places[i[fit]], places[j[fit]]
