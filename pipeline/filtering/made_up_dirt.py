"""Dirt of no kind in particular over clean frames, as further negatives of a filter.

H rows, W columns

What labels show of dirt is a part of all dirt. So a filter also sees its own clean frames under
patches of one color, parts of other pictures, rows of marks like letters, noise and blur: of any
size, at any place, more or less transparent. (Learning what is normal from defects that are made up
is CutPaste, arXiv 2104.04015, and DRAEM, arXiv 2108.07610.) Nothing here imitates a streamer's face
cam, an editor's subtitles or a screen's bars; that is for labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...idm.in_game.negatives import FOLDER, photograph

Picture = NDArray[np.uint8]
Painter = Callable[[Picture, np.random.Generator], Picture]
SMALLEST, LARGEST = 0.003, 0.3  # of the picture's area that a patch covers
FAINTEST = 0.35  # opacity: fainter dirt is hardly seen by people either
MARKS = 12  # of an alphabet
SMALLEST_MARK, LARGEST_MARK = 0.03, 0.2  # of the picture's height


def painted_over(picture: Picture, generator: np.random.Generator) -> Picture:
    """A copy of a picture uint8 [H, W, 3] under one piece of dirt or two, half of them marks: small
    things need more examples.
    """
    out = picture.copy()
    for _ in range(1 if generator.random() < 0.6 else 2):
        paint = (
            marks if generator.random() < 0.5 else PATCHES[int(generator.integers(len(PATCHES)))]
        )
        out = paint(out, generator)
    return out


def flat_patch(picture: Picture, generator: np.random.Generator) -> Picture:
    """A patch of one color."""
    top, left, rows, columns = place(picture, generator)
    color = generator.integers(0, 256, 3)
    return blended(picture, np.broadcast_to(color, (rows, columns, 3)), (top, left), generator)


def foreign_patch(picture: Picture, generator: np.random.Generator) -> Picture:
    """A patch of a photograph."""
    top, left, rows, columns = place(picture, generator)
    files = pictures()
    canvas = photograph(files[generator.integers(len(files))])
    share = generator.uniform(0.3, 1.0)
    sides = [max(2, int(share * side)) for side in canvas.shape[:2]]
    room = np.subtract(canvas.shape[:2], sides)
    y, x = generator.integers(0, room.astype(int) + 1).tolist()
    return blended(
        picture,
        stretched(canvas[y : y + sides[0], x : x + sides[1]], rows, columns),
        (top, left),
        generator,
    )


def moved_patch(picture: Picture, generator: np.random.Generator) -> Picture:
    """A patch of the picture itself, from elsewhere and of another size."""
    top, left, rows, columns = place(picture, generator)
    y, x, height, width = place(picture, generator)
    own = picture[y : y + height, x : x + width]
    if generator.random() < 0.5:
        own = own[:, ::-1]
    return blended(picture, stretched(own, rows, columns), (top, left), generator)


def noise_patch(picture: Picture, generator: np.random.Generator) -> Picture:
    """A patch of colored grains of any size."""
    top, left, rows, columns = place(picture, generator)
    grain = int(generator.integers(1, 9))
    grains = generator.integers(0, 256, (-(-rows // grain), -(-columns // grain), 3))
    return blended(picture, stretched(grains, rows, columns), (top, left), generator)


def blurred_patch(picture: Picture, generator: np.random.Generator) -> Picture:
    """A patch of the picture in coarse blocks."""
    top, left, rows, columns = place(picture, generator)
    out = picture.copy()
    own = out[top : top + rows, left : left + columns]
    block = max(2, round(generator.uniform(0.02, 0.08) * len(picture)))
    own[:] = stretched(own[::block, ::block], rows, columns)
    return out


def shaded_patch(picture: Picture, generator: np.random.Generator) -> Picture:
    """A patch that is much darker or lighter than it was, or of another tint."""
    top, left, rows, columns = place(picture, generator)
    out = picture.copy()
    own = out[top : top + rows, left : left + columns]
    gain = np.exp(generator.uniform(-1.2, 1.2, 3 if generator.random() < 0.5 else 1))
    own[:] = np.clip(own * gain, 0, 255)
    return out


def marks(picture: Picture, generator: np.random.Generator) -> Picture:
    """Rows of marks like letters of an alphabet of its own, with or without an edge."""
    height, width = picture.shape[:2]
    share = np.exp(generator.uniform(np.log(SMALLEST_MARK), np.log(LARGEST_MARK)))
    tall = min(max(6, round(share * height)), height)
    alphabet = [mark(tall, generator) for _ in range(MARKS)]
    wide = alphabet[0].shape[1]
    rows = int(generator.integers(1, 4)) if generator.random() < 0.8 else height // tall
    columns = min(int(generator.integers(1, 30)), max(1, width // wide))
    step = min(round(tall * generator.uniform(1.1, 1.6)), height)
    rows = min(rows, max(1, height // step))
    ink = np.zeros((rows * step, columns * wide), np.float32)
    for row in range(rows):
        for column in range(int(generator.integers(1, columns + 1))):
            if generator.random() < 0.85:  # else a gap between words
                y, x = row * step, column * wide
                ink[y : y + tall, x : x + wide] = alphabet[generator.integers(MARKS)]
    ink = ink[:height, :width]
    top = int(generator.integers(0, height - len(ink) + 1))
    left = int(generator.integers(0, width - ink.shape[1] + 1))
    opacity = generator.uniform(FAINTEST, 1.0)
    out = picture.astype(np.float32)
    own = out[top : top + len(ink), left : left + ink.shape[1]]
    if generator.random() < 0.5:
        around = np.pad(ink, 1)
        near = [around[y : y + len(ink), x : x + ink.shape[1]] for y in range(3) for x in range(3)]
        own *= 1 - opacity * np.max(near, axis=0)[..., None]
    own += opacity * ink[..., None] * (color_of_marks(generator) - own)
    return out.astype(np.uint8)


def mark(tall: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Some strokes between the points of a lattice, 0..1, [tall, wide]."""
    wide = max(4, round(0.65 * tall))
    thick = max(1.0, tall * generator.uniform(0.1, 0.2))
    y, x = np.mgrid[:tall, :wide] + 0.5
    out = np.zeros((tall, wide), np.float32)
    for _ in range(int(generator.integers(2, 5))):
        ends = generator.integers(0, 3, (2, 2)) / 2  # of the height and of the width
        (y0, x0), (y1, x1) = ends * (tall - 1.5 * thick, 0.8 * wide - thick) + thick / 2 + 0.5
        length = max((y1 - y0) ** 2 + (x1 - x0) ** 2, 1e-6)
        along = np.clip(((y - y0) * (y1 - y0) + (x - x0) * (x1 - x0)) / length, 0, 1)
        off = np.hypot(y - y0 - along * (y1 - y0), x - x0 - along * (x1 - x0))
        out = np.maximum(out, np.clip(thick / 2 - off + 0.5, 0, 1))
    return out.astype(np.float32)


PATCHES: Sequence[Painter] = (
    *(flat_patch, foreign_patch, moved_patch, noise_patch, blurred_patch, shaded_patch),
)


def color_of_marks(generator: np.random.Generator) -> NDArray[np.float32]:
    """White or nearly so half of the time, else any color."""
    if generator.random() < 0.5:
        return np.full(3, generator.integers(190, 256), np.float32)
    return generator.integers(0, 256, 3).astype(np.float32)


def place(picture: Picture, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, rows and columns of a patch within a picture."""
    height, width = picture.shape[:2]
    area = np.exp(generator.uniform(np.log(SMALLEST), np.log(LARGEST)))
    shape = np.exp(generator.uniform(-1, 1))
    rows = min(height, max(2, round(height * np.sqrt(area / shape))))
    columns = min(width, max(2, round(width * np.sqrt(area * shape))))
    top = int(generator.integers(0, height - rows + 1))
    left = int(generator.integers(0, width - columns + 1))
    return top, left, rows, columns


def stretched(part: NDArray[np.generic], rows: int, columns: int) -> NDArray[np.generic]:
    """A picture brought to another size, by the nearest pixel."""
    y = np.arange(rows) * len(part) // rows
    x = np.arange(columns) * part.shape[1] // columns
    return part[y][:, x]


def blended(
    picture: Picture,
    patch: NDArray[np.generic],
    at: tuple[int, int],
    generator: np.random.Generator,
) -> Picture:
    """A copy of a picture with a patch over it, opaque half of the time."""
    opacity = 1.0 if generator.random() < 0.5 else generator.uniform(FAINTEST, 1.0)
    out = picture.copy()
    own = out[at[0] : at[0] + patch.shape[0], at[1] : at[1] + patch.shape[1]]
    own[:] = own + opacity * (patch.astype(np.float32) - own)
    return out


@cache
def pictures() -> tuple[Path, ...]:
    """The photographs that ship."""
    return tuple(sorted(FOLDER.glob("*.jpg")))
