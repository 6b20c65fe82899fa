"""Whom to fight: the monster a person would notice, and where to point at it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .game import Situation, Thing
from .navigation import WalkGrid

FIELD_OF_VIEW = 45.0  # degrees to either side
SIGHT = 1100.0  # Doom units; farther ones are a few pixels
EYE = 41.0
CHEST = 30.0
BOREDOM_TICS = 5 * 35  # a target that survives so long is out of reach
FORGET_TICS = 20 * 35
MAX_LOOKED_AT = 8  # the nearest ones, of which it is computed whether they can be seen


@dataclass(frozen=True)
class Aim:
    """A target: who it is, and where.

    `yaw` and `pitch` are the turns to it in degrees, right and down positive; `half_width` is half
    of its apparent width, in degrees.
    """

    id: int
    yaw: float
    pitch: float
    distance: float
    half_width: float


@dataclass
class Fighter:
    """Chooses a target and keeps to it."""

    grid: WalkGrid
    rng: np.random.Generator
    target: int | None = None
    since: int = 0
    noticed: int = 0
    _bored: dict[int, int] = field(default_factory=dict)

    def look(self, s: Situation, monsters: list[Thing], tic: int) -> Aim | None:
        """The target seen now, after the time a person takes to notice it; None in peace."""
        chosen = self._choose(s, monsters, tic)
        self.target = None if chosen is None else chosen[0].id
        if chosen is None or tic < self.noticed:
            return None
        thing, turn, distance = chosen
        up = math.degrees(math.atan2(thing.z + CHEST - (s.z + EYE), distance))
        half_width = math.degrees(math.atan2(20.0, distance))
        return Aim(thing.id, turn, s.pitch - up, distance, half_width)

    def _choose(
        self, s: Situation, monsters: list[Thing], tic: int
    ) -> tuple[Thing, float, float] | None:
        """The target, the turn to it in degrees, and its distance."""
        monsters = [m for m in monsters if tic >= self._bored.get(m.id, -1)]
        if not monsters:
            return None
        at = np.array([(t.x, t.y, t.z + CHEST) for t in monsters])
        distance = np.hypot(at[:, 0] - s.x, at[:, 1] - s.y)
        to = np.degrees(np.arctan2(at[:, 1] - s.y, at[:, 0] - s.x))
        turns = np.remainder(s.angle - to + 180, 360) - 180  # to the right is positive
        # A target is followed beyond the edge of the view, in which new ones are noticed.
        wide = np.array([75.0 if t.id == self.target else FIELD_OF_VIEW for t in monsters])
        near = np.flatnonzero((distance < SIGHT) & (np.abs(turns) < wide))
        near = near[np.argsort(distance[near])][:MAX_LOOKED_AT]
        if len(near):
            near = near[self.grid.sees(s.x, s.y, s.z + EYE, at[near])]
        if len(near) == 0:
            return None
        kept = [i for i in near if monsters[i].id == self.target]
        chosen = kept[0] if kept else near[np.argmin(distance[near] + 4 * np.abs(turns[near]))]
        if not kept:
            self.since = tic
            self.noticed = tic + int(self.rng.integers(5, 13))
        if tic - self.since > BOREDOM_TICS:
            self._bored[monsters[chosen].id] = tic + FORGET_TICS
            return None
        return monsters[chosen], float(turns[chosen]), float(max(distance[chosen], 1.0))
