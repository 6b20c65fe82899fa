"""Presets of the OBS plugin Input Overlay: a PNG with all pictures, and a JSON that places them.

The format, in our words: `overlay_width` and `overlay_height`; of each element its `type`, its
place `pos` [x, y], its picture `mapping` [x, y, w, h] in the PNG, the number `code` of its key, and
`z_level`, by which they are drawn. While its key is held, an element shows the picture that lies
three pixels below its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError
from .fields import code, numbers, objects, whole
from .key_codes import MOUSE, keys_by_code
from .layout import Element, Layout

GAP = 3  # pixels between the picture of a key that is up and that of the same key down
TEXTURE, KEY, MOUSE_BUTTON = 0, 1, 3
KINDS = range(10)
"""Types of elements; those that are not named here move, and are not read."""


def read_preset(
    path: Path, content: Mapping[str, Any], atlas: NDArray[np.uint8], digest: Any
) -> Layout:
    """Return the layout of a preset.

    Args:
        path: of the JSON, for errors.
        content: of the JSON.
        atlas: the PNG, uint8 [h, w, 4].
        digest: of both files.

    Raises:
        ConfigError: it names file and field.
    """
    width, height = (whole(content, f"overlay_{side}", str(path), 1) for side in SIDES)
    keys = keys_by_code(code(content, "version", str(path)), str(path))
    placed: list[tuple[int, Element]] = []
    moving: list[tuple[int, int, int, int]] = []
    for number, entry in enumerate(objects(content, "elements", str(path))):
        where = f"{path}: element {number} ({entry.get('id', '')!s:.20})"
        kind = entry.get("type")
        if kind not in KINDS:
            raise ConfigError(f"{where}: type must be from 0 to 9, got {kind!r:.20}")
        x, y = numbers(entry, "pos", where, 2)
        left, top, wide, high = numbers(entry, "mapping", where, 4)
        if x >= width or y >= height:
            raise ConfigError(f"{where}: pos {x}, {y} lies outside the overlay's {width}x{height}")
        if kind not in (TEXTURE, KEY, MOUSE_BUTTON):
            moving.append((x, y, min(x + wide, width), min(y + high, height)))
            continue
        names = keys if kind == KEY else MOUSE if kind == MOUSE_BUTTON else {}
        name = names.get(code(entry, "code", where), "")
        released = _cut(atlas, (left, top, wide, high), where)
        pressed = _cut(atlas, (left, top + high + GAP, wide, high), where) if name else None
        level = entry.get("z_level", 0)
        placed.append(
            (level if isinstance(level, int) else 0, Element(name, x, y, released, pressed))
        )
    placed.sort(key=lambda one: one[0])  # stable: of one level as they are listed
    return Layout(
        name=path.stem,
        width=width,
        height=height,
        elements=tuple(element for _, element in placed),
        sha256=digest.hexdigest(),
        moving=tuple(moving),
    )


SIDES = ("width", "height")


def _cut(atlas: NDArray[np.uint8], box: tuple[int, int, int, int], where: str) -> NDArray[np.uint8]:
    left, top, wide, high = box
    found = atlas[top : top + high, left : left + wide]
    if found.shape[:2] != (high, wide) or not found.size:
        raise ConfigError(
            f"{where}: mapping {list(box)} lies outside the picture's "
            f"{atlas.shape[1]}x{atlas.shape[0]}"
        )
    return found
