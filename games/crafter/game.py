"""Crafter as a game that is played with a keyboard, and what a person sees of it.

One step is one tick, 10 per second. Keys: WASD, space to collect, attack and drink, tab to sleep, r
t f p to place, 1 to 6 to make tools. One key counts per tick: the last listed of the spec's group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...errors import ConfigError, MissingDependencyError
from .frame_sizes import TILE, UNIT, VIEW

TICKS_PER_SECOND = Fraction(10)
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


class CrafterGame:
    """One game of Crafter.

    Args:
        seed: of the world and everything in it; same seed and keys give the same game.
        unit: pixels a cell: UNIT is Crafter's own picture, TILE its average, in a tenth of the time
            (its night falls otherwise: Crafter's noise draws from the dice of the world).
        draw: make `frame`; without it, it stays black.

    Raises:
        MissingDependencyError: Crafter is not installed.
    """

    def __init__(self, seed: int, *, unit: int = UNIT, draw: bool = True):
        try:
            from . import engine
        except ImportError as error:
            raise MissingDependencyError(
                "Crafter needs the package crafter, which is not installed: "
                "pip install 'vidact[games]'"
            ) from error
        if unit not in (UNIT, TILE):
            raise ConfigError(f"unit: {unit} pixels a cell are not offered; use {UNIT} or {TILE}")
        self._env = engine.Env(seed % (1 << 31), unit, draw=draw)
        self._actions = {name: i for i, name in enumerate(self._env.action_names)}
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
