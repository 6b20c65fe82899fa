"""Fine-tuning that is killed and resumed continues exactly, with toy games and with real ones."""

import json
import signal

import numpy as np
import pytest
import torch
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import ActorProcesses
from vidact.bc_policy.rl.rollout import joined
from vidact.datasets.actions.spec import ActionSpec

from ..forked import Forked
from .toy_env import TOY_NETWORK, TOY_SPEC, Recall
from .toy_runs import finetune_toy


def metrics_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in row.items() if not name.endswith("_s")}  # seconds, rates
        for row in rows
    ]


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    said = tmp_path / "said"
    assert Forked(finetune_toy, tmp_path / "whole", -1, said=said).wait() == 0, said.read_text()
    # After 5; the snapshot is of 4.
    assert Forked(finetune_toy, tmp_path / "killed", 6).wait() == -signal.SIGKILL
    assert Forked(finetune_toy, tmp_path / "killed", -1, said=said).wait() == 0, said.read_text()
    assert "Resuming from iteration 4" in said.read_text()
    assert metrics_of(tmp_path / "killed") == metrics_of(tmp_path / "whole")
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("killed", "whole")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "killed" / "snapshots").exists()


def same(a, b):
    ends = ("terminated", "truncated", "final_value", "last_value")
    for name in ("frames", "first", "joint", "camera", "reward", "before", *ends):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for mine, others in zip(a.memory, b.memory, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(mine, others, strict=True))
    assert a.episodes == b.episodes


@pytest.mark.parametrize("delay", [0, 2])
def test_an_actor_goes_on_from_its_state(delay):
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    actor = Actor(policy, Recall, lanes=3, seed=5, action_delay=delay)
    actor.collect(weights, 6)
    state = actor.state_dict()
    expected = actor.collect(weights, 7)
    fresh = Actor(Policy(TOY_SPEC, TOY_NETWORK), Recall, lanes=3, seed=5, action_delay=delay)
    fresh.load_state_dict(state)
    same(fresh.collect(weights, 7), expected)


def test_no_two_lanes_play_the_same_episode():
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    actors = [Actor(policy, Recall, lanes=2, seed=0, index=index, actors=3) for index in range(3)]
    seeds = [lane.next() for _ in range(4) for actor in actors for lane in actor._seeds]
    assert len(set(seeds)) == len(seeds) == 24
    rollout = joined([actor.collect(policy.state_dict(), 5) for actor in actors])
    assert rollout.frames.shape == (6, 5, 8, 8, 3)
    assert rollout.first[0].tolist() == [True, False, False, False, True]


def test_real_games_are_played_again_to_where_they_were():
    pytest.importorskip("vizdoom")
    spec = ActionSpec.load("doom")
    network = PolicyConfig(
        width=16,
        heads=2,
        blocks=1,
        memory=4,
        channels=(4, 4),
        residual_blocks=1,
        pool=4,
        stride=2,
        dense=16,
    )
    torch.manual_seed(0)
    weights = Policy(spec, network).state_dict()
    plan = {"actors": 2, "lanes": 2, "seed": 3}
    with ActorProcesses("explore_train", spec, network, **plan) as actors:
        actors.collect(weights, 20)
        state = actors.state_dict()
        expected = actors.collect(weights, 10)
    with ActorProcesses("explore_train", spec, network, **plan) as actors:
        actors.load_state_dict(state)
        same(actors.collect(weights, 10), expected)
    assert expected.reward.shape == (4, 10)
