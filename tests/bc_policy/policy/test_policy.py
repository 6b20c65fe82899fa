"""The policy has VPT's size, acts in chunks as in steps, and comes back from its checkpoint."""

import dataclasses

import numpy as np
import pytest
import torch
from vidact.bc_policy.play import play
from vidact.bc_policy.policy.config import PRESETS
from vidact.bc_policy.policy.policy import (
    Policy,
    PreviousAction,
    ValueHead,
    last_actions,
    load_policy,
    policy_checkpoint_config,
    previous_actions,
)
from vidact.bc_policy.scoring.config import PlayConfig
from vidact.datasets.actions.joint import JointActions
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import CheckpointError, SpecMismatchError, VidactError
from vidact.networks.checkpoints import save_checkpoint

from ..toy_env import TOY_NETWORK, TOY_SPEC


@pytest.mark.parametrize(
    ("preset", "count"), [("1x", 70_998_654), ("2x", 248_495_294), ("3x", 532_504_318)]
)
def test_published_parameter_counts(preset, count):
    with torch.device("meta"):
        policy = Policy(ActionSpec.load("minecraft"), PRESETS[preset])
    assert policy.num_parameters == count


def test_chunks_and_steps_agree():
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, dataclasses.replace(TOY_NETWORK, blocks=2, memory=3)).eval()
    frames = torch.randint(0, 256, (2, 9, 8, 8, 3), dtype=torch.uint8)
    first = torch.zeros(2, 9, dtype=torch.bool)
    first[:, 0] = first[1, 5] = True
    with torch.no_grad():
        whole = policy(frames, first)
        memory, logits = None, []
        for tick in range(9):
            out = policy(frames[:, tick : tick + 1], first[:, tick : tick + 1], memory)
            memory = out.memory
            logits.append(out.logits.joint)
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits.joint, rtol=1e-4, atol=1e-5)


def test_checkpoint_round_trip_and_spec_check(tmp_path):
    policy = Policy(TOY_SPEC, TOY_NETWORK).eval()
    save_checkpoint(
        tmp_path, policy.state_dict(), policy_checkpoint_config(policy, preset="custom")
    )
    loaded, checkpoint = load_policy(str(tmp_path), spec=TOY_SPEC)
    frames = torch.randint(0, 256, (1, 2, 8, 8, 3), dtype=torch.uint8)
    assert torch.equal(loaded(frames).logits.joint, policy(frames).logits.joint)
    assert checkpoint.config["spec_sha256"] == TOY_SPEC.sha256
    with pytest.raises(SpecMismatchError):
        load_policy(str(tmp_path), spec=ActionSpec.load("doom"))


def test_a_spec_that_was_edited_is_refused(tmp_path):
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    config = policy_checkpoint_config(policy, preset="custom")
    config["spec"]["tick_hz"] = "20"
    save_checkpoint(tmp_path, policy.state_dict(), config)
    with pytest.raises(CheckpointError, match="the config was edited"):
        load_policy(str(tmp_path))
    with pytest.raises(CheckpointError, match="the config was edited"):
        play(PlayConfig(task="explore", out=str(tmp_path / "out"), checkpoint=str(tmp_path)))


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("network", {"width": 4 << 20}, "width must be within 1..16384, got 4194304"),
        ("network", {"memory": 10**12}, "memory must be"),
        ("network", {"memory": 1 << 16}, "wrong shape .'blocks.blocks.0.attention.b_nd"),
        ("network", {"blocks": 10**9}, "blocks must be"),
        ("network", {"blocks": 200}, "missing"),
        ("network", {"pool": 0.5}, "pool must be"),
        ("network", {"heads": 4.0}, "heads must be"),
        ("network", {"channels": "ab"}, "channels must be"),
        ("network", {"channels": 4}, "channels must be a list .*, got 4"),
        ("network", {"colour": 1}, "unknown field `colour`. Allowed: blind, blocks, channels"),
        ("network", [], "is damaged"),
        ("spec", [], "is damaged"),
        ("spec", {"frame": {"width": 1 << 40, "height": 8, "resize": "area"}}, "wrong shape"),
        ("spec", {"frame": {"width": 1 << 80, "height": 8, "resize": "area"}}, "is damaged"),
    ],
)
def test_altered_configs_are_refused_before_memory_is_taken(tmp_path, part, changes, message):
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    config = policy_checkpoint_config(policy, preset="custom")
    config[part] = {**config[part], **changes} if isinstance(changes, dict) else changes
    if config["spec"]:
        config["spec_sha256"] = ActionSpec.from_dict(config["spec"]).sha256
    save_checkpoint(tmp_path, policy.state_dict(), config)
    with pytest.raises(VidactError, match=message):
        load_policy(str(tmp_path))
    if not config["spec"]:
        with pytest.raises(CheckpointError):
            play(PlayConfig(task="explore", out=str(tmp_path / "out"), checkpoint=str(tmp_path)))


def test_a_loaded_network_has_its_constants(tmp_path):
    spec = ActionSpec.load("doom")
    network = dataclasses.replace(TOY_NETWORK, pool=4, stride=2, previous_action=True)
    policy = Policy(spec, network).eval()
    save_checkpoint(
        tmp_path, policy.state_dict(), policy_checkpoint_config(policy, preset="custom")
    )
    loaded, _ = load_policy(str(tmp_path))
    own = dict(policy.named_buffers())
    assert {"head.camera_on", "previous.table", "previous.camera_table_0"} < own.keys()
    assert all(torch.equal(buffer, own[name]) for name, buffer in loaded.named_buffers())
    stored, fresh = loaded.state_dict(), policy.state_dict()
    # channels_last, as it was.
    assert all(stored[name].stride() == fresh[name].stride() for name in fresh)
    frames, previous = (
        torch.zeros(1, 2, 128, 128, 3, dtype=torch.uint8),
        torch.tensor([[[-1, -1], [5, 7]]]),
    )
    assert torch.equal(
        loaded(frames, previous=previous).logits.joint,
        policy(frames, previous=previous).logits.joint,
    )


def test_value_statistics_and_rescaling():
    head = ValueHead(3)
    assert [x.item() for x in head.statistics()] == [0.0, 1.0]
    head.update(torch.tensor([1.0, 3.0]), beta=0.5)
    mean, deviation = head.statistics()
    assert (mean.item(), deviation.item()) == (2.0, 1.0)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, -2.0, 0.5]]))
    x = torch.randn(5, 3)
    before = head.denormalized(head(x))
    head.update(torch.tensor([10.0, 30.0]), beta=0.5)
    assert head.statistics()[0].item() == pytest.approx((0.25 * 2 + 0.5 * 20) / 0.75)
    torch.testing.assert_close(head.denormalized(head(x)), before)
    returns = torch.tensor([4.0])
    torch.testing.assert_close(head.denormalized(head.normalized(returns)), returns)


def test_previous_actions_by_hand():
    joint, camera = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[5, 6, 7, 8]])
    first = torch.tensor([[False, False, True, False]])
    got = previous_actions(joint, camera, first, torch.tensor([[9, 0]]))
    assert got.tolist() == [[[9, 0], [1, 5], [-1, -1], [3, 7]]]
    assert previous_actions(joint, camera, first)[0, 0].tolist() == [-1, -1]


def test_last_actions_by_hand():
    actions = torch.arange(12).reshape(3, 2, 2)
    ticks = torch.tensor([2, 1, 0])
    assert last_actions(actions, ticks).tolist() == [[2, 3], [4, 5], [-1, -1]]
    assert last_actions(actions, ticks, torch.full((3, 2), 7)).tolist() == [[2, 3], [4, 5], [7, 7]]


def test_a_network_that_is_told_its_last_action_agrees_in_chunks_and_steps():
    torch.manual_seed(0)
    spec = ActionSpec.load("doom")
    policy = Policy(
        spec, dataclasses.replace(TOY_NETWORK, pool=4, stride=2, previous_action=True)
    ).eval()
    frames = torch.randint(0, 256, (1, 5, 128, 128, 3), dtype=torch.uint8)
    joint, camera = torch.randint(1152, (1, 5)), torch.randint(1443, (1, 5))
    first = torch.tensor([[True, False, False, True, False]])
    previous = previous_actions(joint, camera, first)
    with torch.no_grad():
        whole = policy(frames, first, None, previous).logits.joint
        memory, parts = None, []
        for tick in range(5):
            now = slice(tick, tick + 1)
            out = policy(frames[:, now], first[:, now], memory, previous[:, now])
            memory = out.memory
            parts.append(out.logits.joint)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-4, atol=1e-5)
    untold = policy(frames, first, None, torch.full_like(previous, -1)).logits.joint
    assert not torch.allclose(untold, whole)
    with pytest.raises(ValueError, match="told its last action"):
        policy(frames, first)


def test_features_of_the_last_action():
    spec = ActionSpec.load("doom")
    told, actions = PreviousAction(4, spec), JointActions(spec)
    with torch.no_grad():
        told.linear.weight.zero_()
        told.linear.bias.zero_()
        told.linear.weight[0, spec.button_names.index("run")] = 1.0
        told.linear.weight[1, spec.num_buttons] = 1.0  # the mouse moves
        told.linear.weight[2, spec.num_buttons + 1] = 1.0  # there was an action
        told.linear.weight[3, -1] = 1.0  # yaw
    buttons = np.zeros(spec.num_buttons, np.uint8)
    buttons[spec.button_names.index("run")] = 1
    rightmost = spec.quantise(np.array([0.0, 60.0]))
    moving = actions.encode(buttons, rightmost)
    still = actions.encode(buttons, spec.quantise(np.array([0.0, 0.0])))
    previous = torch.tensor([[[*map(int, moving)], [int(still[0]), int(moving[1])], [-1, -1]]])
    assert told(previous)[0].tolist() == [[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]]
