"""Crafter's own environment, made to be repeatable and fast. Importing this imports Crafter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import crafter
import numpy as np
from crafter import engine, objects

from .frame_sizes import ITEM_ROWS, TILE, VIEW
from .tiles import TileRenderer
from .worlds import generate_world


class InOrder:
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


class World(engine.World):
    """Crafter's world, whose chunks are in order."""

    def reset(self, seed: int | None = None) -> None:
        super().reset(seed)
        self._chunks: dict[Any, InOrder] = defaultdict(InOrder)


class Env(crafter.Env):
    """Crafter without a limit, whose drawing can be chosen.

    Args:
        seed: within 0..2^31-1.
        unit: pixels a cell. TILE draws tiles, everything else is Crafter's own drawing.
        draw: whether there are pictures; without, they are black.
    """

    def __init__(self, seed: int, unit: int, *, draw: bool):
        area, view = (64, 64), (VIEW[0], VIEW[1] + ITEM_ROWS)
        size = (view[0] * unit, view[1] * unit)
        super().__init__(area=area, view=view, size=size, length=0, seed=seed)
        world: Any = World(area, list(crafter.constants.materials), (12, 12))
        # The views keep the world they were made with, so that each must be given the new one.
        self._world = self._local_view._world = world
        self._sem_view = lambda: None  # a picture of the whole world, which nobody looks at
        self._tiles = TileRenderer(self._textures) if unit == TILE else None
        self._draw = draw

    def reset(self) -> np.ndarray:
        """As Crafter's; its worlds come from `worlds.py`."""
        width, height = self._world.area
        self._episode += 1
        self._step = 0
        self._world.reset(seed=hash((self._seed, self._episode)) % (2**31 - 1))
        self._update_time()
        self._player = objects.Player(self._world, (width // 2, height // 2))
        self._last_health = self._player.health
        self._world.add(self._player)
        self._unlocked: set[str] = set()
        generate_world(self._world, self._player)
        return self._obs()

    def _obs(self) -> np.ndarray:
        if not self._draw:
            return np.zeros((*self._size, 3), np.uint8)
        if self._tiles is not None:
            return self._tiles.draw(
                self._world, self._player, (self._seed, self._episode, self._step)
            )
        return self.render()
