"""Where a player of 32 x 32 x 56 units can walk on a Doom map, and how to get somewhere.

The map becomes a grid of 16-unit cells under Doom's own rules of collision: a box of 32 units that
may climb 24, needs 56 of height, and stands on the highest floor it touches. Doors count as
passable (somebody has to press USE), lifts as passable both at their upper and at their lower
floor.

Shapes: grids are [Y, X] with cell (y, x) centered on `origin + (index + 0.5) * CELL`; routes are
lists of flat indices.
"""

from __future__ import annotations

import numpy as np

from .maps import wad_of
from .movers import (
    EXITS,
    HEIGHT,
    SWITCH_LIFTS,
    TELEPORTS,
    Trigger,
    door_lines,
    reachable_heights,
    triggers_of,
)
from .wad import NO_SIDE, MapGeometry, Wad

CELL = 16  # half a player: fine enough for a door frame of 64, coarse enough for 0.1 s of building
RADIUS = 16.0  # the player's half width
CLIMB = 24.0
STAIRS = 2 * CLIMB  # between two samples a stair may have two steps
MAX_COST = 4000  # of a way that is looked for: 2 per cell in the open
UNREACHED = 1 << 30  # the cost of a cell that no way leads to
NEAR_WALL = 3  # cells: people keep about a metre and a half from walls where they can

# Decorations that stop the player (Doom's thing numbers): barrels, pillars, torches, trees, hanging
# bodies.
SOLID_THINGS = frozenset(
    {2035, 70, 2028, 25, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 37, 41, 42, 43, 44, 45, 46, 47, 48}
    | {49, 50, 51, 52, 53, 54, 55, 56, 57, 73, 74, 75, 76, 77, 78, 85, 86}
)
# (dy, dx); the straight ones first, because diagonal ones depend on them and cost more.
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))


class WalkGrid:
    """The walkable cells of one map and the steps between them.

    Public arrays: `walkable`, `door`, `lift` bool [Y, X]; `clearance` uint8 [Y, X] (cells to the
    nearest wall, at most NEAR_WALL); `floor` [Y, X] (height under the box, lifts down); `sector`
    int32 [Y, X] (-1: outside); `neighbours` int32 [Y*X + 1, 8] (Y*X where there is no step).
    """

    def __init__(self, geometry: MapGeometry):
        self.geometry = geometry
        lines = geometry.lines
        low = np.minimum(lines[:, :2], lines[:, 2:]).min(axis=0) - 2 * CELL
        high = np.maximum(lines[:, :2], lines[:, 2:]).max(axis=0) + 2 * CELL
        self.origin = np.floor(low / CELL) * CELL
        self.shape = tuple(int(n) for n in np.ceil((high - self.origin) / CELL)[::-1])  # (Y, X)
        self.activated: set[int] = set()
        self.triggers = triggers_of(geometry)
        self.opaque_lines = np.zeros((0, 4), np.float32)
        self.sector = self._rasterise_sectors()
        # The cells beside each line: they stay the same when the map is built anew.
        self._footprints: dict[int, tuple[tuple[slice, slice] | None, np.ndarray]] = {}
        self.build()

    # -- building ----------------------------------------------------------------------------------

    def build(self) -> None:
        """(Re)compute the grid from the map and the triggers activated so far."""
        g = self.geometry
        heights = reachable_heights(g, self.activated)
        # Exits would end the recording, teleporters throw the route away: neither is walked into.
        solid = (g.back == NO_SIDE) | g.blocking | np.isin(g.special, list(EXITS | TELEPORTS))
        front, back = g.front, np.maximum(g.back, 0)
        top = np.minimum(heights.ceiling[front], heights.ceiling[back])  # [L]
        # Doors that are opened by hand shut again behind the player: they count as shut for the
        # eye.
        shut = np.where(heights.opened, heights.ceiling, g.ceiling)
        highest_floor = np.maximum(heights.floor[front], heights.floor[back])
        opening = np.minimum(shut[front], shut[back]) - highest_floor
        self.opaque_lines = g.lines[(g.back == NO_SIDE) | (opening <= 0)]

        inside = self.sector >= 0
        sector = np.maximum(self.sector, 0)
        walkable = inside.copy()
        # [Y, X] floor under the box: with the lifts up, and with them down.
        upper = np.where(inside, heights.floor[sector], np.inf)
        lower = np.where(inside, heights.low_floor[sector], np.inf)
        # What hides from the eye, below and above.
        self._below = upper.astype(np.float32)
        self._above = np.where(inside, shut[sector], -np.inf).astype(np.float32)
        ceiling = np.where(inside, heights.ceiling[sector], -np.inf)
        door = np.zeros(self.shape, bool)
        lift = np.zeros(self.shape, bool)
        is_door = door_lines(g)
        is_lift = np.isin(g.special, list(SWITCH_LIFTS))
        flat = np.ones(len(g.lines), bool)  # lines without a step change nothing
        for height in (heights.floor, heights.ceiling, heights.low_floor):
            flat &= height[front] == height[back]
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

    def _rasterise_sectors(self) -> np.ndarray:
        """int32 [Y, X]: the sector of each cell's centre, -1 outside; by scan lines."""
        g = self.geometry
        ny, nx = self.shape
        out = np.full((ny, nx), -1, np.int32)
        x_centre = self.origin[0] + (np.arange(nx) + 0.5) * CELL
        x1, y1, x2, y2 = g.lines.T
        for iy in range(ny):
            # Off the vertices, which lie on whole numbers: no line is met at its very end.
            y = self.origin[1] + (iy + 0.5) * CELL + 0.013
            crossing = np.flatnonzero((y1 > y) != (y2 > y))
            if len(crossing) == 0:
                continue
            share = (y - y1[crossing]) / (y2[crossing] - y1[crossing])
            x = x1[crossing] + share * (x2[crossing] - x1[crossing])
            order = np.argsort(x)
            crossing, x = crossing[order], x[order]
            # A line's front is on its right: a line that goes up has its front towards +x.
            upwards = y2[crossing] > y1[crossing]
            to_the_right = np.where(upwards, g.front[crossing], g.back[crossing])
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

    # -- asking ------------------------------------------------------------------------------------

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

    def cells(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The indices (iy, ix) of the cells under points, clipped to the grid."""
        ix = ((x - self.origin[0]) // CELL).astype(int).clip(0, self.shape[1] - 1)
        iy = ((y - self.origin[1]) // CELL).astype(int).clip(0, self.shape[0] - 1)
        return iy, ix

    def index(self, x: float, y: float) -> int:
        """The flat index of the cell under a point (clipped to the grid)."""
        ix = min(max(int((x - self.origin[0]) // CELL), 0), self.shape[1] - 1)
        iy = min(max(int((y - self.origin[1]) // CELL), 0), self.shape[0] - 1)
        return iy * self.shape[1] + ix

    def centre(self, index: int) -> tuple[float, float]:
        """The center of a cell in Doom units."""
        iy, ix = divmod(int(index), self.shape[1])
        return float(self.origin[0] + (ix + 0.5) * CELL), float(self.origin[1] + (iy + 0.5) * CELL)

    def nearest_walkable(self, x: float, y: float, reach: int = 4) -> int | None:
        """The walkable cell nearest to a point, at most `reach` cells away."""
        iy, ix = divmod(self.index(x, y), self.shape[1])
        ys = slice(max(0, iy - reach), iy + reach + 1)
        xs = slice(max(0, ix - reach), ix + reach + 1)
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
        extra: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The cheapest ways from a cell, by Dial's buckets: each step takes a whole bucket.

        Args:
            start: flat index.
            goals: bool [Y*X]; the search ends `slack` cost units after the first goal was reached.
            extra: int32 [Y*X], added to what the cells cost this time.

        Returns:
            (cost, parent) int32 [Y*X + 1]; the cost is UNREACHED where no way leads.
        """
        n = self.walkable.size
        cost = np.full(n + 1, UNREACHED, np.int32)
        parent = np.full(n + 1, -1, np.int32)
        cost[start] = 0
        cell_cost = np.append(self.cost if extra is None else self.cost + extra, 1 << 20)
        buckets: dict[int, list[np.ndarray]] = {0: [np.array([start], np.int32)]}
        level, last = 0, MAX_COST
        while buckets and level <= last:
            if level in buckets:
                bucket = np.concatenate(buckets.pop(level))
                cells = bucket[cost[bucket] == level]  # others were reached more cheaply since
                if last == MAX_COST and goals[cells].any():
                    last = min(MAX_COST, level + slack)
                there = self.neighbours[cells]  # [n, 8]
                new = level + cell_cost[there]
                new[:, 4:] += 1  # a diagonal is 1.4 cells long
                better = new < cost[there]
                target, value = there[better], new[better]
                if len(target):
                    source = np.broadcast_to(cells[:, None], there.shape)[better]
                    # Where several ways lead to a cell, the cheapest is written last and stays.
                    order = np.argsort(-value, kind="stable")
                    target, value, source = target[order], value[order], source[order]
                    cost[target], parent[target] = value, source
                    kept = cost[target] == value
                    target, value = target[kept], value[kept]
                    # The values fall, so that each bucket gets one run of them.
                    edges = np.flatnonzero(np.diff(value, prepend=value[0] + 1))
                    for begin, end in zip(edges, [*edges[1:], len(value)], strict=True):
                        buckets.setdefault(int(value[begin]), []).append(target[begin:end])
            level += 1
        cost[n] = UNREACHED
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
        """How far one can walk straight on, in Doom units [N].

        Args:
            headings: [N] in degrees, from +x leftwards.
        """
        steps = np.arange(1, int(reach / CELL) + 1) * float(CELL)
        angle = np.radians(headings)[:, None]
        iy, ix = self.cells(x + np.cos(angle) * steps, y + np.sin(angle) * steps)
        floor = np.where(self.walkable[iy, ix], self.floor[iy, ix], np.inf)  # [N, S]
        here = self.floor[divmod(self.index(x, y), self.shape[1])]
        before = np.concatenate([np.full((len(headings), 1), here), floor[:, :-1]], axis=1)
        with np.errstate(invalid="ignore"):
            blocked = ~(floor - before <= STAIRS)
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
        # Ledges and windows: the line of sight must pass between floor and ceiling on its way. Both
        # ends are left out: the eye and the target stand in cells of their own.
        t = np.linspace(0.06, 0.94, 48)
        iy, ix = self.cells(x + (tx - x) * t, y + (ty - y) * t)  # [N, 48] each
        height = eye + (targets[:, 2, None] - eye) * t
        over_floors = (self._below[iy, ix] < height).all(axis=1)
        under_ceilings = (self._above[iy, ix] > height).all(axis=1)
        return ~walled & over_floors & under_ceilings


def grid_of(map_name: str) -> WalkGrid:
    """The grid of a map of Freedoom or of a scenario, by its name."""
    game_file, scenario, inner_map = wad_of(map_name)
    return WalkGrid(Wad(scenario or game_file).map(inner_map))
