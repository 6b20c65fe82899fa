"""A trainer is killed with SIGKILL in the middle of an epoch; others go on with every batch
that it would have had.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vidact import storage
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.loading.recordings import RecordingLoader
from vidact.datasets.recordings.writer import RecordingWriter

from ...forked import Forked

STEPS = 40  # 7 epochs; far more than a killed trainer comes in its time


def train(
    data: str,
    order: str,
    state: Path,
    log: Path,
    *,
    rank: int = 0,
    world_size: int = 1,
    threads: int = 1,
    steps: int,
    pause_s: float = 0.0,
) -> None:
    """In a process of its own: go on from a state where there is one; a line a batch goes to the
    log.
    """
    settings: dict[str, Any] = {"batch_size": 4, "ticks": 32, "seed": 2}
    settings |= {"rank": rank, "world_size": world_size, "threads": threads, "prefetch": threads}
    loader: RecordingLoader | ClipLoader
    if order == "recordings":
        loader = RecordingLoader([data], ActionSpec.load("doom"), **settings)
    else:
        loader = ClipLoader([data], order=order, **settings)
    if state.exists():
        loader.load_state_dict(json.loads(state.read_bytes()))
    with open(log, "a") as file:
        for batch, _ in zip(loader.batches(), range(steps), strict=False):
            arrays = (batch.frames, batch.buttons, batch.camera, batch.first)
            rows = [
                b"".join(array[b].tobytes() for array in arrays) for b in range(len(batch.keys))
            ]
            digest = [hashlib.sha256(row).hexdigest()[:16] for row in rows]
            print(
                json.dumps([loader.epoch, loader.step, batch.keys, digest]), file=file, flush=True
            )
            if world_size == 1:
                # as a checkpoint would
                storage.write_atomic(str(state), json.dumps(loader.state_dict()).encode())
            time.sleep(pause_s)


def start(data: str, order: str, state: Path, log: Path, **settings: Any) -> Forked:
    job = partial(train, data, order, state, log, **settings)
    return Forked(job, said=log.with_suffix(".said"))


def finish(process: Forked, log: Path) -> None:
    assert process.wait(120) == 0, log.with_suffix(".said").read_text()


def lines(path, count=None) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()[:count]]


def record(folder) -> str:
    for number, frames in enumerate((320, 200, 256, 480, 128, 400)):
        with RecordingWriter(
            folder / f"play{number}", fps=Fraction(35), size=(64, 48), meta={}
        ) as writer:
            for i in range(frames):
                picture = np.full((48, 64, 3), 20 + (i + 50 * number) % 200, np.uint8)
                writer.write(
                    picture, DeviceState(keys=("key.keyboard.w",) if i % 20 < 6 else (), dx=i % 5)
                )
    return str(folder)


@pytest.mark.parametrize("order", ["clips", "episodes", "recordings"])
def test_killed_and_resumed(tmp_path, toy_dataset, order):
    if order == "recordings":
        dataset = record(tmp_path / "data")
    else:
        dataset = toy_dataset(str(tmp_path / "data"), {"train": [160, 100, 128, 40, 64, 200]})
    files = sorted(os.listdir(tmp_path / "data"))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(dataset, order, tmp_path / "none", whole, steps=STEPS), whole)
    process = start(dataset, order, tmp_path / "state", killed, threads=2, steps=1000, pause_s=0.1)
    while not killed.exists() or len(killed.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    state = json.loads(storage.read_bytes(str(tmp_path / "state")))
    expected = lines(whole)
    done = (
        next(i for i, line in enumerate(expected) if line[:2] == [state["epoch"], state["step"]])
        + 1
    )
    assert 2 <= done < STEPS
    assert lines(killed, done) == expected[:done]
    ranks = [tmp_path / f"rank{rank}" for rank in range(2)]
    rest = {"world_size": 2, "steps": STEPS - done}
    processes = [
        start(dataset, order, tmp_path / "state", log, rank=rank, threads=3 - rank, **rest)
        for rank, log in enumerate(ranks)
    ]
    for process, log in zip(processes, ranks, strict=True):
        finish(process, log)
    joined = [[*a[:2], a[2] + b[2], a[3] + b[3]] for a, b in zip(*map(lines, ranks), strict=True)]
    assert joined == expected[done:]
    assert sorted(os.listdir(tmp_path / "data")) == files  # nothing was touched
