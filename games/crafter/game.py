"""Crafter as a game that is played with a keyboard, and what a person sees of it.

One step is one tick, 10 per second. Keys: WASD, space to collect, attack and drink, tab to sleep, r
t f p to place, 1 to 6 to make tools. One key counts per tick: the last listed of the spec's group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ...errors import MissingDependencyError

TICKS_PER_SECOND = Fraction(10)
VIEW = (9, 7)  # columns and rows of the map that are shown; the inventory fills two rows more
UNIT = 24  # pixels per cell
SIZE = (9 * UNIT, 9 * UNIT)
KEYS = {
    "key.keyboard.a": "move_left",
    "key.keyboard.d": "move_right",
    "key.keyboard.w": "move_up",
    "key.keyboard.s": "move_down",
    "key.keyboard.space": "do",
    "key.keyboard.tab": "sleep",
    "key.keyboard.r": "place_stone",
    "key.keyboard.t": "place_table",
    "key.keyboard.f": "place_furnace",
    "key.keyboard.p": "place_plant",
    "key.keyboard.1": "make_wood_pickaxe",
    "key.keyboard.2": "make_stone_pickaxe",
    "key.keyboard.3": "make_iron_pickaxe",
    "key.keyboard.4": "make_wood_sword",
    "key.keyboard.5": "make_stone_sword",
    "key.keyboard.6": "make_iron_sword",
}
CREATURES = {
    "Cow": "cow",
    "Zombie": "zombie",
    "Skeleton": "skeleton",
    "Arrow": "arrow",
    "Plant": "plant",
}
HIDDEN = "hidden"
OUTSIDE = "outside"
DARKEST_READABLE = 0.6  # share of noise above which a cell at night cannot be made out


@dataclass(frozen=True, slots=True)
class CrafterView:
    """What is on the screen.

    `cells[row][column]` is a material, `hidden` (by darkness) or `outside` (of the world); the
    player stands in the middle. `things` lists (column, row, kind) of creatures and plants.
    `facing` is (dx, dy), right and down positive.
    """

    cells: tuple[tuple[str, ...], ...]
    things: tuple[tuple[int, int, str], ...]
    facing: tuple[int, int]
    inventory: dict[str, int]
    daylight: float
    sleeping: bool


class _InOrder:
    """A set that remembers the order in which things came.

    Crafter draws lots among the members of plain sets, whose order is that of memory addresses, so
    that no two runs were the same.
    """

    def __init__(self) -> None:
        self._members: dict[Any, None] = {}

    def add(self, member: Any) -> None:
        self._members[member] = None

    def remove(self, member: Any) -> None:
        del self._members[member]

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._members))


class CrafterGame:
    """One game of Crafter.

    Args:
        seed: of the world and everything in it; same seed and keys give the same game.
        draw: make `frame`; without it the game is four times as fast, and `frame` stays black.

    Raises:
        MissingDependencyError: Crafter is not installed.
    """

    def __init__(self, seed: int, *, draw: bool = True):
        try:
            import crafter
        except ImportError as error:
            raise MissingDependencyError(
                "Crafter needs the package crafter, which is not installed: "
                "pip install 'vidact[games]'"
            ) from error
        from crafter import engine

        class World(engine.World):
            def reset(self, seed: int | None = None) -> None:
                super().reset(seed)
                self._chunks: dict[Any, _InOrder] = defaultdict(_InOrder)

        self._env = env = crafter.Env(
            area=(64, 64), view=(9, 9), size=SIZE, length=0, seed=seed % (1 << 31)
        )
        world = World(env._world.area, list(crafter.constants.materials), (12, 12))
        # The views keep the world they were made with, so that each must be given the new one.
        env._world = env._local_view._world = env._sem_view._world = world
        env._sem_view = lambda: None  # a picture of the whole world per step, which nobody looks at
        if not draw:
            env._obs = lambda: np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        self._actions = {name: i for i, name in enumerate(env.action_names)}
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """A new world; the next one in the seed's order if none is given."""
        if seed is not None:
            self._env._seed, self._env._episode = seed % (1 << 31), 0
        self.frame: np.ndarray = self._env.reset()
        self.finished = False
        self.steps = 0

    def step(self, keys: Iterable[str]) -> None:
        """Play one tick with these keys held.

        Several at once count as the last one in the order of KEYS.
        """
        held = set(keys)
        action = next((KEYS[key] for key in reversed(KEYS) if key in held), "noop")
        if not self.finished:
            self.frame, _, self.finished, _ = self._env.step(self._actions[action])
            self.steps += 1

    @property
    def achievements(self) -> set[str]:
        """The names of what has been achieved in this world."""
        return {name for name, count in self._env._player.achievements.items() if count > 0}

    @property
    def achievement_counts(self) -> dict[str, float]:
        """How often each achievement was done in this world."""
        return {name: float(count) for name, count in self._env._player.achievements.items()}

    @property
    def health(self) -> float:
        """The player's health, 0 to 9."""
        return float(self._env._player.health)

    def view(self) -> CrafterView:
        """What the screen shows now."""
        env, player = self._env, self._env._player
        (px, py), (columns, rows) = (int(v) for v in player.pos), VIEW
        dark = max(0.0, 2 * (0.5 - env._world.daylight))
        cells = []
        for row in range(rows):
            line = []
            for column in range(columns):
                x, y = px + column - columns // 2, py + row - rows // 2
                material = env._world[(x, y)][0] if 0 <= x < 64 and 0 <= y < 64 else OUTSIDE
                line.append(
                    HIDDEN if dark * _VIGNETTE[row, column] > DARKEST_READABLE else material
                )
            cells.append(tuple(line))
        things = []
        for thing in env._world.objects:
            column, row = int(thing.pos[0]) - px + columns // 2, int(thing.pos[1]) - py + rows // 2
            kind = CREATURES.get(type(thing).__name__)
            if kind and 0 <= column < columns and 0 <= row < rows and cells[row][column] != HIDDEN:
                ripe = kind == "plant" and thing.ripe
                things.append((column, row, "ripe plant" if ripe else kind))
        return CrafterView(
            cells=tuple(cells),
            things=tuple(things),
            facing=(int(player.facing[0]), int(player.facing[1])),
            inventory=dict(player.inventory),
            daylight=float(env._world.daylight),
            sleeping=bool(player.sleeping),
        )


def _vignette() -> np.ndarray:
    """float [rows, columns]: how much of the night's noise falls on each cell.

    The formula is that of Crafter's `LocalView._noise`.
    """
    x = (np.arange(VIEW[0]) + 0.5) / VIEW[0] * 2 - 1
    y = (np.arange(VIEW[1]) + 0.5) / VIEW[1] * 2 - 1
    return 1 - np.exp(-0.5 * (x[None, :] ** 2 + y[:, None] ** 2) / 0.5**2)


_VIGNETTE = _vignette()
