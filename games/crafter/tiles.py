"""Crafter drawn from the tiles that its pictures are made of, at 8 pixels a cell.

Crafter draws 24 pixels a cell, which a spec of 72 x 72 then averages three by three. All that it
does to a picture is linear but for rounding and for the noise of the night, so that averaged tiles
give the averaged picture within one level, in a tenth of the time. The noise has a generator of its
own here, decided by world and tick; Crafter takes it from the dice of the world.

N tiles, of [row, column, channel]: TILE x TILE x 3
"""

from __future__ import annotations

from typing import Any

import numpy as np
from crafter import engine

from .frame_sizes import ITEM_ROWS, TILE, UNIT, VIEW

COLUMNS, ROWS = VIEW
WIDTH, HEIGHT = COLUMNS * TILE, ROWS * TILE
OUTSIDE = 127.0  # the gray beyond the edge of the world
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
NIGHT_TINT = np.array([0, 8, 32], np.float32)  # half of (0, 16, 64)
SLEEP_TINT = np.array([0, 0, 8], np.float32)
NOISE_MEAN = (32 + 127) / 2
NOISE_DEVIATION = (127 - 32) / 12**0.5 / 3  # of the mean of nine


class TileRenderer:
    """Draws one game; its tiles are made when they are first seen.

    Args:
        textures: Crafter's `Textures`.
    """

    def __init__(self, textures: Any):
        self._textures = textures
        self._numbers: dict[tuple[str | None, str | None], int] = {}
        # (N, TILE, TILE, 3): by day, and in the last light before the noise.
        self._day = np.zeros((0, TILE, TILE, 3), np.float32)
        self._dusk = self._day
        self._items: dict[tuple[str, int], np.ndarray] = {}
        self._materials = np.zeros(0, np.int64)
        self._outside = self._number(None, None)
        across = np.linspace(-1, 1, COLUMNS * UNIT) ** 2
        down = np.linspace(-1, 1, ROWS * UNIT) ** 2
        vignette = 1 - np.exp(-0.5 * (across[None, :] + down[:, None]) / 0.5**2)
        small = _averaged(vignette[..., None]).astype(np.float32)
        # (HEIGHT, WIDTH, 3), as all that is computed with a picture: broadcasting is slower.
        self._vignette = small.repeat(3, axis=2)
        self._tint = np.broadcast_to(NIGHT_TINT, self._vignette.shape).copy()

    def draw(self, world: Any, player: Any, dice: tuple[int, ...]) -> np.ndarray:
        """The picture of a world and its player, uint8 [72, 72, 3].

        Args:
            dice: what decides the night's noise.
        """
        grid, light = self._grid(world, player), float(world.daylight)
        # Crafter cuts decimals off: half a level on average at the end, and half of that where the
        # night's colors are faded.
        lost = 0.5 + 0.25 * (1 - light) if light < 1 else 0.0
        canvas = _spread((light * self._day + (1 - light) * self._dusk)[grid])
        if light < 0.5:
            lost += 0.25 * (1 - light)
            canvas += (1 - light) * self._noise(grid, 2 * (0.5 - light), dice)
        if player.sleeping:
            gray = (canvas - lost) @ LUMA
            canvas, lost = 0.5 * gray[..., None] + SLEEP_TINT, 0.25
        out = np.zeros((HEIGHT + ITEM_ROWS * TILE, WIDTH, 3), np.uint8)
        out[:HEIGHT] = np.clip(np.rint(canvas - lost), 0, 255)
        for place, (name, count) in enumerate(player.inventory.items()):
            if count > 0:
                row, column = divmod(place, COLUMNS)
                top, left = HEIGHT + row * TILE, column * TILE
                out[top : top + TILE, left : left + TILE] = self._item(name, count)
        return out

    def _noise(self, grid: np.ndarray, amount: float, dice: tuple[int, ...]) -> np.ndarray:
        """What the night's noise changes, the more the farther from the middle."""
        drawn = np.random.default_rng(dice).standard_normal(HEIGHT * WIDTH, np.float32)
        noise = 0.5 * NOISE_MEAN + 0.5 * NOISE_DEVIATION * drawn
        change = noise.repeat(3).reshape(HEIGHT, WIDTH, 3)  # gray stays gray where colors fade
        change += self._tint
        change -= _spread(self._dusk[grid])
        change *= self._vignette
        change *= amount
        return change

    def _grid(self, world: Any, player: Any) -> np.ndarray:
        """The number of each cell's tile, int [ROWS, COLUMNS]."""
        if len(self._materials) != len(world._mat_names):
            names = [world._mat_names[i] for i in range(len(world._mat_names))]
            self._materials = np.array([self._number(name, None) for name in names])
        left, top = int(player.pos[0]) - COLUMNS // 2, int(player.pos[1]) - ROWS // 2
        width, height = world.area
        x0, x1 = max(left, 0), min(left + COLUMNS, width)
        y0, y1 = max(top, 0), min(top + ROWS, height)
        cells = np.full((COLUMNS, ROWS), self._outside)
        inside = cells[x0 - left : x1 - left, y0 - top : y1 - top]
        inside[:] = self._materials[world._mat_map[x0:x1, y0:y1]]
        numbers = world._obj_map[x0:x1, y0:y1]
        for x, y in zip(*np.nonzero(numbers), strict=True):
            material = world._mat_names[world._mat_map[x0 + x, y0 + y]]
            inside[x, y] = self._number(material, world._objects[numbers[x, y]].texture)
        return cells.T

    def _number(self, material: str | None, thing: str | None) -> int:
        """The number of the tile of a material with a thing on it; None is outside, and nothing."""
        key = (material, thing)
        if key not in self._numbers:
            unit = np.array([UNIT, UNIT])
            canvas = np.full((UNIT, UNIT, 3), OUTSIDE, np.uint8)
            if material is not None:
                engine._draw(canvas, (0, 0), self._textures.get(material, unit))
            if thing is not None:
                engine._draw_alpha(canvas, (0, 0), self._textures.get(thing, unit))
            day = _averaged(canvas.transpose(1, 0, 2)).astype(np.float32)  # textures are (x, y)
            gray = (day @ LUMA)[..., None]
            dusk = 0.5 * (0.4 * day + 0.6 * gray) + NIGHT_TINT
            self._numbers[key] = len(self._day)
            self._day = np.concatenate([self._day, day[None]])
            self._dusk = np.concatenate([self._dusk, dusk[None]])
        return self._numbers[key]

    def _item(self, name: str, count: int) -> np.ndarray:
        """The square of an item of the inventory and its number, uint8 [TILE, TILE, 3]."""
        if (name, count) not in self._items:
            view = engine.ItemView(self._textures, [1, 1])
            canvas = view({name: count}, np.array([UNIT, UNIT])).transpose(1, 0, 2)
            self._items[name, count] = np.rint(_averaged(canvas)).astype(np.uint8)
        return self._items[name, count]


def _averaged(picture: np.ndarray) -> np.ndarray:
    """A picture [h, w, c] of UNIT pixels a cell, averaged to TILE."""
    factor = UNIT // TILE
    height, width, channels = picture.shape
    parts = picture.reshape(height // factor, factor, width // factor, factor, channels)
    return parts.mean(axis=(1, 3))


def _spread(tiles: np.ndarray) -> np.ndarray:
    """Tiles [ROWS, COLUMNS, TILE, TILE, 3] side by side: [HEIGHT, WIDTH, 3]."""
    return tiles.transpose(0, 2, 1, 3, 4).reshape(HEIGHT, WIDTH, 3)
