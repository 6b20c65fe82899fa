"""The lines of a Doom map that move something, and how far: doors, lifts and floors.

The numbers are Doom's line specials, from the unofficial Doom specs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .wad import NO_SIDE, MapGeometry

HEIGHT = 56.0  # the player's: a door that leaves less is shut
DOOR_LIP = 4  # an open door ends so far below the lowest ceiling beside it

# Doors that are pressed by hand open the sector behind their line.
USE_DOORS = frozenset({1, 26, 27, 28, 31, 32, 33, 34, 117, 118})
SWITCH_DOORS = frozenset(
    {29, 50, 61, 63, 99, 103, 111, 112, 113, 114, 115, 116, 133, 134, 135, 136, 137, 138}
)
WALK_DOORS = frozenset({2, 4, 16, 86, 90, 105, 106, 108, 109})
SWITCH_LIFTS = frozenset({21, 62, 122, 123})
WALK_LIFTS = frozenset({10, 53, 87, 88, 120, 121})
SWITCH_FLOORS_DOWN = frozenset({18, 23, 60, 70, 71, 101, 102, 131, 132, 45, 64, 69})
WALK_FLOORS_DOWN = frozenset({19, 36, 37, 38, 82, 83, 84, 98})
EXITS = frozenset({11, 51, 52, 124, 197, 198})
TELEPORTS = frozenset({39, 97, 125, 126, 174})
SWITCHES = SWITCH_DOORS | SWITCH_FLOORS_DOWN
WALK_TRIGGERS = WALK_DOORS | WALK_FLOORS_DOWN


@dataclass(frozen=True)
class Trigger:
    """A line that changes the map: `kind` is `switch` (USE it) or `walk` (cross it)."""

    kind: str
    line: int
    tag: int
    special: int


@dataclass
class Heights:
    """Floor and ceiling of each sector, as they stand or can be brought to stand."""

    floor: np.ndarray
    ceiling: np.ndarray
    low_floor: np.ndarray = field(init=False)
    """Where a lift can be brought down to."""
    opened: np.ndarray = field(init=False)
    """bool: a switch opened this sector for good."""

    def __post_init__(self) -> None:
        self.low_floor = self.floor.copy()
        self.opened = np.zeros(len(self.floor), bool)


def triggers_of(geometry: MapGeometry) -> list[Trigger]:
    """The lines that change the map, in their order."""
    return [
        Trigger("switch" if special in SWITCHES else "walk", line, int(tag), special)
        for line, (special, tag) in enumerate(
            zip(geometry.special.tolist(), geometry.tag, strict=True)
        )
        if special in SWITCHES | WALK_TRIGGERS
    ]


def reachable_heights(geometry: MapGeometry, activated: set[int]) -> Heights:
    """The heights with every door open and every lift down that a player can move.

    Args:
        activated: the lines of the triggers that were pressed or crossed so far.
    """
    g = geometry
    heights = Heights(g.floor.copy(), g.ceiling.copy())
    two_sided = np.flatnonzero(g.back != NO_SIDE).tolist()
    around: dict[int, set[int]] = {}
    for i in two_sided:
        around.setdefault(int(g.front[i]), set()).add(int(g.back[i]))
        around.setdefault(int(g.back[i]), set()).add(int(g.front[i]))
    doors = {int(g.back[i]) for i in two_sided if int(g.special[i]) in USE_DOORS}
    lifts: set[int] = set()
    sunk: set[int] = set()
    for n, special in enumerate(g.special.tolist()):
        # Tag 0 is that of all sectors without a tag: it moves none of them.
        tagged = [int(t) for t in np.flatnonzero(g.sector_tag == g.tag[n])] if g.tag[n] else []
        if special in SWITCH_LIFTS | WALK_LIFTS:
            lifts.update(tagged)
        if n in activated:
            if special in SWITCH_DOORS | WALK_DOORS:
                doors.update(tagged)
                heights.opened[tagged] = True
            elif special in SWITCH_FLOORS_DOWN | WALK_FLOORS_DOWN:
                sunk.update(tagged)
    for s in doors:
        others = [g.ceiling[o] for o in around.get(s, ()) if o != s]
        if others:
            heights.ceiling[s] = max(heights.ceiling[s], min(others) - DOOR_LIP)
    for s in lifts | sunk:
        others = [g.floor[o] for o in around.get(s, ()) if o != s]
        if others:
            heights.low_floor[s] = min(heights.floor[s], *others)
    for s in sunk:
        heights.floor[s] = heights.low_floor[s]
    return heights


def door_lines(geometry: MapGeometry) -> np.ndarray:
    """bool [L]: the line opens, by hand, a door that is shut at the start."""
    behind = np.maximum(geometry.back, 0)
    shut = geometry.ceiling[behind] - geometry.floor[behind] < HEIGHT
    by_hand = np.isin(geometry.special, list(USE_DOORS))
    return (geometry.back != NO_SIDE) & by_hand & shut
