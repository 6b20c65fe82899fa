"""Layouts that we draw ourselves, in the format of Input Overlay, so that nobody's art is shipped.

`keycaps` is opaque, `glass` lets the game through where a key is up, as many streamers like it.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .input_overlay import GAP, KEY, MOUSE_BUTTON, read_preset
from .layout import Layout

CAP = 48  # pixels a side of a key
STEP = 54  # from one key to the next
RADIUS = 8
# Column, row, width in keys, number (a scan code, or a button of the mouse), and what is on it.
KEYS = (
    (1, 0, 1, 0x10, "Q"),
    (2, 0, 1, 0x11, "W"),
    (3, 0, 1, 0x12, "E"),
    (0, 1, 1, 0x2A, "Shift"),
    (1, 1, 1, 0x1E, "A"),
    (2, 1, 1, 0x1F, "S"),
    (3, 1, 1, 0x20, "D"),
    (0, 2, 1, 0x1D, "Ctrl"),
    (1, 2, 3, 0x39, "Space"),
)
BUTTONS = ((4.25, 0, 1, 1, "L"), (5.25, 0, 1, 2, "R"))
DRAWINGS = {
    "keycaps": ((46, 49, 56, 255), (250, 204, 70, 255)),
    "glass": ((20, 22, 26, 60), (245, 245, 245, 235)),
}
"""Names, and the colors of a key that is up and of one that is down, RGBA."""
INK, RIM = (235, 238, 242, 255), (235, 238, 242, 200)


def preset_files(name: str) -> tuple[dict[str, Any], bytes]:
    """Return the JSON and the PNG of a drawing, as the plugin reads them."""
    up, down = DRAWINGS[name]
    entries = [(KEY, *key) for key in KEYS] + [(MOUSE_BUTTON, *button) for button in BUTTONS]
    elements, pictures, left = [], [], 1
    for kind, column, row, wide, number, text in entries:
        width = STEP * (wide - 1) + CAP
        pictures.append((left, width, text))
        elements.append(
            {
                "id": text.lower(),
                "type": kind,
                "code": number,
                "pos": [round(column * STEP), row * STEP],
                "mapping": [left, 1, width, CAP],
                "z_level": 1,
            }
        )
        left += width + GAP
    atlas = Image.new("RGBA", (left, 2 * CAP + GAP + 2))
    for left, width, text in pictures:
        for top, fill in ((1, up), (1 + CAP + GAP, down)):
            _cap(atlas, (left, top, left + width - 1, top + CAP - 1), fill, text)
    content = {
        "overlay_width": round(6.25 * STEP),
        "overlay_height": 3 * STEP,
        "elements": elements,
    }
    buffer = io.BytesIO()
    atlas.save(buffer, format="PNG")
    return content, buffer.getvalue()


def drawn_layout(name: str) -> Layout:
    """Return the layout of a drawing."""
    content, png = preset_files(name)
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        atlas = np.asarray(picture.convert("RGBA"))
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode() + atlas.tobytes())
    return read_preset(Path(name), content, atlas, digest)


def _cap(
    atlas: Image.Image, box: tuple[int, int, int, int], fill: tuple[int, ...], text: str
) -> None:
    pen = ImageDraw.Draw(atlas)
    pen.rounded_rectangle(box, RADIUS, fill=fill, outline=RIM, width=2)
    dark = sum(fill[:3]) > 380 and fill[3] > 128
    pen.text(
        ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2),
        text,
        fill=(24, 26, 30, 255) if dark else INK,
        font=ImageFont.load_default(size=16),
        anchor="mm",
    )
