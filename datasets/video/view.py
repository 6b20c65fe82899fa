"""Which part of a source's pictures is looked at.

A spec's frames have one size, whatever the sides of a source: so nothing is lost where a video site
squeezed a picture. What differs is how much of the world a picture shows. Play on a wide screen
shows more of it at both sides than the play that a model knows, and there is less between two
pixels; its middle is what the model knows.

n ticks, H rows, W columns
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # settings are read without loading a decoder
    import numpy as np
    from numpy.typing import NDArray

    from ..actions.spec import FrameSpec

MEASURED = "auto"  # instead of a view: each source's is measured
LEAST = 0.25  # of a side: less is no view of play


@dataclass(frozen=True, slots=True)
class View:
    """A part of pictures, in shares of their sides from the left and from the top."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    @classmethod
    def parse(cls, text: str) -> View:
        """`left,top,right,bottom`; empty for all. Raises ValueError."""
        if not text:
            return cls()
        sides = [float(part) for part in text.split(",")]
        if len(sides) != 4 or not all(0 <= side <= 1 for side in sides):
            raise ValueError(f"{text!r} are not four shares")
        found = cls(*sides)
        if min(found.right - found.left, found.bottom - found.top) < LEAST:
            raise ValueError(f"{text!r} leaves less than {LEAST:g} of a side")
        return found

    @classmethod
    def middle(cls, share: float) -> View:
        """The middle columns, so many of all."""
        return cls(left=(1 - share) / 2, right=(1 + share) / 2)

    def __str__(self) -> str:
        return ",".join(f"{side:g}" for side in (self.left, self.top, self.right, self.bottom))

    @property
    def is_whole(self) -> bool:
        """Whether it is all of a picture."""
        return self == View()

    def around(self, frame: FrameSpec) -> FrameSpec:
        """The size of whole pictures whose part has the size of a spec's frame."""
        return replace(
            frame,
            width=round(frame.width / (self.right - self.left)),
            height=round(frame.height / (self.bottom - self.top)),
        )

    def of(self, pictures: NDArray[np.uint8], frame: FrameSpec) -> NDArray[np.uint8]:
        """The part of whole pictures of that size, uint8 [n, H, W, 3] ► of the frame's size."""
        height, width = pictures.shape[1:3]
        y = min(round(self.top * height), height - frame.height)
        x = min(round(self.left * width), width - frame.width)
        return pictures[:, y : y + frame.height, x : x + frame.width].copy()
