"""Clips of what is not the game: photographs that ship, drawn scenes, distorted play.

T ticks, H rows, W columns

A camera moves over each picture, slowly, fast or not at all, and its exposure differs: an IDM looks
at motion too. Which sources these are, under which licences, is written in
`benchmarks/filter_sources.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import FrameSpec
from ...datasets.video.resize import FrameResizer
from .drawn_scenes import SCENES, draw_scene

Frames = NDArray[np.uint8]
FOLDER = Path(__file__).parent / "pictures"
MARGIN = 1.5  # of a canvas over what the camera shows: room to move
FASTEST = 0.06  # of the picture's side that the camera moves in a tick
PATCHES = 4  # a side, when those of a picture change places


def negative_clips(
    frame: FrameSpec, ticks: int, count: int, generator: np.random.Generator
) -> Iterator[Frames]:
    """Clips uint8 [T, H, W, 3] of photographs and drawn scenes, one kind after the other."""
    pictures, scenes = sorted(FOLDER.glob("*.jpg")), list(SCENES)
    for number in range(count):
        if number % 2:
            canvas = photograph(pictures[number // 2 % len(pictures)])
        else:
            size = round(frame.height * MARGIN), round(frame.width * MARGIN)
            canvas = draw_scene(scenes[number // 2 % len(scenes)], size, generator)
        yield exposed(moved(canvas, frame, ticks, generator), generator)


def distorted(clip: Frames, generator: np.random.Generator) -> Frames:
    """Play that is play no more: its parts in other places, on its side, upside down, inverted."""
    kind = int(generator.integers(4))
    if kind == 0:
        return mixed(clip, generator)
    if kind == 1 and clip.shape[1] == clip.shape[2]:
        return np.rot90(clip, axes=(1, 2)).copy()
    return 255 - clip if kind == 2 else clip[:, ::-1].copy()


@cache
def photograph(path: Path) -> Frames:
    """A picture of a file, uint8 [H, W, 3]."""
    import av

    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def moved(canvas: Frames, frame: FrameSpec, ticks: int, generator: np.random.Generator) -> Frames:
    """What a camera shows of a canvas, [T, H, W, 3] at the spec's size."""
    share = generator.uniform(1 / MARGIN, 0.9)  # of the canvas that is seen
    height, width = (max(2, int(side * share)) for side in canvas.shape[:2])
    room = np.array([canvas.shape[0] - height, canvas.shape[1] - width])
    speed = FASTEST * generator.choice([0.0, 0.2, 1.0]) * np.array([height, width])
    step = speed * generator.uniform(-1, 1, 2)
    start = generator.uniform(0, 1, 2) * room
    resizer = FrameResizer(frame)
    places = np.clip(start + step * np.arange(ticks)[:, None], 0, room).astype(int)  # (T, 2)
    return np.stack(
        [
            resizer.from_rgb(np.ascontiguousarray(canvas[y : y + height, x : x + width]))
            for y, x in places
        ]
    )


def exposed(clip: Frames, generator: np.random.Generator) -> Frames:
    """The same, darker or brighter and with more or less contrast."""
    gain, gamma = generator.uniform(0.4, 1.3), generator.uniform(0.6, 1.6)
    table = np.clip(255 * gain * (np.arange(256) / 255) ** gamma, 0, 255).astype(np.uint8)
    found: Frames = table[clip]
    return found


def mixed(clip: Frames, generator: np.random.Generator) -> Frames:
    """The parts of the picture in other places, the same in each frame."""
    ticks, height, width = clip.shape[:3]
    h, w = height // PATCHES, width // PATCHES
    parts = clip[:, : h * PATCHES, : w * PATCHES].reshape(ticks, PATCHES, h, PATCHES, w, 3)
    parts = parts.swapaxes(2, 3).reshape(ticks, PATCHES**2, h, w, 3)
    parts = parts[:, generator.permutation(PATCHES**2)]
    parts = parts.reshape(ticks, PATCHES, PATCHES, h, w, 3).swapaxes(2, 3)
    out = clip.copy()
    out[:, : h * PATCHES, : w * PATCHES] = parts.reshape(ticks, h * PATCHES, w * PATCHES, 3)
    return out
