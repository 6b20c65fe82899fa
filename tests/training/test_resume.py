"""A run that is killed with -9 and started again has the same losses, bit for bit, as one that was
not.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn
from vidact.errors import CheckpointError
from vidact.training.ema import EMA
from vidact.training.resume import Snapshots, rng_state, set_rng_state

from ..forked import Forked


def toy_run(folder, kill_at):
    """Twelve steps, a snapshot every three; the process dies after step `kill_at`."""
    torch.manual_seed(0)
    np.random.seed(0)
    torch.set_num_threads(1)
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 36, 1)
    model = nn.Sequential(*layers)
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    ema = EMA(model, 0.9)
    parts = {"model": model, "optimizer": optimizer, "ema": ema}
    snapshots = Snapshots(folder, {"toy": 1})
    step, loaded = 0, snapshots.load_last()
    if loaded:
        step, state = loaded
        for name, part in parts.items():
            part.load_state_dict(state[name])
    while step < 12:
        x = torch.from_numpy(np.random.randn(4, 3, 8, 8)).float()
        x = x.contiguous(memory_format=torch.channels_last)
        loss = (model(x) - torch.rand(4, 1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update(model)
        step += 1
        print(step, loss.item().hex(), float(ema.average["0.weight"].sum()).hex(), flush=True)
        if step % 3 == 0:
            snapshots.save(step, {name: part.state_dict() for name, part in parts.items()})
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def run_toy(folder, kill_at=-1):
    said, printed = (folder.with_name(f"{kill_at} {name}") for name in ("said", "printed"))
    for file in (said, printed):
        file.unlink(missing_ok=True)
    code = Forked(toy_run, folder, kill_at, said=said, printed=printed).wait()
    lines = printed.read_text().splitlines()
    return code, dict(line.split(" ", 1) for line in lines), said.read_text()


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    code, whole, errors = run_toy(tmp_path / "whole")
    assert code == 0, errors
    code, before, _ = run_toy(tmp_path / "killed", kill_at=8)
    assert code == -signal.SIGKILL
    code, after, errors = run_toy(tmp_path / "killed")
    assert code == 0, errors
    assert list(after) == [str(step) for step in range(7, 13)]  # from the snapshot of step 6
    assert {**before, **after} == whole


def test_state_trees_come_back_with_their_types(tmp_path):
    snapshots = Snapshots(tmp_path, {})
    state = {
        "tensors": {
            "a": torch.arange(3),
            "b": torch.ones(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        },
        3: (1, [2.5, None], "x"),
        "array": np.arange(4, dtype=np.uint32),
        "generator": np.random.default_rng(0).bit_generator.state,
        "empty": {},
    }
    snapshots.save(1, state)
    _, loaded = snapshots.load_last()
    assert loaded[3] == (1, [2.5, None], "x")
    assert loaded["generator"] == state["generator"]
    assert loaded["empty"] == {}
    assert loaded["array"].dtype == np.uint32
    assert torch.equal(loaded["tensors"]["a"], torch.arange(3))
    assert loaded["tensors"]["b"].is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(TypeError, match="state_dict"):
        snapshots.save(2, {"model": object()})


def test_the_last_two_are_kept_and_a_damaged_one_is_passed_over(tmp_path):
    snapshots = Snapshots(tmp_path, {})
    assert snapshots.load_last() is None
    for step in (1, 2, 3):
        snapshots.save(step, {"step": step, "x": torch.tensor([step])})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state-000000002",
        "state-000000003",
    ]
    tensors = tmp_path / "state-000000003" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"?")
    assert snapshots.load_last()[0] == 2
    assert snapshots.save(
        1, {}
    ).exists()  # the damaged one is gone: it does not push out what is made on the way there
    (tmp_path / ".state-000000009.1.tmp").mkdir()
    snapshots.clear()
    assert not any(tmp_path.glob(".*"))
    assert snapshots.load_last() is None


def test_a_run_with_other_settings_is_refused(tmp_path):
    Snapshots(tmp_path, {"batch": 4, "out": tmp_path}).save(1, {})
    with pytest.raises(CheckpointError, match="another 'batch': 4, now 8"):
        Snapshots(tmp_path, {"batch": 8, "out": tmp_path}).load_last()
    Snapshots(tmp_path / "deep", {"settings": {"lr": 1, "steps": 200}}).save(1, {})
    with pytest.raises(CheckpointError, match=r"another 'settings\.steps': 200, now 8\."):
        Snapshots(tmp_path / "deep", {"settings": {"lr": 1, "steps": 8}}).load_last()


def test_random_generators_are_restored():
    state = rng_state()
    drawn = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
    set_rng_state(state)
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == drawn


INTERRUPTED_RUN = """
import json, time
from vidact.errors import VidactError
from vidact.training.interrupts import StopRequest
try:
    with StopRequest() as stop:
        print("ready", flush=True)
        for step in range(10_000):
            time.sleep(0.01)
            if stop.requested:
                print(json.dumps({"saved": step}), flush=True)
                stop.leave(f"step {step}")
except VidactError as error:
    raise SystemExit(error.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_between_steps_with_75(number):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_RUN], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "saved" in json.loads(out)
