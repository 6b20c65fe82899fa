"""Where an overlay lies on the screen: position, scale and opacity.

Edges that stand still through a video are those of what is drawn over it. The edges of the median
picture are correlated with those of the layout at every scale and place, and about the best places
again in finer scales. (At half the size a faint overlay of a sixth of the width is lost.)

Shapes: n frames, H rows, W columns of a frame, h and w of the layout at a scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layout import Floats, Layout

SHARES = (0.1, 0.6)  # of the frame's width, the overlay's
MIN_WIDTH = 64  # pixels: on fewer anything fits by chance (0.48 at 18 on a video of a telephone)
STEP = 1.02  # from one scale to the next: two percent off, half of the score is lost
FINE_STEPS = np.arange(-3, 4) * 0.004
NEAR = 4  # pixels about a place at a scale that is a little off
EDGE = 40.0  # levels a pixel: no edge of the game outweighs many of the overlay
CANDIDATES = 4  # scales about which finer ones are tried
RIM = 2  # pixels about the layout's pictures that tell, too: there their edges lie
OPACITIES = np.arange(0.3, 1.001, 0.05)


@dataclass(frozen=True, slots=True)
class Place:
    """A layout on the screen."""

    x: int
    y: int
    """Of the upper left corner, in pixels of the frame."""
    scale: float
    """Pixels of the frame for each of the layout."""
    score: float
    """Correlation of the edges, up to 1."""
    opacity: float = 1.0

    def box(self, layout: Layout) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in the frame, half-open."""
        wide, high = layout.size_at(self.scale)
        return self.x, self.y, self.x + wide, self.y + high


def still_picture(frames: NDArray[np.uint8]) -> Floats:
    """Return what stands still: the gray median over frames uint8 [n, H, W, 3], float32 [H, W]."""
    return np.median(gray(frames), axis=0).astype(np.float32)


def gray(frames: NDArray[np.uint8] | Floats) -> Floats:
    """Luma of colors [..., 3], in their unit."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(frames, np.float32) @ weights


def find_place(still: Floats, layout: Layout) -> Place | None:
    """Return the likeliest place of a layout, or None where it fits nowhere.

    Args:
        still: what stands still, float32 [H, W].
        layout: of the overlay.
    """
    height, width = still.shape
    most = min(SHARES[1] * width / layout.width, height / layout.height)
    least = max(SHARES[0] * width, MIN_WIDTH) / layout.width
    if most < least:
        return None
    count = int(np.log(most / least) / np.log(STEP)) + 1
    picture = _Edges(still)
    tried = [(scale, picture.best(layout, scale)) for scale in least * STEP ** np.arange(count)]
    tried.sort(key=lambda one: -one[1][0])
    best: Place | None = None
    # Several: a scale that is off by half a step may win by chance.
    for scale, (_, x, y) in tried[:CANDIDATES]:
        found = _refined(still, layout, scale, x, y)
        if found is not None and (best is None or found.score > best.score):
            best = found
    return best


def _refined(still: Floats, layout: Layout, scale: float, x: int, y: int) -> Place | None:
    """The best place near another, in finer scales."""
    best: Place | None = None
    for exact in scale * (1 + FINE_STEPS):
        wide, high = layout.size_at(float(exact))
        left, top = max(0, x - NEAR), max(0, y - NEAR)
        part = still[top : y + high + NEAR, left : x + wide + NEAR]
        if part.shape[0] < high or part.shape[1] < wide:
            continue
        score, dx, dy = _Edges(part).best(layout, float(exact))
        if best is None or score > best.score:
            best = Place(left + dx, top + dy, float(exact), score)
    return best


class _Edges:
    """The edges of a picture, ready to be compared with layouts."""

    def __init__(self, picture: Floats):
        self.shape = picture.shape
        self.level = float(np.median(picture))
        across, along = _gradient(picture)
        self._spectra = [np.fft.rfft2(part) for part in (across, along)]
        self._energy = np.fft.rfft2(across**2 + along**2)

    def best(self, layout: Layout, scale: float) -> tuple[float, int, int]:
        """The highest score of a layout at a scale, and its x and y."""
        drawn = layout.drawn(scale)
        high, wide = drawn.shape[:2]
        if high > self.shape[0] or wide > self.shape[1]:
            return -1.0, 0, 0
        # As it would look over a picture of one gray.
        color = gray(drawn[..., :3]) * 255
        over = color + (1 - drawn[..., 3]) * self.level
        across, along = _gradient(over)
        norm = float(np.sqrt((across**2 + along**2).sum()))
        if not norm:
            return -1.0, 0, 0
        seen = _grown(drawn[..., 3] > 0.02, RIM).astype(np.float32)
        matched = sum(
            np.conj(np.fft.rfft2(part, self.shape)) * spectrum
            for part, spectrum in zip((across, along), self._spectra, strict=True)
        )
        inside = np.conj(np.fft.rfft2(seen, self.shape)) * self._energy
        rows, columns = self.shape[0] - high + 1, self.shape[1] - wide + 1
        matches, energy = (
            np.fft.irfft2(of, self.shape)[:rows, :columns] for of in (matched, inside)
        )
        # What is plain has no edges to be right about.
        scores = matches / (norm * np.sqrt(np.maximum(energy, (0.1 * norm) ** 2)))
        y, x = np.unravel_index(int(np.argmax(scores)), scores.shape)
        return float(scores[y, x]), int(x), int(y)


def _gradient(picture: Floats) -> tuple[Floats, Floats]:
    """Differences across and along, in levels, within bounds; none at the picture's own ends."""
    across, along = np.zeros_like(picture), np.zeros_like(picture)
    across[:, 1:-1] = np.clip((picture[:, 2:] - picture[:, :-2]) / 2, -EDGE, EDGE)
    along[1:-1] = np.clip((picture[2:] - picture[:-2]) / 2, -EDGE, EDGE)
    return across, along


def _grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """A mask [h, w] and what lies within so many pixels of it."""
    grown = mask.copy()
    for _ in range(pixels):
        wider = grown.copy()
        wider[1:] |= grown[:-1]
        wider[:-1] |= grown[1:]
        wider[:, 1:] |= grown[:, :-1]
        wider[:, :-1] |= grown[:, 1:]
        grown = wider
    return grown
