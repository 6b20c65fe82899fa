"""Scenes that are no game that anybody plays, drawn at random: what an IDM's play is told from,
beside photographs.

A scene is a canvas, uint8 [H, W, 3], over which a camera moves (`negatives.py`). They are as unlike
each other as screens are: pages, desktops, landscapes, boards of tiles, cartoons, dark and bright
noise, rooms in perspective.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Floats = NDArray[np.float64]
LINE, GLYPH = 9, 4  # pixels of a line of text and of a letter


def draw_scene(name: str, size: tuple[int, int], generator: np.random.Generator) -> Canvas:
    """A canvas of one kind out of `SCENES`, uint8 [*size, 3]."""
    return np.clip(SCENES[name](size, generator), 0, 255).astype(np.uint8)


def noise(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Clouds: octaves of noise between two or three colors."""
    level = octaves(size, generator)[..., None]
    low, middle, high = colors(generator, 3)
    return np.where(
        level < 0.5, low + 2 * level * (middle - low), middle + (2 * level - 1) * (high - middle)
    )


def shapes(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """A cartoon: flat ellipses and boxes with outlines."""
    canvas = plain(size, generator)
    for _ in range(generator.integers(5, 40)):
        inside, border = outline(size, generator)
        canvas[inside] = colors(generator)[0]
        canvas[border] = 0
    return canvas


def page(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Text on paper, or light on dark."""
    paper = generator.uniform(215, 255)
    ink = generator.uniform(0, 90)
    if generator.random() < 0.3:
        paper, ink = 255 - paper, 255 - ink
    canvas = np.full((*size, 3), paper)
    write(canvas, ink, generator)
    return canvas


def desktop(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Windows with title bars, text and buttons over a background."""
    canvas = noise(size, generator) if generator.random() < 0.5 else plain(size, generator)
    for _ in range(generator.integers(1, 5)):
        top, left = (int(generator.integers(0, side * 2 // 3)) for side in size)
        window = canvas[top : top + size[0] // 2, left : left + size[1] // 2]
        window[:] = generator.uniform(200, 255)
        write(window[LINE:], generator.uniform(0, 90), generator)
        window[:LINE] = colors(generator)[0]
    canvas[-2 * LINE :] = generator.uniform(20, 230)
    return canvas


def tiles(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """A board seen from above: cells out of a few small pictures."""
    side = int(generator.integers(8, 33))
    kinds = colors(generator, 6)[:, None, None] + 60 * generator.standard_normal((6, side, side, 1))
    rows, columns = -(-size[0] // side), -(-size[1] // side)
    board = kinds[generator.integers(0, generator.integers(2, 7), (rows, columns))]
    cells = board.swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    found: Floats = cells[: size[0], : size[1]]
    return found


def hills(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """A sky and hills before it."""
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    sky, ground = colors(generator, 2)
    canvas = sky + 120 * (y[..., None] - 0.3)
    for depth in np.linspace(0.3, 0.8, int(generator.integers(2, 6))):
        waves = sum(
            generator.uniform(0, 0.12) * np.sin(x * generator.uniform(2, 40) + depth * 9)
            for _ in range(3)
        )
        shade = ground * generator.uniform(0.3, 1.2)
        canvas = np.where((y > depth + waves)[..., None], shade, canvas)
    grain: Floats = canvas + 30 * (octaves(size, generator)[..., None] - 0.5)
    return grain


def rooms(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Walls in perspective between a floor and a ceiling, as another game's camera sees them."""
    y = (np.arange(size[0]) / size[0] - generator.uniform(0.35, 0.6))[:, None]
    corners = np.sort(generator.integers(0, size[1], 6))
    heights = np.interp(np.arange(size[1]), corners, generator.uniform(0.05, 0.6, 6))
    ceiling, floor, wall = colors(generator, 3)
    near = np.clip(np.abs(y) * 2, 0.15, 1)[..., None]
    canvas = np.where((y < 0)[..., None], ceiling * near, floor * near)
    canvas = np.broadcast_to(canvas, (*size, 3)).copy()
    walls = np.abs(y) < heights
    canvas[walls] = (wall * (0.3 + heights[:, None])[None].repeat(size[0], 0))[walls]
    found: Floats = canvas + generator.uniform(0, 90) * (octaves(size, generator)[..., None] - 0.5)
    return found


def sparks(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Points and streaks of light in the dark."""
    canvas = np.full((*size, 3), generator.uniform(0, 30))
    for _ in range(generator.integers(20, 300)):
        row, column = (int(generator.integers(0, side)) for side in size)
        height, width = generator.integers(1, 4), generator.integers(1, 30)
        canvas[row : row + height, column : column + width] = colors(generator)[0] + 60
    return canvas


SCENES: dict[str, Callable[[tuple[int, int], np.random.Generator], Floats]] = {
    scene.__name__: scene for scene in (noise, shapes, page, desktop, tiles, hills, rooms, sparks)
}


def colors(generator: np.random.Generator, count: int = 1) -> Floats:
    """Colors at random, [count, 3], in 0..255; most screens are duller than a uniform draw is."""
    gray = generator.uniform(0, 255, (count, 1))
    saturation = generator.uniform(0, 1)
    return gray + saturation * (generator.uniform(0, 255, (count, 3)) - gray)


def plain(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """One color from top to bottom, or one that goes over into another."""
    top, bottom = colors(generator, 2)
    share = np.linspace(0, generator.random(), size[0])[:, None, None]
    return np.broadcast_to(top + share * (bottom - top), (*size, 3)).copy()


def octaves(size: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Noise of coarse and fine grain, [H, W] in 0..1."""
    total = np.zeros(size)
    roughness = generator.uniform(0.4, 1.0)  # of how much weight the finer grains keep
    for octave in range(2, 7):
        knots = generator.random((2**octave + 1, 2**octave + 1))
        total += roughness**octave * stretched(knots, size)
    total -= total.min()
    found: Floats = total / max(float(total.max()), 1e-9)
    return found


def stretched(knots: Floats, size: tuple[int, int]) -> Floats:
    """A grid of values, interpolated to [H, W]."""
    rows = np.linspace(0, len(knots) - 1, size[0])
    columns = np.linspace(0, knots.shape[1] - 1, size[1])
    across = np.stack([np.interp(columns, np.arange(knots.shape[1]), row) for row in knots])
    low = np.minimum(rows.astype(int), len(knots) - 2)
    share = (rows - low)[:, None]
    found: Floats = across[low] * (1 - share) + across[low + 1] * share
    return found


def outline(
    size: tuple[int, int], generator: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a shape is, and where its border is, bool [H, W] each."""
    y, x = np.mgrid[: size[0], : size[1]]
    dy = np.abs(y - generator.uniform(0, size[0])) / generator.uniform(4, size[0] / 3)
    dx = np.abs(x - generator.uniform(0, size[1])) / generator.uniform(4, size[1] / 3)
    distance = np.maximum(dy, dx) if generator.random() < 0.5 else np.hypot(dy, dx)
    thick = generator.choice([0.0, 0.1])
    return distance < 1, (distance < 1) & (distance > 1 - thick)


def write(canvas: Floats, ink: float, generator: np.random.Generator) -> None:
    """Lines of marks as small as letters, in paragraphs."""
    for row in range(LINE, len(canvas) - LINE, LINE):
        if generator.random() < 0.15:
            continue
        length = int((canvas.shape[1] - GLYPH) * generator.uniform(0.3, 0.95)) // GLYPH
        marks = generator.random((LINE - 3, length * GLYPH)) < 0.45
        marks &= np.repeat(generator.random(length) < 0.85, GLYPH)  # spaces between words
        canvas[row : row + LINE - 3, GLYPH : GLYPH + marks.shape[1]][marks] = ink
