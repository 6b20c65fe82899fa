"""Where to go next: to the nearest place not yet visited, preferably straight on.

The way leads through doors and to switches.

The explorer only decides on ways. Keys and mouse are the business of `player.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .movers import Trigger
from .navigation import CELL, NEAR_WALL, STAIRS, UNREACHED, WalkGrid

# A place counts as visited once it was looked into from so near: people do not sweep floors.
VISIT_RADIUS = 288.0
RAYS = 28
# Cells of the route that are tried as the point to walk to, the farthest first.
LOOK_AHEAD = (24, 16, 11, 8, 6, 4, 3, 2, 1)
USE_REACH = 60.0  # the game's reach is 64
DETOUR = 120  # cost by which a goal may lie farther than the nearest, if it lies ahead (2 per cell)
NEAR_GOAL = 40  # cost below which a goal is hardly worth a turn
REPLAN_CELLS = 6  # people decide on the next way a little before they arrive


@dataclass(frozen=True)
class Waypoint:
    """What to walk to: a point in Doom units, and its floor's height.

    `remaining` is the distance that is left of the route.
    """

    x: float
    y: float
    floor: float
    remaining: float


def bearing(x: float, y: float, to_x: float, to_y: float) -> float:
    """Degrees from +x leftwards."""
    return math.degrees(math.atan2(to_y - y, to_x - x))


def turn_between(angle: float, to_angle: float) -> float:
    """The turn from one heading to another in degrees; to the right is positive, as for a mouse."""
    return -math.remainder(to_angle - angle, 360.0)


class Explorer:
    """Keeps the map of visited cells and a route through the others.

    Args:
        grid: the walkable map; the explorer blocks cells where the player gets stuck.
        rng: the only source of chance.
    """

    def __init__(self, grid: WalkGrid, rng: np.random.Generator):
        self.grid, self.rng = grid, rng
        self.visited = np.zeros(grid.walkable.size, bool)
        self.route: list[int] = []
        self.trigger: Trigger | None = None
        steps = np.arange(0, VISIT_RADIUS, CELL)
        angles = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)[:, None]
        self._rays = np.stack([np.cos(angles) * steps, np.sin(angles) * steps])  # [2, RAYS, steps]
        self._angles = np.degrees(angles[:, 0])
        self._reach = steps
        self._last = (0.0, 0.0)
        self._given_up: set[int] = set()
        self._replanned_tic = -1000

    def notice(self, x: float, y: float) -> None:
        """Take note that the player stands here now.

        The surroundings are marked as visited, and a trigger line that was crossed as activated.
        """
        grid = self.grid
        free = grid.free_distance(x, y, self._angles, VISIT_RADIUS)
        iy, ix = grid.cells(x + self._rays[0], y + self._rays[1])
        seen = (iy * grid.shape[1] + ix)[self._reach <= free[:, None] + CELL]
        self.visited[seen] = True
        jumped = math.dist(self._last, (x, y)) > 200
        if not jumped:
            for trigger in grid.triggers:
                new = trigger.kind == "walk" and trigger.line not in grid.activated
                if new and self._crossed(trigger, x, y):
                    grid.activate(trigger)
        else:
            self.route = []
        self._last = (x, y)

    def _crossed(self, trigger: Trigger, x: float, y: float) -> bool:
        x1, y1, x2, y2 = (float(v) for v in self.grid.geometry.lines[trigger.line])
        near_x = min(x1, x2) - 40 <= x <= max(x1, x2) + 40
        near_y = min(y1, y2) - 40 <= y <= max(y1, y2) + 40
        if not (near_x and near_y):
            return False
        px, py = self._last
        before = (x2 - x1) * (py - y1) - (y2 - y1) * (px - x1)
        after = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        return before * after < 0

    def waypoint(self, x: float, y: float, angle: float, tic: int) -> Waypoint | None:
        """The point to walk to now; None where there is nowhere to go."""
        here = self._follow(x, y)
        ends_soon = here is None or len(self.route) <= REPLAN_CELLS
        if ends_soon and self.trigger is None and tic - self._replanned_tic >= 10:
            self._replanned_tic = tic
            self._plan(x, y, angle)
        if not self.route:
            return None
        fitting = (n for n in LOOK_AHEAD if n <= len(self.route))
        ahead = next(n for n in fitting if n == 1 or self._straight(x, y, self.route[:n]))
        cell = self.route[ahead - 1]
        to_x, to_y = self.grid.centre(cell)
        floor = float(self.grid.floor.ravel()[cell])
        beyond = CELL * (len(self.route) - ahead)
        return Waypoint(to_x, to_y, floor, math.dist((x, y), (to_x, to_y)) + beyond)

    def _follow(self, x: float, y: float) -> int | None:
        """Drop the part of the route that lies behind; forget the route where it is far away.

        Returns the index of the nearest cell, or None where there is no route.
        """
        if not self.route:
            return None
        near = self.route[:16]
        distances = [math.dist((x, y), self.grid.centre(c)) for c in near]
        nearest = int(np.argmin(distances))
        if distances[nearest] > 96:
            self.route, self.trigger = [], None
            return None
        self.route = self.route[nearest + (distances[nearest] < 20) :]
        return nearest

    def _straight(self, x: float, y: float, route: list[int]) -> bool:
        """Whether one can walk straight to the route's end.

        That needs as much room as the route has, and no door between.
        """
        to_x, to_y = self.grid.centre(route[-1])
        n = max(2, int(math.dist((x, y), (to_x, to_y)) / 8))
        t = np.linspace(0.0, 1.0, n + 1)
        iy, ix = self.grid.cells(x + (to_x - x) * t, y + (to_y - y) * t)
        if not self.grid.walkable[iy, ix][2:].all() or self.grid.door[iy, ix].any():
            return False
        room = min(int(self.grid.clearance.ravel()[route].min()), 1)
        if self.grid.clearance[iy, ix][4:-1].min(initial=9) < room:
            return False
        floor = self.grid.floor[iy, ix]
        return bool((np.diff(floor[2:]) <= STAIRS).all())

    def _plan(self, x: float, y: float, angle: float) -> None:
        grid = self.grid
        start = grid.nearest_walkable(x, y)
        self.route, self.trigger = [], None
        if start is None:
            return
        extra = self._turning_cost(start, angle)
        for room in (NEAR_WALL, 1):  # nooks only where nothing else is left
            goals = ~self.visited & grid.walkable.ravel() & (grid.clearance.ravel() >= room)
            cost, parent = grid.search(start, goals, slack=DETOUR, extra=extra)
            candidates = np.flatnonzero((cost[:-1] < UNREACHED) & goals)
            if len(candidates):
                break
        best, best_score = -1, math.inf
        if len(candidates):
            pick = self.rng.permutation(candidates)[:200]
            cx = grid.origin[0] + (pick % grid.shape[1] + 0.5) * CELL - x
            cy = grid.origin[1] + (pick // grid.shape[1] + 0.5) * CELL - y
            away = np.abs(np.remainder(np.degrees(np.arctan2(cy, cx)) - angle + 180, 360) - 180)
            score = np.maximum(cost[pick], NEAR_GOAL) + 3.0 * np.maximum(NEAR_GOAL - cost[pick], 0)
            score = score + 0.3 * away + self.rng.uniform(0, 20, len(pick))
            best, best_score = int(pick[score.argmin()]), float(score.min())
        trigger, stand, trigger_score = self._nearest_trigger(cost)
        if trigger is not None and trigger_score < best_score:
            best, self.trigger = stand, trigger
        if best < 0:
            best = self._wander(cost)
        self.route = grid.route(parent, best) if best >= 0 else []

    def _turning_cost(self, start: int, angle: float) -> np.ndarray:
        """int32 [Y*X]: what it costs to set out sideways or backwards, on cells near the start."""
        extra = np.zeros(self.grid.walkable.size, np.int32)
        sy, sx = divmod(start, self.grid.shape[1])
        y, x = np.mgrid[-5:6, -5:6]
        off = np.abs(np.remainder(np.degrees(np.arctan2(y, x)) - angle + 180, 360) - 180)
        iy, ix = (sy + y).clip(0, self.grid.shape[0] - 1), (sx + x).clip(0, self.grid.shape[1] - 1)
        extra[iy * self.grid.shape[1] + ix] = np.where(off > 110, 12, np.where(off > 60, 5, 0))
        return extra

    def _nearest_trigger(self, cost: np.ndarray) -> tuple[Trigger | None, int, float]:
        best: tuple[Trigger | None, int, float] = (None, -1, math.inf)
        for trigger in self.grid.triggers:
            done = trigger.line in self.grid.activated or trigger.line in self._given_up
            if done or trigger.kind != "switch":
                continue
            x1, y1, x2, y2 = (float(v) for v in self.grid.geometry.lines[trigger.line])
            length = max(math.dist((x1, y1), (x2, y2)), 1.0)
            # A switch is pressed from the front, which is on the right of its line.
            stand_x = (x1 + x2) / 2 + (y2 - y1) / length * 30
            stand_y = (y1 + y2) / 2 - (x2 - x1) / length * 30
            cell = self.grid.nearest_walkable(stand_x, stand_y, reach=2)
            if cell is not None and cost[cell] + 20 < best[2]:
                best = (trigger, cell, float(cost[cell] + 20))
        return best if best[2] < UNREACHED else (None, -1, math.inf)

    def _wander(self, cost: np.ndarray) -> int:
        """Everything was visited: forget it, and walk somewhere far."""
        reached = np.flatnonzero((cost[:-1] < UNREACHED) & (self.grid.clearance.ravel() >= 1))
        self.visited[:] = False
        if len(reached) == 0:
            return -1
        far = reached[cost[reached] >= np.quantile(cost[reached], 0.6)]
        return int(self.rng.choice(far))

    def switch_at_hand(self, x: float, y: float) -> tuple[float, float] | None:
        """The middle of the switch that the route leads to, once it can be reached by hand."""
        if self.trigger is None:
            return None
        x1, y1, x2, y2 = (float(v) for v in self.grid.geometry.lines[self.trigger.line])
        middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        return middle if math.dist((x, y), middle) < USE_REACH - 8 else None

    def pressed(self) -> None:
        """The switch of the route was pressed."""
        if self.trigger is not None:
            self.grid.activate(self.trigger)
        self.route, self.trigger = [], None

    def give_up(self, x: float, y: float, angle: float) -> None:
        """Take the cells ahead out of the map, or the switch off the list, and plan anew.

        The player calls it where they cannot get on.
        """
        if self.trigger is not None and len(self.route) < 4:
            self._given_up.add(self.trigger.line)
        else:
            ahead = math.radians(angle)
            self.grid.block(x + 34 * math.cos(ahead), y + 34 * math.sin(ahead), radius=14.0)
        self.route, self.trigger = [], None

    def door_ahead(self, x: float, y: float) -> bool:
        """A door or lift lies on the next steps of the route, within the hand's reach."""
        door, lift = self.grid.door.ravel(), self.grid.lift.ravel()
        return any(
            (door[c] or lift[c]) and math.dist((x, y), self.grid.centre(c)) < USE_REACH
            for c in self.route[:5]
        )
