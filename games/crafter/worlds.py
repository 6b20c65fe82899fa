"""Crafter's worlds, made in a sixth of the time: the same cells and creatures, draw for draw.

Crafter asks for the noise of one point after the other, about ten times a cell. Here the fields are
computed whole, and only what draws lots goes cell by cell, in Crafter's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from crafter import constants, objects
from numba import njit
from opensimplex import OpenSimplex
from opensimplex.internals import _noise3

DRAWS = 1 << 14  # more than a world takes: at most four a cell


def generate_world(world: Any, player: Any) -> None:
    """Fill a world as `crafter.worldgen.generate_world` does."""
    fields = _Fields(OpenSimplex(seed=world.random.randint(0, 2**31 - 1)), world.area, player.pos)
    dice = _Dice(world.random)
    materials, tunnels = _materials(fields, dice)
    ids = np.array([[world._mat_ids[name] for name in column] for column in materials], np.uint8)
    world._mat_map[:] = ids
    _creatures(world, player, (materials, tunnels, fields.distance.tolist()), dice)
    dice.put_back()


class _Dice:
    """The next numbers of a generator, as if they were drawn one by one."""

    def __init__(self, random: np.random.RandomState):
        self._random, self._before = random, random.get_state()
        self._numbers: Iterator[float] = iter(random.random_sample(DRAWS).tolist())
        self.drawn = 0

    def __call__(self) -> float:
        self.drawn += 1
        return next(self._numbers)

    def put_back(self) -> None:
        """Leave the generator where single draws would have left it."""
        self._random.set_state(self._before)
        self._random.random_sample(self.drawn)


class _Fields:
    """The noise of a world, float64 [X, Y] each."""

    def __init__(self, simplex: OpenSimplex, area: tuple[int, int], start: np.ndarray):
        self._simplex = simplex
        self.x, self.y = np.arange(area[0]), np.arange(area[1])
        away = (self.x[:, None] - start[0]) ** 2 + (self.y[None, :] - start[1]) ** 2
        self.distance = np.sqrt(away)
        near = (4 - self.distance) + 2 * self.at(8, 3)
        self.near = 1 / (1 + np.exp(-near))
        self.water = (self.at(3, 15) + 0.15 * self.at(3, 5)) + 0.1 - 2 * self.near
        mountain = (self.at(0, 15) + 0.3 * self.at(0, 5)) / 1.3
        self.mountain = mountain - (4 * self.near + 0.3 * self.water)

    def at(
        self, z: int, size: float, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> np.ndarray:
        """A field of a size; of other coordinates than those of the cells where they are given."""
        x, y = self.x if x is None else x, self.y if y is None else y
        permutation = self._simplex._perm, self._simplex._perm_grad_index3
        return _noise(x / size, y / size, float(z), *permutation)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _noise(
    x: np.ndarray, y: np.ndarray, z: float, permutation: np.ndarray, gradients: np.ndarray
) -> np.ndarray:
    out = np.empty((len(x), len(y)))
    for i in range(len(x)):
        for j in range(len(y)):
            out[i, j] = _noise3(x[i], y[j], z, permutation, gradients)
    return out


def _materials(f: _Fields, dice: _Dice) -> tuple[list[list[str]], np.ndarray]:
    """The material of each cell, and where tunnels are, bool [X, Y]."""
    high, low = f.mountain > 0.15, f.near > 0.5
    cave = (f.at(6, 7) > 0.15) & (f.mountain > 0.3)
    across = f.at(7, 3, 2 * f.x, f.y / 5) > 0.4
    down = f.at(7, 3, f.x / 5, 2 * f.y) > 0.4
    tunnels = ~low & high & ~cave & (across | down)
    sand = (f.water > 0.25) & (f.water <= 0.35) & (f.at(4, 9) > -0.2)
    # What is there without any luck; where lots are drawn, the materials that may be won.
    sure = np.select(
        [low, high & (cave | across | down), high, sand, f.water > 0.3],
        ["grass", "path", "rock", "sand", "water"],
        "meadow",
    ).tolist()
    coal, iron = (f.at(1, 8) > 0).tolist(), (f.at(2, 6) > 0.4).tolist()
    diamond = (f.mountain > 0.18).tolist()
    lava = ((f.mountain > 0.3) & (f.at(6, 5) > 0.35)).tolist()
    forest = (f.at(5, 7) > 0).tolist()
    for x, column in enumerate(sure):
        for y, material in enumerate(column):
            if material == "meadow":
                column[y] = "tree" if forest[x][y] and dice() > 0.8 else "grass"
            elif material == "rock":
                if coal[x][y] and dice() > 0.85:
                    column[y] = "coal"
                elif iron[x][y] and dice() > 0.75:
                    column[y] = "iron"
                elif diamond[x][y] and dice() > 0.994:
                    column[y] = "diamond"
                else:
                    column[y] = "lava" if lava[x][y] else "stone"
    return sure, tunnels


def _creatures(
    world: Any,
    player: Any,
    cells: tuple[list[list[str]], np.ndarray, list[list[float]]],
    dice: _Dice,
) -> None:
    """Put creatures down. `cells` are materials, tunnels and distances to the player, [X][Y]."""
    materials, tunnels, distances = cells
    walkable = frozenset(constants.walkable)
    for x, column in enumerate(materials):
        for y, material in enumerate(column):
            if material not in walkable:
                continue
            away = distances[x][y]
            if away > 3 and material == "grass" and dice() > 0.985:
                world.add(objects.Cow(world, (x, y)))
            elif away > 10 and dice() > 0.993:
                world.add(objects.Zombie(world, (x, y), player))
            elif material == "path" and tunnels[x, y] and dice() > 0.95:
                world.add(objects.Skeleton(world, (x, y), player))
