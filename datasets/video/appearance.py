"""How else the same play could have looked: other light, haze, colors, things over the picture, and
another recorder (`capture.py`).

T frames, H rows, W columns

What was seen is changed in the order in which it would happen: the game's picture, the player's
screen, what a streamer lays over it, the recorder. It happens at the size of the given frames,
where a real recorder works on the full picture: a small box or a coarse pixel is larger than it
would be there.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .capture import AS_RECORDED_CRF, coarsened, frames_shown, squeeze

Limits = tuple[float, float]
PIXELS: dict[str, Limits] = {
    "exposure": (0.01, 100.0),
    "haze": (0.0, 1.0),
    "tint": (0.0, 1.0),
    "gamma": (0.05, 20.0),
    "boxes": (0.0, 1.0),
}
CAPTURE: dict[str, Limits] = {
    "resolution": (0.02, 1.0),
    "source_fps": (1.0, 1000.0),
    "jitter": (0.0, 0.99),  # at a whole step a picture would overtake the next but one
    "compression": (0.0, 51.0),
}
BETWEEN_TICKS = frozenset({"source_fps", "jitter"})  # need frames between those of the ticks
MOST_BOXES = 3
HAZE_GRAY = (90.0, 220.0)  # of the air, drawn once a clip
HORIZON = (0.4, 0.6)  # where haze is thickest: far away, in a view straight ahead


def apply(
    frames: NDArray[np.uint8], values: Mapping[str, float], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """The frames of one clip, [T, H, W, 3], as the values say; others are as recorded.

    Args:
        values: `exposure` (factor of the light), `haze` and `tint` (opacity), `gamma` (exponent),
            `boxes` (share of the picture that plain boxes cover), `resolution` (share of the
            sides), `compression` (x264's crf). `source_fps` and `jitter` are of `shown`.
        generator: of colors and places. It gives the same numbers whatever the values are.
    """
    colors, boxes = generator.random(5), generator.random((MOST_BOXES, 7))
    out = _seen(frames, values, colors)
    if (share := values.get("boxes", 0.0)) > 0:
        out = out.copy() if out is frames else out
        _cover(out, share, boxes)
    if (sides := values.get("resolution", 1.0)) < 1:
        out = coarsened(out, sides)
    crf = round(values.get("compression", AS_RECORDED_CRF))
    return squeeze(out, crf) if crf > AS_RECORDED_CRF else out


def shown(
    wanted: NDArray[np.int64],
    screen_hz: float,
    values: Mapping[str, float],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Which frames of the screen are there when those of `wanted` are asked for, see
    `frames_shown`: by `source_fps` and `jitter`. Negative ones lie before the first frame.
    """
    fps, jitter = values.get("source_fps", 0.0), values.get("jitter", 0.0)
    if not fps and not jitter:
        return wanted
    return frames_shown(
        wanted, screen_hz, fps=fps or 2 * screen_hz, jitter=jitter, generator=generator
    )


def _seen(
    frames: NDArray[np.uint8], values: Mapping[str, float], colors: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Light, haze, tint and gamma: all are tables of levels, by row and color."""
    exposure, gamma = values.get("exposure", 1.0), values.get("gamma", 1.0)
    haze, tint = values.get("haze", 0.0), values.get("tint", 0.0)
    if exposure == 1 and gamma == 1 and not haze and not tint:
        return frames
    height = frames.shape[1]
    levels = np.minimum(np.arange(256) * exposure, 255.0)  # (256)
    table = np.broadcast_to(levels, (height, 3, 256)).copy()
    if haze:
        horizon = HORIZON[0] + (HORIZON[1] - HORIZON[0]) * colors[0]
        gray = HAZE_GRAY[0] + (HAZE_GRAY[1] - HAZE_GRAY[0]) * colors[1]
        rows = (np.arange(height) + 0.5) / height
        # The ground comes nearer towards the lower edge, and so does the ceiling upwards.
        near = np.clip(np.abs(rows - horizon) / max(horizon, 1 - horizon), 0, 1)
        air = (haze * (1 - near))[:, None, None]
        table += air * (gray - table)
    if tint:
        color = 255 * np.array(colorsys.hsv_to_rgb(colors[2], 0.5 + 0.5 * colors[3], 1.0))
        table += tint * (color[:, None] - table)
    table = np.rint(255 * (table / 255) ** gamma).astype(np.uint8)
    if not haze:  # all rows are alike
        return np.stack([table[0, c][frames[..., c]] for c in range(3)], axis=-1)
    out = np.empty_like(frames)
    for row in range(height):
        for c in range(3):
            out[:, row, :, c] = table[row, c][frames[:, row, :, c]]
    return out


def _cover(frames: NDArray[np.uint8], share: float, boxes: NDArray[np.float64]) -> None:
    """Lay plain boxes over all frames, in place, that together cover this share where they do not
    overlap.
    """
    height, width = frames.shape[1:3]
    count = 1 + int(boxes[0, 0] * MOST_BOXES)
    for _, shape, x, y, *color in boxes[:count]:
        wider = 2.0 ** (4 * shape - 2)  # from a quarter to four times as wide as high
        columns = min(width, max(1, round(width * (share / count * wider) ** 0.5)))
        rows = min(height, max(1, round(height * (share / count / wider) ** 0.5)))
        left, top = round(x * (width - columns)), round(y * (height - rows))
        frames[:, top : top + rows, left : left + columns] = np.rint(255 * np.array(color))
