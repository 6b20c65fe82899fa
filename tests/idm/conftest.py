"""A toy game: a textured wall that the mouse moves sideways, and a lamp that a key lights in the
next frame.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.idm.network.config import IDMConfig, MotionConfig
from vidact.idm.train_idm import train_idm

from ..shared import made_once

SIZE = 64
FPS = Fraction(20)
TOY = {
    "name": "toy",
    "version": 1,
    "tick_hz": "10",
    "frame": {"width": SIZE, "height": SIZE, "resize": "area"},
    "buttons": {
        "lamp": ["key.keyboard.w"],
        "left": ["key.keyboard.a"],
        "right": ["key.keyboard.d"],
    },
    "groups": [{"members": ["lamp"]}, {"members": ["left", "right"], "conflict": "none"}],
    "axes": [
        {
            "name": "yaw",
            "kind": "relative",
            "input": "dx",
            "degrees_per_pixel": 0.5,
            "quantiser": {"max_deg": 8, "bins": 9, "mu": 2},
        }
    ],
}
MICRO = IDMConfig(
    width=32,
    picture_pool=4,
    temporal_channels=4,
    trunk_channels=(8, 8),
    trunk_dense=32,
    motion=MotionConfig(reach_across=16, reach_along=6, channels=(4, 8, 8)),
    time_dilations=(1, 2),
    attention_blocks=1,
    attention_heads=2,
)
"""A network of a few thousand parameters, with every part that the presets have."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy_spec() -> ActionSpec:
    return ActionSpec.from_dict(TOY)


def wall(seed: int = 0) -> np.ndarray:
    """A texture, uint8 [SIZE, 1024, 3], with detail a few pixels wide."""
    coarse = np.random.default_rng(seed).integers(0, 256, (SIZE // 4, 256, 3))
    return np.kron(coarse, np.ones((4, 4, 1))).astype(np.uint8)


def toy_play(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures uint8 [N, SIZE, SIZE, 3], lamp bool [N], dx int [N] pixels: what was done after each
    picture.
    """
    generator = np.random.default_rng(seed)
    texture = wall(seed)
    lamp = np.repeat(generator.random(frames // 6 + 1) < 0.5, 6)[:frames]
    dx = np.repeat(generator.integers(-4, 5, frames // 8 + 1), 8)[:frames]
    place, pictures = 480, []
    for i in range(frames):
        picture = texture[:, np.arange(place, place + SIZE) % 1024].copy()
        if i and lamp[i - 1]:
            picture[4:20, 24:40] = 255
        pictures.append(picture)
        place += int(dx[i])
    return np.stack(pictures), lamp, dx


@pytest.fixture(scope="session")
def record_toy() -> Callable[..., Path]:
    """Writes a toy recording: `record_toy(folder, name, frames=…, seed=…)`."""

    def record(
        folder: Path, name: str, *, frames: int = 240, seed: int = 0, invalid: range = range(0)
    ) -> Path:
        pictures, lamp, dx = toy_play(frames, seed)
        with RecordingWriter(folder / name, fps=FPS, size=(SIZE, SIZE)) as writer:
            for i, picture in enumerate(pictures):
                keys = ("key.keyboard.w",) if lamp[i] else ()
                writer.write(
                    picture, DeviceState(keys=keys, dx=float(dx[i]), valid=i not in invalid)
                )
        return folder / name

    return record


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory, record_toy: Callable[..., Path]) -> Path:
    """Three toy recordings."""

    def make(folder: Path) -> None:
        for seed in range(3):
            record_toy(folder, f"toy-{seed}", seed=seed)

    return made_once(tmp_path_factory, "toy-play", make)


@pytest.fixture(scope="session")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("spec") / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY, sort_keys=False))
    return str(path)


@pytest.fixture(scope="session")
def trained(toy_folder: Path, spec_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a short training that learns the toy."""
    from .toy_training import settings  # which takes the toy from here

    learning = {"steps": 120, "batch_size": 4, "learning_rate": 4e-3, "ema_decay": 0.95}

    def make(folder: Path) -> None:
        assert train_idm(settings(toy_folder, folder / "out", spec_file, **learning)) == 0

    return made_once(tmp_path_factory, "toy-idm", make) / "out"
