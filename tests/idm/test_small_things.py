"""A toy game of cells: a rare key changes six pixels of a counter, and an IDM must say so."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import yaml
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.idm.config import EvalIDMConfig, TrainIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.network.config import IDMConfig, PatchConfig
from vidact.idm.train_idm import train_idm

CELL, ENLARGED = 8, 3
KEYS = ("left", "right", "make")
SPEC = {
    "name": "cells",
    "version": 1,
    "tick_hz": "10",
    "frame": {"width": 32, "height": 32, "tile": CELL, "status": CELL},
    "buttons": {"left": "key.keyboard.a", "right": "key.keyboard.d", "make": "key.keyboard.1"},
    "groups": [{"members": list(KEYS)}],
}
SIGHT = IDMConfig(
    width=32,
    patches=PatchConfig(channels=(32, 16), dense=64),
    time_dilations=(1,),
    attention_blocks=1,
    exclusive=True,
)


def record(folder: Path, name: str, seed: int, ticks: int = 400) -> None:
    """A still world, a lamp on each side for the key just pressed, and a counter of what was made,
    whose numbers are three by two pixels.
    """
    generator = np.random.default_rng(seed)
    world = np.kron(generator.integers(0, 200, (12, 16, 3)), np.ones((2, 2, 1))).astype(np.uint8)
    numbers = np.unpackbits(np.array([0x54, 0xA8, 0xFC], np.uint8)[:, None], axis=1)[:, :6] * 255
    key, made = 3, 0
    size = (32 * ENLARGED, 32 * ENLARGED)
    with RecordingWriter(folder / name, fps=Fraction(10), size=size) as writer:
        for _ in range(ticks):
            picture = np.zeros((32, 32, 3), np.uint8)
            picture[:24] = world
            for lamp, columns in enumerate((slice(2, 6), slice(26, 30))):
                picture[10:14, columns] = 255 if key == lamp else 0
            picture[27:30, 11:13] = numbers[made % len(numbers)].reshape(3, 2, 1)
            key = int(generator.choice(4, p=[0.2, 0.2, 0.015, 0.585]))
            keys = (SPEC["buttons"][KEYS[key]],) if key < 3 else ()  # type: ignore[index]
            writer.write(picture.repeat(ENLARGED, 0).repeat(ENLARGED, 1), DeviceState(keys=keys))
            made += int(key == 2)


def test_a_rare_key_that_changes_six_pixels_is_found(tmp_path: Path) -> None:
    (tmp_path / "cells.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    for seed in range(5):
        record(tmp_path / "play", f"cells-{seed}", seed)
    record(tmp_path / "unseen", "cells", 9, ticks=1200)
    config = TrainIDMConfig(
        data=(str(tmp_path / "play"),),
        out=str(tmp_path / "idm"),
        spec=str(tmp_path / "cells.yaml"),
        network=SIGHT,
        steps=140,
        batch_size=4,
        ticks=32,
        learning_rate=4e-3,
        ema_decay=0.95,
        rare_clips=0.5,
        threads=1,
        precision="float32",
        device="cpu",
    )
    assert train_idm(config) == 0
    out = tmp_path / "eval"
    unseen = (str(tmp_path / "unseen"),)
    judged = EvalIDMConfig(
        checkpoint=str(tmp_path / "idm"), recordings=unseen, out=str(out), plots=False
    )
    assert eval_idm(judged) == 0
    result = json.loads((out / "metrics.json").read_text())
    make = result["per_button"]["make"]
    assert make["held_ticks"] >= 12
    assert make["recall"] > 0.9
    assert make["precision"] > 0.9
    assert result["never_found"] == []
    assert json.loads((tmp_path / "idm" / "config.json").read_text())["calibration"]["exclusive"]
