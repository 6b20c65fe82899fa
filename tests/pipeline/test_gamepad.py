"""Sticks, triggers and twelve buttons through the whole chain: train, evaluate, label, clone, play.

In toy sizes: every file is made, and little is learnt. What is learnt of it in minutes
`benchmarks/twin_stick.py` shows.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from vidact.bc_policy.clone import clone
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.policy.agent import Agent
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.bc_policy.policy.policy import load_policy
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.inspect import choose_clip, describe_clip
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.games.record_twin_stick import Game, record_game
from vidact.games.tasks import make_env
from vidact.idm.config import EvalIDMConfig, TrainIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.network.config import IDMConfig, MotionConfig
from vidact.idm.train_idm import train_idm
from vidact.pipeline.config import LayoutConfig
from vidact.pipeline.label import label

from .conftest import config, plain_loop

SPEC = ActionSpec.load("twin_stick")
NETWORK = IDMConfig(
    width=32,
    picture_pool=4,
    temporal_channels=4,
    trunk_channels=(8, 8),
    trunk_dense=32,
    motion=MotionConfig(reach_across=16, reach_along=6, channels=(4, 8, 8)),
    time_dilations=(1,),
    attention_blocks=1,
    attention_heads=2,
)
POLICY = PolicyConfig(
    width=16,
    heads=2,
    blocks=1,
    memory=8,
    trunk="strided",
    channels=(4, 4, 4),
    dense=16,
    shared_classes=True,
    previous_action=True,
)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin")
    for number in range(3):
        sum(record_game(Game(number=number, seed=0, frames=140), folder))
    return folder


@pytest.fixture(scope="module")
def idm_of_play(play: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.set_num_threads(1)
    out = str(tmp_path_factory.mktemp("idm") / "checkpoint")
    training = TrainIDMConfig(
        data=(str(play),),
        out=out,
        network=NETWORK,
        steps=4,
        batch_size=2,
        ticks=24,
        warmup_steps=2,
        loader_threads=1,
        threads=1,
        precision="float32",
    )
    assert train_idm(training) == 0
    return out


def test_figures_show_every_stick_and_trigger(play: Path, idm_of_play: str, tmp_path: Path) -> None:
    assert (
        eval_idm(
            EvalIDMConfig(
                checkpoint=idm_of_play,
                recordings=(str(play / "twin_stick-s0-000"),),
                out=str(tmp_path),
                bootstrap=10,
                plots=False,
                threads=1,
                device="cpu",
            )
        )
        == 0
    )
    found = json.loads((tmp_path / "metrics.json").read_text())
    for figure in ("mouse_r2", "mouse_error_deg"):
        assert list(found[figure]) == list(SPEC.axis_names)
    assert np.isfinite(list(found["mouse_r2"].values())).all()


def test_labels_are_cloned_and_played(play: Path, idm_of_play: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    layout = LayoutConfig(val_fraction=0.3, segment_ticks=256, shard_ticks=256)
    labeling = config(play, idm_of_play, out, layout=layout, any_game=True)
    assert label(labeling, runner=plain_loop) == 0  # it verifies what it wrote
    data = Dataset(str(out))
    assert data.spec() == SPEC
    row = choose_clip(data, "")
    clip = decode_clip(row["key"], data.read_sample(row), frames=False)
    shown = "\n".join(describe_clip(clip, row, SPEC))
    assert "axis right_trigger: +" in shown
    for labels in ("hard", "soft"):
        cloning = CloneConfig(
            data=(str(out),),
            out=str(tmp_path / labels),
            network=POLICY,
            steps=2,
            batch_size=2,
            ticks=16,
            threads=1,
            labels=labels,
            mirror=(("left_shoulder:right_shoulder"),),
            eval_batches=1,
        )
        assert clone(cloning) == 0
    policy, _ = load_policy(str(tmp_path / "soft"))
    agent, env = Agent(policy, 1), make_env("twin_stick", 0)
    agent.start(0, 1)
    frame, stands = env.reset(1), []
    for _ in range(5):
        buttons, axes = agent.act(frame[None])
        frame, *_ = env.step(buttons[0], axes[0])
        stands.append(axes[0])
    assert np.abs(stands).max() <= 1
    assert np.std(stands, axis=0).min() > 0  # a policy that knows nothing yet stirs them all
