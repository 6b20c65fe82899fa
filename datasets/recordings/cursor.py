"""A mouse cursor, drawn into frames.

Minecraft's recorder left it out while a GUI is open, and people steer by it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# Width and height of the game's window, in whose pixels recordings give the cursor.
WINDOW = (1280, 720)
# An arrow of our own, its tip at the upper left: X outline, o filling, + the outline's soft edge.
ARROW = """
X+
XX+
XoX+
XooX+
XoooX+
XooooX+
XoooooX+
XooooooX+
XoooooooX+
XoooooXXXX
XooXooX+
XoX+XooX+
XX+ +XooX
X+   +XXX
""".strip("\n").splitlines()
# Gray level and opacity.
SHADES = {"X": (20, 1.0), "o": (245, 1.0), "+": (20, 0.35), " ": (0, 0.0)}


def draw_cursor(frame: NDArray[np.uint8], x: float, y: float) -> None:
    """Draw the arrow into `frame`, uint8 [h, w, 3], in place.

    Args:
        frame: a picture of the whole window, at any size.
        x: place of the tip in pixels of the 1280x720 window; of an arrow that is partly off the
            screen the rest is drawn.
        y: likewise.
    """
    gray, opacity = _arrow()
    if not (np.isfinite(x) and np.isfinite(y)):
        return
    left, top = int(x * frame.shape[1] // WINDOW[0]), int(y * frame.shape[0] // WINDOW[1])
    height, width = gray.shape
    seen = frame[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    # Of the arrow, what lies beyond the left and upper edges is cut off first, then the rest.
    part = np.s_[max(-top, 0) :, max(-left, 0) :]
    rows, columns = seen.shape[:2]
    cover, shade = (a[part][:rows, :columns, None] for a in (opacity, gray))  # (rows, columns, 1)
    seen[:] = np.round(seen * (1 - cover) + shade * cover).astype(np.uint8)


@cache
def _arrow() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return gray levels and opacities, float32 [14, 10]."""
    width = max(map(len, ARROW))
    cells = [[SHADES[cell] for cell in row.ljust(width)] for row in ARROW]
    table = np.array(cells, np.float32)
    return table[..., 0], table[..., 1]
