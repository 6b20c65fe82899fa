"""Scenes that test whether a filter knows its game, and that share no code with those that it is
fitted on: a walk through a maze, plots, games of Gymnasium, photographs one after the other.

All give uint8 [H, W, 3] pictures, as many a second as the caller wants.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
SIZE = (240, 320)
GAMES = (
    *("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1"),
    *("FrozenLake-v1", "CliffWalking-v1", "Taxi-v4"),
)
EPISODE_TICKS = 200
PICTURE_TICKS = 52  # three seconds of a photograph


def maze(ticks: int, seed: int) -> Iterator[Picture]:
    """A first-person walk through a maze of colored walls without a status bar: rays are cast, as
    the games before Doom did it.
    """
    generator = np.random.default_rng(seed)
    grid = generator.random((24, 24)) < 0.3
    grid[[0, -1]] = grid[:, [0, -1]] = True
    grid[11:13, 11:13] = False
    colors = generator.uniform(60, 255, (24, 24, 3))
    place, angle, turn = np.array([12.0, 12.0]), 0.0, 0.0
    rows, columns = SIZE
    across = np.linspace(-0.6, 0.6, columns)
    up = np.abs(np.arange(rows) - rows / 2)[:, None] / (rows / 2)
    steps = np.arange(0.05, 20, 0.05)
    for _ in range(ticks):
        turn = 0.9 * turn + 0.02 * generator.standard_normal()
        ahead = place + 0.1 * np.array([np.cos(angle), np.sin(angle)])
        if grid[tuple(ahead.astype(int))]:
            turn = 0.15
        else:
            place = ahead
        angle += turn
        rays = angle + np.arctan(across)
        direction = np.stack([np.cos(rays), np.sin(rays)], axis=1)
        path = place + steps[:, None, None] * direction  # (steps, columns, 2)
        cells = np.clip(path.astype(int), 0, 23)
        hit = grid[cells[..., 0], cells[..., 1]].argmax(0)
        found = cells[hit, np.arange(columns)]
        depth = steps[hit] * np.cos(np.arctan(across))
        bricks = 0.8 + 0.2 * (path[hit, np.arange(columns)].sum(1) * 4 % 1 < 0.9)
        shade = (bricks / (1 + 0.25 * depth))[:, None] * colors[found[:, 0], found[:, 1]]
        picture = np.where(
            (up * depth < 0.5)[..., None], shade, (40 + 120 * up)[..., None] * [0.9, 0.8, 0.7]
        )
        yield np.clip(picture, 0, 255).astype(np.uint8)


def plots(ticks: int, seed: int) -> Iterator[Picture]:
    """Curves that grow, as matplotlib draws them; a new one every six seconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    generator = np.random.default_rng(seed)
    for tick in range(ticks):
        if tick % 105 == 0:
            curves = generator.standard_normal((4, 105)).cumsum(1)
        if tick % 5 == 0:  # such a picture takes long, and nothing grows faster
            figure, axes = pyplot.subplots(figsize=(3.2, 2.4), dpi=100)
            axes.plot(curves[:, : tick % 105 + 2].T)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="rgba")
            pyplot.close(figure)
            shown = np.frombuffer(buffer.getvalue(), np.uint8).reshape(240, 320, 4)[..., :3]
        yield shown


def gymnasium_games(ticks: int, seed: int) -> Iterator[Picture]:
    """Games that ship with Gymnasium, played at random, in turn."""
    import gymnasium

    each = ticks // len(GAMES) + 1
    for name in GAMES:
        env = gymnasium.make(name, render_mode="rgb_array")
        env.action_space.seed(seed)
        for tick in range(each):
            if tick % EPISODE_TICKS == 0:
                env.reset(seed=seed + tick)
            if env.step(env.action_space.sample())[2]:
                env.reset()
            picture: Picture = np.ascontiguousarray(env.render(), np.uint8)
            yield picture
        env.close()


def photographs(files: Sequence[Path], ticks: int, seed: int) -> Iterator[Picture]:
    """Pictures, three seconds each, into which the camera goes slowly."""
    from PIL import Image

    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(files))
    for index in range(-(-ticks // PICTURE_TICKS)):
        with Image.open(files[chosen[index % len(files)]]) as image:
            whole = image.convert("RGB").resize((400, 300))
        for tick in range(min(PICTURE_TICKS, ticks - index * PICTURE_TICKS)):
            inset = tick * 40 / PICTURE_TICKS
            box = (inset, inset * 0.75, 400 - inset, 300 - inset * 0.75)
            yield np.asarray(whole.resize(SIZE[::-1], box=box))
