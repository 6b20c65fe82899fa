"""A trainer is killed with SIGKILL in the middle of an epoch; others go on with every batch
that it would have had.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from vidact import storage
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.recordings.writer import RecordingWriter

STEPS = 40  # 7 epochs; far more than a killed trainer comes in its time
TRAINER = """
import hashlib, json, sys, time
from vidact import storage
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.loading.recordings import RecordingLoader

data, order, state, log, rank, world_size, threads, steps, pause = sys.argv[1:]
settings = dict(batch_size=4, ticks=32, seed=2, rank=int(rank), world_size=int(world_size),
                threads=int(threads), prefetch=int(threads))
if order == "recordings":
    loader = RecordingLoader([data], ActionSpec.load("doom"), **settings)
else:
    loader = ClipLoader([data], order=order, **settings)
if storage.exists(state):
    loader.load_state_dict(json.loads(storage.read_bytes(state)))
with open(log, "a") as file:
    for batch, _ in zip(loader.batches(), range(int(steps))):
        arrays = (batch.frames, batch.buttons, batch.camera, batch.first)
        rows = [b"".join(array[b].tobytes() for array in arrays) for b in range(len(batch.keys))]
        digest = [hashlib.sha256(row).hexdigest()[:16] for row in rows]
        print(json.dumps([loader.epoch, loader.step, batch.keys, digest]), file=file, flush=True)
        if world_size == "1":
            # as a checkpoint would
            storage.write_atomic(state, json.dumps(loader.state_dict()).encode())
        time.sleep(float(pause))
"""


def start(*words) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINER, *map(str, words)], stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


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
    finish(start(dataset, order, tmp_path / "none", whole, 0, 1, 1, STEPS, 0))
    process = start(dataset, order, tmp_path / "state", killed, 0, 1, 2, 1000, 0.1)
    while not killed.exists() or len(killed.read_text().splitlines()) < 3:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    state = json.loads(storage.read_bytes(str(tmp_path / "state")))
    expected = lines(whole)
    done = (
        next(i for i, line in enumerate(expected) if line[:2] == [state["epoch"], state["step"]])
        + 1
    )
    assert 2 <= done < STEPS
    assert lines(killed, done) == expected[:done]
    ranks = [tmp_path / f"rank{rank}" for rank in range(2)]
    processes = [
        start(dataset, order, tmp_path / "state", ranks[rank], rank, 2, 3 - rank, STEPS - done, 0)
        for rank in range(2)
    ]
    for process in processes:
        finish(process)
    joined = [[*a[:2], a[2] + b[2], a[3] + b[3]] for a, b in zip(*map(lines, ranks), strict=True)]
    assert joined == expected[done:]
    assert sorted(os.listdir(tmp_path / "data")) == files  # nothing was touched
