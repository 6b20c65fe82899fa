"""Which way up a video is shown: the display matrix that phones and editors write with pictures.

The matrix maps picture coordinates (x right, y down) to display coordinates:

    x' = a x + c y
    y' = b x + d y

Only the eight turns and mirrorings by right angles are honored; anything else is taken for the
nearest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import av
import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", np.uint8, np.uint32)


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to bring a decoded picture upright: transpose first, then mirror."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: NDArray[np.int32]) -> Orientation:
        """Read the nine numbers of a display matrix (16.16 and 2.30 fixed point)."""
        a, b, _, c, d = (int(v) for v in matrix[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @classmethod
    def of_frame(cls, frame: av.VideoFrame) -> Orientation:
        """Read the side data of a decoded frame; upright where there is none."""
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return UPRIGHT
        return cls.of_matrix(np.frombuffer(data, np.int32))  # type: ignore[call-overload]

    @property
    def degrees(self) -> int:
        """The clockwise turn in degrees: 0, 90, 180 or 270 (mirroring aside)."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0

    def apply(self, picture: NDArray[Pixel]) -> NDArray[Pixel]:
        """Return the upright picture, [h, w] or [h, w, 3], as a view."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        if self.mirror_x:
            picture = picture[:, ::-1]
        if self.mirror_y:
            picture = picture[::-1]
        return picture


UPRIGHT = Orientation()
