"""Keyboards of NohBoard: polygons in a `keyboard.json`, their colors in a `.style` file.

Letters on the keys are not drawn: their fonts are those of the streamer's machine. Styles whose
keys are pictures are refused, as NohBoard itself is needed to place them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...datasets.formats.virtual_keys import NAMES
from ...errors import ConfigError
from .fields import objects, whole
from .layout import Element, Layout

RED, GREEN, BLUE = "Red", "Green", "Blue"
# Of NohBoard without a style.
LOOSE, PRESSED = (100, 100, 100), (255, 255, 255)
BACKGROUND = (0, 0, 100)
MOUSE = {0: "mouse.0", 1: "mouse.1", 2: "mouse.2", 3: "mouse.3", 4: "mouse.4"}
FINE = 4  # times as fine as a pixel: polygons have slanted sides

Color = tuple[int, int, int]


def read_keyboard(
    path: Path, content: Mapping[str, Any], style: Mapping[str, Any], digest: Any
) -> Layout:
    """Return the layout of a keyboard and its style.

    Args:
        path: of the keyboard, for errors.
        content: of the keyboard.
        style: of the style, or empty: NohBoard's own.
        digest: of both files.

    Raises:
        ConfigError: it names file and field.
    """
    where = str(path)
    width, height = whole(content, "Width", where, 1), whole(content, "Height", where, 1)
    ground = np.empty((height, width, 4), np.uint8)
    ground[:] = (*_color(style, "BackgroundColor", BACKGROUND, where), 255)
    default = _keys_style(style.get("DefaultKeyStyle"), where)
    own = {
        entry.get("Key"): entry.get("Value")
        for entry in style.get("ElementStyles") or []
        if isinstance(entry, Mapping)
    }
    elements, moving = [Element("", 0, 0, ground)], []
    for number, entry in enumerate(objects(content, "Elements", where)):
        name = f"{where}: element {number}"
        kind = str(entry.get("__type", "")).split(":")[0]
        corners = _corners(entry, name)
        if kind == "MouseSpeedIndicator" or len(corners) < 3:
            moving.append((0, 0, width, height))
            continue
        loose, pressed = _keys_style(own.get(entry.get("Id")), name, default)
        x, y, released = _polygon(corners, loose, width, height)
        _, _, down = _polygon(corners, pressed, width, height)
        elements.append(Element(_input(kind, entry), x, y, released, down))
    return Layout(
        name=path.parent.name or path.stem,
        width=width,
        height=height,
        elements=tuple(elements),
        sha256=digest.hexdigest(),
        moving=tuple(moving),
    )


def _input(kind: str, entry: Mapping[str, Any]) -> str:
    """The one input of a key; empty where it is shown for several at once, or none of ours."""
    codes = entry.get("KeyCodes")
    if not isinstance(codes, list) or len(codes) != 1 or not isinstance(codes[0], int):
        return ""
    names = {"KeyboardKey": NAMES, "MouseKey": MOUSE}.get(kind, {})
    return names.get(codes[0], "")


def _corners(entry: Mapping[str, Any], where: str) -> list[tuple[int, int]]:
    if "Boundaries" not in entry:
        return []
    return [
        (whole(corner, "X", where), whole(corner, "Y", where))
        for corner in objects(entry, "Boundaries", where)
    ]


def _keys_style(
    content: Any, where: str, default: tuple[Color, Color] = (LOOSE, PRESSED)
) -> tuple[Color, Color]:
    """The colors of a key that is up and of one that is down."""
    if not isinstance(content, Mapping):
        return default
    colors = []
    for state, color in zip(("Loose", "Pressed"), default, strict=True):
        part = content.get(state)
        if not isinstance(part, Mapping):
            colors.append(color)
            continue
        if part.get("BackgroundImageFileName"):
            raise ConfigError(f"{where}: keys that are pictures cannot be read, only colored ones")
        colors.append(_color(part, "Background", color, where))
    return colors[0], colors[1]


def _color(content: Mapping[str, Any], field: str, default: Color, where: str) -> Color:
    found = content.get(field)
    if found is None:
        return default
    parts: list[Any] = []
    if isinstance(found, Mapping):
        parts = [found.get(part) for part in (RED, GREEN, BLUE)]
    if len(parts) != 3 or not all(isinstance(p, int) and 0 <= p <= 255 for p in parts):
        raise ConfigError(f"{where}: {field} must be Red, Green and Blue from 0 to 255")
    return parts[0], parts[1], parts[2]


def _polygon(
    corners: list[tuple[int, int]], color: Color, width: int, height: int
) -> tuple[int, int, NDArray[np.uint8]]:
    """A filled polygon: where it begins, and its picture, uint8 [h, w, 4]."""
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    wide = max(1, min(max(x for x, _ in corners), width - 1) - left + 1)
    high = max(1, min(max(y for _, y in corners), height - 1) - top + 1)
    mask = Image.new("L", (wide * FINE, high * FINE))
    places = [((x - left + 0.5) * FINE, (y - top + 0.5) * FINE) for x, y in corners]
    ImageDraw.Draw(mask).polygon(places, fill=255)
    picture = np.empty((high, wide, 4), np.uint8)
    picture[..., :3] = color
    picture[..., 3] = np.asarray(mask.resize((wide, high), Image.Resampling.BOX))
    return left, top, picture
