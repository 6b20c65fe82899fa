"""Layouts from the files of the two popular tools, which belong to whoever made them.

Nothing in a file is executed, and a picture is read with its size known and its format given. What
does not fit is an error that names file and field.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...errors import ConfigError
from .drawings import DRAWINGS, drawn_layout
from .input_overlay import read_preset
from .layout import MAX_SIDE, Layout
from .nohboard import read_keyboard

MAX_BYTES = 32 << 20  # of a file; the largest public one has 1 MB
KINDS = (".json", ".png", ".style")


def load_layouts(names: Sequence[str]) -> list[Layout]:
    """Read layouts: JSON files, each followed by its picture (.png) or its style (.style), or the
    names of drawings of ours.

    The picture of a preset that is given alone is looked for beside it, under its name.

    Raises ConfigError.
    """
    groups: list[list[str]] = []
    for name in names:
        suffix = Path(name).suffix.lower()
        if name in DRAWINGS or suffix == ".json":
            groups.append([name])
        elif suffix not in KINDS or not groups or groups[-1][0] in DRAWINGS:
            raise ConfigError(
                f"layout: {name} must be a .json file, or a .png or .style after its .json, or one "
                f"of {', '.join(DRAWINGS)}"
            )
        else:
            groups[-1].append(name)
    layouts = [
        drawn_layout(first) if first in DRAWINGS else _load(Path(first), [Path(r) for r in rest])
        for first, *rest in groups
    ]
    for layout in layouts:
        if not layout.inputs:
            raise ConfigError(f"layout: {layout.name} shows no key and no button of the mouse")
    return layouts


def _load(path: Path, further: Sequence[Path]) -> Layout:
    data = _read(path)
    digest = hashlib.sha256(data)
    content = parse_json(path, data)
    if "Elements" in content:
        style = next((p for p in further if p.suffix.lower() == ".style"), None)
        style_data = _read(style) if style else b"{}"
        digest.update(style_data)
        return read_keyboard(path, content, parse_json(style or path, style_data), digest)
    if "elements" not in content:
        raise ConfigError(f"{path}: neither a preset of Input Overlay nor a keyboard of NohBoard")
    picture = next((p for p in further if p.suffix.lower() == ".png"), path.with_suffix(".png"))
    picture_data = _read(picture)
    digest.update(picture_data)
    return read_preset(path, content, _picture(picture, picture_data), digest)


def parse_json(path: Path, data: bytes) -> Mapping[str, Any]:
    """Parse a file that holds an object. Raises ConfigError."""
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON: {error}") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: expected an object, got a {type(content).__name__}")
    return content


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: is larger than {MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _picture(path: Path, data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG, uint8 [h, w, 4]."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if max(picture.size) > MAX_SIDE:
                raise ConfigError(f"{path}: has more than {MAX_SIDE} pixels a side: {picture.size}")
            return np.asarray(picture.convert("RGBA"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ConfigError(f"{path}: is no PNG picture: {error}") from error
