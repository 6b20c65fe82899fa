"""Toy videos with an overlay of ours on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from vidact.pipeline.overlays.layout import Layout

WIDTH, HEIGHT, FPS = 320, 180, 30


def game(frames: int, seed: int = 0) -> np.ndarray:
    """A game that moves: uint8 [n, HEIGHT, WIDTH, 3], a texture that drifts by some pixels a frame,
    across and along.
    """
    coarse = np.random.default_rng(seed).integers(60, 130, (60, 64, 3))
    wall = np.kron(coarse, np.ones((12, 12, 1))).astype(np.uint8)
    rows, columns = np.arange(HEIGHT)[:, None], np.arange(WIDTH)
    return np.stack(
        [
            wall[(rows + 5 * i) % wall.shape[0], (columns + 3 * i) % wall.shape[1]]
            for i in range(frames)
        ]
    )


def pressed(frames: int, count: int, seed: int = 0, never: Sequence[int] = ()) -> np.ndarray:
    """Keys that go up and down: bool [n, count]."""
    draw = np.random.default_rng(seed)
    held = np.repeat(draw.random((frames // 8 + 1, count)) < 0.4, 8, axis=0)[:frames]
    held[:, list(never)] = False
    return held


def overlaid(
    frames: np.ndarray, layout: Layout, held: np.ndarray, at: tuple[int, int], scale: float
) -> np.ndarray:
    """Frames with a layout drawn over them."""
    x, y = at
    out = frames.copy()
    for frame, down in zip(out, held, strict=True):
        drawn = layout.drawn(scale, [n for n, d in zip(layout.inputs, down, strict=True) if d])
        part = frame[y : y + drawn.shape[0], x : x + drawn.shape[1]]
        part[:] = (part * (1 - drawn[..., 3:]) + drawn[..., :3] * 255).round()
    return out
