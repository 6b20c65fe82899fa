"""The static filter: what is a scene cut, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest
from vidact.pipeline.config import FilterConfig
from vidact.pipeline.labelling.filter import StaticFilter, histogram_distance, likeness


def scene(seed: int, colour: tuple[int, int, int], size: int = 128) -> np.ndarray:
    """Patches of light and dark of one colour, twice as wide as a picture."""
    light = np.random.default_rng(seed).uniform(0.2, 1.0, (size, 2 * size))
    smooth = sum(np.roll(light, (i, j), (0, 1)) for i in range(5) for j in range(5)) / 25
    light = 0.2 + 0.8 * (smooth - smooth.min()) / np.ptp(smooth)
    return (light[..., None] * colour).astype(np.uint8)


def walk(picture: np.ndarray, ticks: int) -> np.ndarray:
    """Turning along it, two pixels a tick."""
    return np.stack([picture[:, 2 * i : 2 * i + picture.shape[0]] for i in range(ticks)])


def cuts(frames: np.ndarray, config: FilterConfig | None = None) -> list[int]:
    return np.flatnonzero(StaticFilter(config or FilterConfig()).judge(frames, 0).cuts).tolist()


@pytest.mark.parametrize("size", [128, 48])
def test_another_scene_is_a_cut(size: int) -> None:
    frames = np.concatenate(
        [walk(scene(0, (200, 60, 40), size), 8), walk(scene(1, (40, 90, 220), size), 8)]
    )
    assert cuts(frames) == [8]


def test_a_flash_of_colour_is_no_cut() -> None:
    frames = walk(scene(0, (90, 80, 70)), 16)
    frames[8:11] = (frames[8:11] * 0.5 + np.array([215, 186, 69]) * 0.5).astype(np.uint8)
    assert histogram_distance(frames[7], frames[8]) > 0.6  # the colours alone would say so
    assert likeness(frames[7], frames[8]) > 8
    assert cuts(frames) == []
    assert cuts(frames, FilterConfig(cut_likeness=100.0)) == [8, 11]


def test_a_fast_turn_is_no_cut() -> None:
    picture = scene(0, (200, 60, 40))
    assert cuts(np.stack([picture[:, :128], picture[:, 60:188], picture[:, 120:248]])) == []
