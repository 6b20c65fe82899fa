"""A drawn maze seen from within, for practice.

Every frame follows from the actions, so the truth is known.

Rays are cast through a grid of cells for all columns of the picture at once. Angles are degrees,
clockwise seen from above, so that positive yaw turns right; lengths are cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 240
VIEW_DEG = 66.0
FAR = 24  # cell borders that a ray may cross: the maze is smaller
MAP = np.array(
    [
        [int(c) for c in row]
        for row in (
            "111111111111",
            "100000200001",
            "100000200301",
            "100300000001",
            "100000002001",
            "122002222001",
            "100000000001",
            "100300003001",
            "100000000021",
            "103002200021",
            "100002200001",
            "111111111111",
        )
    ]
)
COLOURS = np.array(
    [[0, 0, 0], [168, 92, 62], [92, 118, 148], [126, 148, 84]], np.float32
)  # of the walls, by kind


@dataclass(slots=True)
class Camera:
    """The place where the player stands, and the direction of their view."""

    x: float = 2.5
    y: float = 1.6
    yaw_deg: float = 90.0
    pitch_px: float = 0.0
    """The horizon's shift downwards, in pixels."""

    def move(self, forward: float, right: float) -> None:
        """Walk in cells, sliding along walls."""
        angle = np.deg2rad(self.yaw_deg)
        dx = forward * np.cos(angle) - right * np.sin(angle)
        dy = forward * np.sin(angle) + right * np.cos(angle)
        if not MAP[int(self.y), int(self.x + 4 * dx)]:
            self.x += dx
        if not MAP[int(self.y + 4 * dy), int(self.x)]:
            self.y += dy


def draw(camera: Camera, *, flash: float = 0.0, sway: float = 0.0) -> NDArray[np.uint8]:
    """Draw the view, uint8 [HEIGHT, WIDTH, 3].

    `flash` in 0..1 is the muzzle's light, `sway` moves the weapon (pixels).
    """
    across = (np.arange(WIDTH) + 0.5) / WIDTH * 2 - 1
    offset = np.arctan(across * np.tan(np.deg2rad(VIEW_DEG / 2)))
    angle = np.deg2rad(camera.yaw_deg) + offset
    distance, kind, along, side = _cast(camera.x, camera.y, angle)
    flat = distance * np.cos(offset)  # without the bulge of a sphere
    half = HEIGHT * 0.55 / np.maximum(flat, 0.05)  # (WIDTH,)
    horizon = HEIGHT / 2 + camera.pitch_px

    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    rise = (rows - horizon) / half[None]  # -1..1 on the wall, (HEIGHT, WIDTH)
    wall = np.abs(rise) <= 1
    brick_row = np.floor((rise + 1) * 4)
    brick = np.floor(along[None] * 4 + (brick_row % 2) * 0.5)
    mortar = (np.abs((rise + 1) * 4 - brick_row) < 0.12) | (
        np.abs(along[None] * 4 + (brick_row % 2) * 0.5 - brick) < 0.08
    )
    grain = 0.86 + 0.14 * (((brick * 37 + brick_row * 91) % 7) / 6)
    light = (
        np.clip(1.25 / (1 + 0.16 * flat**1.4), 0.12, 1.0)
        * np.where(side, 0.8, 1.0)
        * (1 + 0.5 * flash)
    )
    shade = grain * np.where(mortar, 0.55, 1.0) * light[None]
    picture = COLOURS[kind][None] * shade[..., None]  # (HEIGHT, WIDTH, 3)

    below = np.clip((rows - horizon) / (HEIGHT / 2), 0.02, 1)
    above = np.clip((horizon - rows) / (HEIGHT / 2), 0.02, 1)
    floor = (
        np.array([70, 62, 54], np.float32) * (0.25 + 0.75 * below)[..., None] * (1 + 0.3 * flash)
    )
    ceiling = np.array([44, 50, 66], np.float32) * (0.3 + 0.7 * above)[..., None]
    picture = np.where(
        wall[..., None], picture, np.where((rows > horizon)[..., None], floor, ceiling)
    )
    _draw_weapon(picture, flash, sway)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _cast(
    x: float, y: float, angle: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Cast a ray per column through the grid, cell border by cell border.

    Returns for each its length, the wall's kind, the place along the wall in 0..1, and whether the
    wall faces north or south.
    """
    dx, dy = np.cos(angle), np.sin(angle)
    cell_x, cell_y = np.full(WIDTH, int(x)), np.full(WIDTH, int(y))
    step_x, step_y = np.where(dx > 0, 1, -1), np.where(dy > 0, 1, -1)
    each_x, each_y = 1 / np.maximum(np.abs(dx), 1e-9), 1 / np.maximum(np.abs(dy), 1e-9)
    next_x = np.where(dx > 0, cell_x + 1 - x, x - cell_x) * each_x
    next_y = np.where(dy > 0, cell_y + 1 - y, y - cell_y) * each_y
    distance, side = np.zeros(WIDTH), np.zeros(WIDTH, bool)
    going = np.ones(WIDTH, bool)
    for _ in range(FAR):
        in_x = next_x < next_y
        distance = np.where(going, np.where(in_x, next_x, next_y), distance)
        side = np.where(going, ~in_x, side)
        cell_x = np.where(going & in_x, cell_x + step_x, cell_x)
        cell_y = np.where(going & ~in_x, cell_y + step_y, cell_y)
        next_x = np.where(going & in_x, next_x + each_x, next_x)
        next_y = np.where(going & ~in_x, next_y + each_y, next_y)
        going &= MAP[cell_y, cell_x] == 0
        if not going.any():
            break
    place = np.where(side, x + distance * dx, y + distance * dy) % 1
    return distance, MAP[cell_y, cell_x], place, side


def _draw_weapon(picture: NDArray[np.float32], flash: float, sway: float) -> None:
    """A weapon at the lower edge, and its light; changes `picture` in place."""
    middle = WIDTH // 2 + round(sway)
    top = HEIGHT - 58 - round(10 * flash)
    picture[top:, middle - 11 : middle + 11] = (58, 60, 66)
    picture[top:, middle - 11 : middle - 7] = (90, 92, 98)
    picture[top : top + 6, middle - 7 : middle + 7] = (26, 26, 30)
    picture[HEIGHT - 26 :, middle - 20 : middle + 20] = (120, 84, 58)
    if flash > 0:
        rows, columns = np.ogrid[:HEIGHT, :WIDTH]
        away = np.sqrt((rows - (top - 8)) ** 2 + (columns - middle) ** 2)
        glow = np.clip(1 - away / (34 * flash), 0, 1)[..., None]
        picture += glow * (np.array([255, 214, 120], np.float32) - picture)
