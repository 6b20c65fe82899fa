"""Where a player of 32 x 32 x 56 units can walk on a Doom map, and how to get somewhere.

The map becomes a grid of 16-unit cells under Doom's own rules of collision: a box of 32 units that may climb 24, needs
56 of height, and stands on the highest floor it touches. Doors count as passable (somebody has to press USE), lifts
as passable both at their upper and at their lower floor.

Shapes: grids are [Y, X] with cell (y, x) centred on `origin + (index + 0.5) * CELL`; routes are lists of flat indices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .wad import NO_SIDE, MapGeometry

CELL = 16  # half a player: fine enough for a door frame of 64, coarse enough for 0.1 s of building
RADIUS = 16.0  # the player's half width
HEIGHT = 56.0
CLIMB = 24.0
NEAR_WALL = 3  # cells: people keep about a metre and a half from walls where they can

USE_DOORS = frozenset(
    {1, 26, 27, 28, 31, 32, 33, 34, 117, 118}
)  # pressed by hand, open the sector behind the line
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

# Decorations that stop the player (Doom's thing numbers): barrels, pillars, torches, trees, hanging bodies.
SOLID_THINGS = frozenset(
    {2035, 70, 2028, 25, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 37, 41, 42, 43, 44, 45, 46, 47, 48}
    | {49, 50, 51, 52, 53, 54, 55, 56, 57, 73, 74, 75, 76, 77, 78, 85, 86}
)
_STEPS = (
    (0, 1),
    (1, 0),
    (0, -1),
    (-1, 0),
    (1, 1),
    (1, -1),
    (-1, -1),
    (-1, 1),
)  # (dy, dx); straight ones first


@dataclass(frozen=True)
class Trigger:
    """A line that changes the map: `kind` is `switch` (USE it) or `walk` (cross it)."""

    kind: str
    line: int
    tag: int
    special: int


@dataclass
class _Heights:
    """Floor and ceiling a sector, as they stand or can be brought to stand."""

    floor: np.ndarray
    ceiling: np.ndarray
    low_floor: np.ndarray = field(init=False)
    """Where a lift can be brought down to."""
    opened: np.ndarray = field(init=False)
    """bool: a switch opened this sector for good."""

    def __post_init__(self) -> None:
        self.low_floor = self.floor.copy()
        self.opened = np.zeros(len(self.floor), bool)


class WalkGrid:
    """The walkable cells of one map and the steps between them.

    Public arrays: `walkable`, `door`, `lift` bool [Y, X]; `clearance` uint8 [Y, X] (cells to the nearest wall, at most
    NEAR_WALL); `floor` [Y, X] (height under the box, lifts down); `sector` int32 [Y, X] (-1: outside);
    `neighbours` int32 [Y*X + 1, 8] (Y*X where there is no step).
    """

    def __init__(self, geometry: MapGeometry):
        self.geometry = geometry
        lines = geometry.lines
        low = np.minimum(lines[:, :2], lines[:, 2:]).min(axis=0) - 2 * CELL
        high = np.maximum(lines[:, :2], lines[:, 2:]).max(axis=0) + 2 * CELL
        self.origin = np.floor(low / CELL) * CELL
        self.shape = tuple(int(n) for n in np.ceil((high - self.origin) / CELL)[::-1])  # (Y, X)
        self.activated: set[int] = set()
        special = geometry.special
        self.triggers = [
            Trigger("switch" if int(s) in SWITCHES else "walk", i, int(geometry.tag[i]), int(s))
            for i, s in enumerate(special)
            if int(s) in SWITCHES or int(s) in WALK_TRIGGERS
        ]
        self.opaque_lines = np.zeros((0, 4), np.float32)
        self.sector = self._rasterise_sectors()
        self._footprints: dict[
            int, tuple[tuple[slice, slice] | None, np.ndarray]
        ] = {}  # cells beside each line
        self.build()

    # -- building ------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """(Re)compute the grid from the map and the triggers activated so far."""
        g = self.geometry
        heights = self._heights()
        solid = (g.back == NO_SIDE) | g.blocking | np.isin(g.special, list(EXITS | TELEPORTS))
        front, back = g.front, np.maximum(g.back, 0)
        top = np.minimum(heights.ceiling[front], heights.ceiling[back])  # [L]
        # Doors that are opened by hand shut again behind the player: they count as shut for the eye.
        shut = np.where(heights.opened, heights.ceiling, g.ceiling)
        opening = np.minimum(shut[front], shut[back]) - np.maximum(
            heights.floor[front], heights.floor[back]
        )
        self.opaque_lines = g.lines[(g.back == NO_SIDE) | (opening <= 0)]

        inside = self.sector >= 0
        sector = np.maximum(self.sector, 0)
        walkable = inside.copy()
        self._below = np.where(inside, heights.floor[sector], np.inf).astype(
            np.float32
        )  # what hides from the eye
        self._above = np.where(inside, shut[sector], -np.inf).astype(np.float32)
        upper = np.where(
            inside, heights.floor[sector], np.inf
        )  # [Y, X] floor under the box, lifts up
        lower = np.where(inside, heights.low_floor[sector], np.inf)  # the same, lifts down
        ceiling = np.where(inside, heights.ceiling[sector], -np.inf)
        door = np.zeros(self.shape, bool)
        lift = np.zeros(self.shape, bool)
        is_door = self._door_lines()
        is_lift = np.isin(g.special, list(SWITCH_LIFTS))
        flat = (heights.floor[front] == heights.floor[back]) & (
            heights.ceiling[front] == heights.ceiling[back]
        )
        flat &= heights.low_floor[front] == heights.low_floor[back]
        for i in np.flatnonzero(solid | ~flat | is_door).tolist():
            if i not in self._footprints:
                self._footprints[i] = self._touched(g.lines[i], RADIUS)
            region, touched = self._footprints[i]
            if region is None:
                continue
            if solid[i]:
                walkable[region][touched] = False
                continue
            a, b = front[i], back[i]
            for grid, floor in ((upper, heights.floor), (lower, heights.low_floor)):
                grid[region][touched] = np.maximum(grid[region][touched], max(floor[a], floor[b]))
            ceiling[region][touched] = np.minimum(ceiling[region][touched], top[i])
            if is_door[i]:
                door[region] |= touched
            if is_lift[i]:
                lift[region] |= touched
        for x, y, kind in g.things:
            if int(kind) in SOLID_THINGS:
                region, touched = self._touched(np.array([x, y, x, y], np.float32), RADIUS + 14)
                if region is not None:
                    walkable[region][touched] = False
        walkable &= ceiling - lower >= HEIGHT
        self.walkable, self.door, self.lift = walkable, door, lift
        self.floor = lower
        self.neighbours = self._link(walkable, ((upper, ceiling), (lower, ceiling)))
        self.clearance = self._clearance(walkable)
        near = np.array([6, 2, 0, 0], np.int32)[self.clearance]
        self.cost = (2 + near + 10 * door + 20 * lift).astype(np.int32).ravel()

    def _heights(self) -> _Heights:
        g = self.geometry
        heights = _Heights(g.floor.copy(), g.ceiling.copy())
        two_sided = np.flatnonzero(g.back != NO_SIDE)
        around: dict[int, set[int]] = {}
        for i in two_sided.tolist():
            around.setdefault(int(g.front[i]), set()).add(int(g.back[i]))
            around.setdefault(int(g.back[i]), set()).add(int(g.front[i]))
        doors = {int(g.back[i]) for i in two_sided.tolist() if int(g.special[i]) in USE_DOORS}
        lifts: set[int] = set()
        sunk: set[int] = set()
        for n, special in enumerate(g.special.tolist()):
            tagged = [int(t) for t in np.flatnonzero(g.sector_tag == g.tag[n])] if g.tag[n] else []
            if special in SWITCH_LIFTS | WALK_LIFTS:
                lifts.update(tagged)
            if n in self.activated:
                if special in SWITCH_DOORS | WALK_DOORS:
                    doors.update(tagged)
                    heights.opened[tagged] = True
                elif special in SWITCH_FLOORS_DOWN | WALK_FLOORS_DOWN:
                    sunk.update(tagged)
        for s in doors:
            others = [g.ceiling[o] for o in around.get(s, ()) if o != s]
            if others:
                heights.ceiling[s] = max(heights.ceiling[s], min(others) - 4)
        for s in lifts | sunk:
            others = [g.floor[o] for o in around.get(s, ()) if o != s]
            if others:
                heights.low_floor[s] = min(heights.floor[s], *others)
        for s in sunk:
            heights.floor[s] = heights.low_floor[s]
        return heights

    def _door_lines(self) -> np.ndarray:
        """bool [L]: the line opens a door that is shut at the start."""
        g = self.geometry
        shut = g.ceiling[np.maximum(g.back, 0)] - g.floor[np.maximum(g.back, 0)] < HEIGHT
        return (g.back != NO_SIDE) & np.isin(g.special, list(USE_DOORS)) & shut

    def _rasterise_sectors(self) -> np.ndarray:
        """int32 [Y, X]: the sector of each cell's centre, -1 outside; by scan lines."""
        g = self.geometry
        ny, nx = self.shape
        out = np.full((ny, nx), -1, np.int32)
        x_centre = self.origin[0] + (np.arange(nx) + 0.5) * CELL
        x1, y1, x2, y2 = g.lines.T
        for iy in range(ny):
            y = (
                self.origin[1] + (iy + 0.5) * CELL + 0.013
            )  # off the vertices, which lie on whole numbers
            crossing = np.flatnonzero((y1 > y) != (y2 > y))
            if len(crossing) == 0:
                continue
            x = x1[crossing] + (y - y1[crossing]) / (y2[crossing] - y1[crossing]) * (
                x2[crossing] - x1[crossing]
            )
            order = np.argsort(x)
            crossing, x = crossing[order], x[order]
            # A line's front is on its right: a line that goes up has its front towards +x.
            to_the_right = np.where(
                y2[crossing] > y1[crossing], g.front[crossing], g.back[crossing]
            )
            left = np.searchsorted(x, x_centre) - 1
            out[iy] = np.where(left >= 0, to_the_right[np.maximum(left, 0)], -1)
        return out

    def _touched(
        self, line: np.ndarray, radius: float
    ) -> tuple[tuple[slice, slice] | None, np.ndarray]:
        """The cells in which a box of the given half width overlaps a line: (slices, bool mask)."""
        x1, y1, x2, y2 = (float(v) for v in line)
        reach = radius - 0.5  # touching is not overlapping
        ox, oy = (float(v) for v in self.origin)
        ix = slice(
            max(0, int(np.ceil((min(x1, x2) - reach - ox) / CELL - 0.5))),
            min(self.shape[1], int(np.floor((max(x1, x2) + reach - ox) / CELL - 0.5)) + 1),
        )
        iy = slice(
            max(0, int(np.ceil((min(y1, y2) - reach - oy) / CELL - 0.5))),
            min(self.shape[0], int(np.floor((max(y1, y2) + reach - oy) / CELL - 0.5)) + 1),
        )
        if ix.stop <= ix.start or iy.stop <= iy.start:
            return None, np.zeros((0, 0), bool)
        dx, dy = x2 - x1, y2 - y1
        cx = ox + (np.arange(ix.start, ix.stop) + 0.5) * CELL - x1
        cy = oy + (np.arange(iy.start, iy.stop) + 0.5) * CELL - y1
        distance = np.abs(cx[None, :] * dy - cy[:, None] * dx)  # times the line's length
        return (iy, ix), distance <= reach * (abs(dx) + abs(dy))

    def _link(
        self, walkable: np.ndarray, levels: tuple[tuple[np.ndarray, np.ndarray], ...]
    ) -> np.ndarray:
        ny, nx = self.shape
        padded = np.pad(walkable, 1)
        steps = []
        for dy, dx in _STEPS:
            there = (slice(1 + dy, 1 + dy + ny), slice(1 + dx, 1 + dx + nx))
            allowed = np.zeros(self.shape, bool)
            for floor, ceiling in levels:
                next_floor = np.pad(floor, 1, constant_values=np.inf)[there]
                next_ceiling = np.pad(ceiling, 1, constant_values=-np.inf)[there]
                with np.errstate(invalid="ignore"):
                    allowed |= (next_floor - floor <= CLIMB) & (
                        next_ceiling - np.maximum(floor, next_floor) >= HEIGHT
                    )
            steps.append(allowed & walkable & padded[there])
        for k in range(4, 8):  # a diagonal step needs both straight ones beside it
            dy, dx = _STEPS[k]
            steps[k] &= steps[_STEPS.index((dy, 0))] & steps[_STEPS.index((0, dx))]
        index = np.arange(ny * nx, dtype=np.int32).reshape(ny, nx)
        table = np.full((ny * nx + 1, 8), ny * nx, np.int32)
        for k, (dy, dx) in enumerate(_STEPS):
            table[:-1, k] = np.where(steps[k], index + dy * nx + dx, ny * nx).ravel()
        return table

    @staticmethod
    def _clearance(walkable: np.ndarray) -> np.ndarray:
        clearance = np.zeros(walkable.shape, np.uint8)
        inner = walkable
        for _ in range(NEAR_WALL):
            p = np.pad(inner, 1)
            inner = inner & p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:]
            clearance += inner
        return clearance

    # -- asking --------------------------------------------------------------------------------------------------

    def activate(self, trigger: Trigger) -> None:
        """Somebody pressed or crossed a trigger: what it moves is passable from now on."""
        if trigger.line not in self.activated:
            self.activated.add(trigger.line)
            self.build()

    def block(self, x: float, y: float, radius: float = 24.0) -> None:
        """Something that the map does not show stands here: take its cells out."""
        region, touched = self._touched(np.array([x, y, x, y], np.float32), radius)
        if region is not None:
            flat = np.arange(self.walkable.size).reshape(self.shape)[region][touched]
            self.walkable[region][touched] = False
            self.neighbours[flat] = self.walkable.size
            self.neighbours[np.isin(self.neighbours, flat)] = self.walkable.size

    def index(self, x: float, y: float) -> int:
        """The flat index of the cell under a point (clipped to the grid)."""
        ix = min(max(int((x - self.origin[0]) // CELL), 0), self.shape[1] - 1)
        iy = min(max(int((y - self.origin[1]) // CELL), 0), self.shape[0] - 1)
        return iy * self.shape[1] + ix

    def centre(self, index: int) -> tuple[float, float]:
        """The centre of a cell in Doom units."""
        iy, ix = divmod(int(index), self.shape[1])
        return float(self.origin[0] + (ix + 0.5) * CELL), float(self.origin[1] + (iy + 0.5) * CELL)

    def nearest_walkable(self, x: float, y: float, reach: int = 4) -> int | None:
        """The walkable cell nearest to a point, at most `reach` cells away."""
        iy, ix = divmod(self.index(x, y), self.shape[1])
        ys, xs = (
            slice(max(0, iy - reach), iy + reach + 1),
            slice(max(0, ix - reach), ix + reach + 1),
        )
        near = np.argwhere(self.walkable[ys, xs])
        if len(near) == 0:
            return None
        near += (ys.start, xs.start)
        centres = self.origin + (near[:, ::-1] + 0.5) * CELL
        best = near[np.argmin(((centres - (x, y)) ** 2).sum(axis=1))]
        return int(best[0] * self.shape[1] + best[1])

    def search(
        self,
        start: int,
        goals: np.ndarray,
        *,
        slack: int = 0,
        most: int = 4000,
        extra: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cheapest ways from a cell (Dial's buckets, a whole bucket a step).

        Args:
            start: flat index.
            goals: bool [Y*X]; the search ends `slack` cost units after the first goal was reached.
            extra: int32 [Y*X], added to what the cells cost this time.
            most: the largest cost that is explored (2 a cell in the open).

        Returns:
            (cost, parent) int32 [Y*X + 1]; cost is a huge number where nothing was reached.
        """
        n = self.walkable.size
        cost = np.full(n + 1, 1 << 30, np.int32)
        parent = np.full(n + 1, -1, np.int32)
        cost[start] = 0
        cell_cost = np.append(self.cost if extra is None else self.cost + extra, 1 << 20)
        buckets: dict[int, list[np.ndarray]] = {0: [np.array([start], np.int32)]}
        level, last = 0, most
        while buckets and level <= last:
            if level in buckets:
                bucket = np.concatenate(buckets.pop(level))
                cells = bucket[cost[bucket] == level]  # others were reached more cheaply since
                if last == most and goals[cells].any():
                    last = min(most, level + slack)
                there = self.neighbours[cells]  # [n, 8]
                new = level + cell_cost[there]
                new[:, 4:] += 1  # a diagonal is 1.4 cells long
                better = new < cost[there]
                target, value = there[better], new[better]
                if len(target):
                    source = np.broadcast_to(cells[:, None], there.shape)[better]
                    order = np.argsort(
                        -value, kind="stable"
                    )  # the cheapest is written last and stays
                    target, value, source = target[order], value[order], source[order]
                    cost[target], parent[target] = value, source
                    kept = cost[target] == value
                    target, value = target[kept], value[kept]
                    edges = np.flatnonzero(
                        np.diff(value, prepend=value[0] + 1)
                    )  # value falls: one run a bucket
                    for begin, end in zip(edges, [*edges[1:], len(value)], strict=True):
                        buckets.setdefault(int(value[begin]), []).append(target[begin:end])
            level += 1
        cost[n] = 1 << 30
        return cost, parent

    def route(self, parent: np.ndarray, goal: int) -> list[int]:
        """The cells from the start (left out) to the goal."""
        cells = []
        while parent[goal] >= 0:
            cells.append(int(goal))
            goal = int(parent[goal])
        return cells[::-1]

    def free_distance(
        self, x: float, y: float, headings: np.ndarray, reach: float = 512.0
    ) -> np.ndarray:
        """How far one can walk straight on, in Doom units [N], along headings [N] in degrees (from +x leftwards)."""
        steps = np.arange(1, int(reach / CELL) + 1) * float(CELL)
        angle = np.radians(headings)[:, None]
        ix = (
            ((x + np.cos(angle) * steps - self.origin[0]) // CELL)
            .astype(int)
            .clip(0, self.shape[1] - 1)
        )
        iy = (
            ((y + np.sin(angle) * steps - self.origin[1]) // CELL)
            .astype(int)
            .clip(0, self.shape[0] - 1)
        )
        floor = np.where(self.walkable[iy, ix], self.floor[iy, ix], np.inf)  # [N, S]
        here = self.floor[divmod(self.index(x, y), self.shape[1])]
        before = np.concatenate([np.full((len(headings), 1), here), floor[:, :-1]], axis=1)
        with np.errstate(invalid="ignore"):
            blocked = ~(floor - before <= 2 * CLIMB)  # a sample may pass two steps of a stair
        blocked[:, -1] = True
        return steps[blocked.argmax(axis=1)] - CELL

    def sees(self, x: float, y: float, eye: float, targets: np.ndarray) -> np.ndarray:
        """bool [N]: nothing stands between an eye (x, y, height) and targets float [N, 3]."""
        x1, y1, x2, y2 = self.opaque_lines.T  # [L]
        tx, ty = targets[:, 0, None], targets[:, 1, None]  # [N, 1]
        side_a = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)  # [L]
        side_b = (x2 - x1) * (ty - y1) - (y2 - y1) * (tx - x1)  # [N, L]
        side_c = (tx - x) * (y1 - y) - (ty - y) * (x1 - x)
        side_d = (tx - x) * (y2 - y) - (ty - y) * (x2 - x)
        walled = ((side_a * side_b < 0) & (side_c * side_d < 0)).any(axis=1)
        # Ledges and windows: the line of sight must pass between floor and ceiling on its way (both ends left out).
        t = np.linspace(0.06, 0.94, 48)
        ix = (
            ((x + (tx - x) * t - self.origin[0]) // CELL).astype(int).clip(0, self.shape[1] - 1)
        )  # [N, 48]
        iy = ((y + (ty - y) * t - self.origin[1]) // CELL).astype(int).clip(0, self.shape[0] - 1)
        height = eye + (targets[:, 2, None] - eye) * t
        return (
            ~walled
            & (self._below[iy, ix] < height).all(axis=1)
            & (self._above[iy, ix] > height).all(axis=1)
        )
