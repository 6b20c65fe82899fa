"""A layout: what an overlay looks like, with its keys up and with its keys down.

Shapes: H rows, W columns of the layout as it is drawn at a scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 4096  # pixels of a layout or a picture: a screen has fewer
MAX_ELEMENTS = 400  # a keyboard, a mouse and a pad have fewer

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Element:
    """A picture at a place of the layout, which changes while its input is held."""

    input: str
    """Such as `key.keyboard.w` or `mouse.0`; empty: it never changes, or nobody knows when."""
    x: int
    y: int
    """Of the upper left corner, in pixels of the layout."""
    released: NDArray[np.uint8]
    """RGBA, [h, w, 4]."""
    pressed: NDArray[np.uint8] | None = None

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, half-open."""
        height, width = self.released.shape[:2]
        return self.x, self.y, self.x + width, self.y + height


@dataclass(frozen=True, eq=False)
class Layout:
    """A whole overlay, as its tool draws it."""

    name: str
    width: int
    height: int
    elements: tuple[Element, ...]
    """In the order in which they are drawn."""
    sha256: str
    """Of the files that it was read from."""
    moving: tuple[tuple[int, int, int, int], ...] = ()
    """Boxes of what moves and is not read: wheels, sticks, a dot for the mouse."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it shows, each once."""
        return tuple(
            dict.fromkeys(e.input for e in self.elements if e.input and e.pressed is not None)
        )

    def box_of(self, name: str) -> tuple[int, int, int, int]:
        """Return the box of an input: of several elements that show it the largest one's."""
        boxes = [e.box for e in self.elements if e.input == name and e.pressed is not None]
        return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))

    def size_at(self, scale: float) -> tuple[int, int]:
        """Return width and height as it is drawn, with `scale` pixels for each of the layout."""
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    def drawn(self, scale: float, held: Sequence[str] = ()) -> Floats:
        """Return the layout as it is drawn with some inputs held.

        Args:
            scale: pixels of the picture for each of the layout.
            held: inputs.

        Returns float32 [H, W, 4] in 0..1, colors multiplied by their opacity.
        """
        return _scaled(self, frozenset(held), self.size_at(scale))


@lru_cache(maxsize=32)
def _scaled(layout: Layout, held: frozenset[str], size: tuple[int, int]) -> Floats:
    canvas = _composed(layout, held)
    small = canvas.resize(size, Image.Resampling.BILINEAR, reducing_gap=None)
    found: Floats = np.asarray(small, np.float32) / np.float32(255)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=8)
def _composed(layout: Layout, held: frozenset[str]) -> Image.Image:
    """The layout at its own size, with multiplied colors: these can be averaged."""
    canvas = Image.new("RGBA", (layout.width, layout.height))
    for element in layout.elements:
        down = element.input in held and element.pressed is not None
        picture = element.pressed if down else element.released
        canvas.alpha_composite(_within(picture, element, layout), (element.x, element.y))
    return canvas.convert("RGBa")


def _within(picture: NDArray[np.uint8] | None, element: Element, layout: Layout) -> Image.Image:
    """What of an element's picture lies in the layout."""
    assert picture is not None
    kept = picture[: layout.height - element.y, : layout.width - element.x]
    return Image.fromarray(np.ascontiguousarray(kept), "RGBA")
