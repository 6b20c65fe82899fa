"""A policy looks at a smaller picture, or at none; its heads are exact; dropout is of training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.bc_policy.policy.policy import Policy
from vidact.datasets.actions.spec import ActionSpec
from vidact.networks.area import averaged

DOOM = ActionSpec.load("doom")
SMALL = PolicyConfig(
    width=16, heads=2, blocks=1, memory=4, dense=16, trunk="strided", channels=(4, 4, 4), pool=2
)
PATCHES = replace(SMALL, trunk="patches", channels=(4, 4), patch=16, near=(1, 2))
RESIDUAL = replace(SMALL, trunk="residual", pool=8, stride=2)


def pictures(ticks: int = 3) -> Tensor:
    return torch.randint(0, 256, (2, ticks, 128, 128, 3), dtype=torch.uint8)


@pytest.mark.parametrize("config", [SMALL, PATCHES, replace(SMALL, pool=3)])
def test_frames_may_come_small_already(config: PolicyConfig) -> None:
    policy, frames = Policy(DOOM, config).eval(), pictures()
    small = policy.shrink(frames)
    assert tuple(small.shape[2:4]) == policy.frame_size
    assert torch.equal(small, averaged(frames, config.pool))
    assert policy.shrink(small) is small
    whole, cached = policy(frames), policy(small)
    assert torch.equal(whole.logits.joint, cached.logits.joint)
    assert torch.equal(whole.value, cached.value)
    with pytest.raises(ValueError, match=r"frames must be of \(128, 128\) or"):
        policy(frames[:, :, :100])


def test_the_residual_trunk_is_given_whole_frames() -> None:
    policy, frames = Policy(DOOM, RESIDUAL), pictures()
    assert policy.frame_size == (128, 128)
    assert policy.shrink(frames) is frames


@pytest.mark.parametrize("config", [SMALL, PATCHES, RESIDUAL])
def test_a_blind_policy_sees_black(config: PolicyConfig) -> None:
    torch.manual_seed(0)  # of some networks, one in many, every picture leaves nothing
    seeing = Policy(DOOM, config).eval()
    blind = Policy(DOOM, replace(config, blind=True)).eval()
    blind.load_state_dict(seeing.state_dict())
    frames = pictures()
    black = seeing(torch.zeros_like(frames)).logits.joint
    # One black picture stands for all of them: the batch is another, rounding with it.
    torch.testing.assert_close(blind(frames).logits.joint, black)
    assert not torch.equal(seeing(frames).logits.joint, black)


def test_chunks_and_steps_of_fast_trunks_agree() -> None:
    for config in (SMALL, PATCHES):
        policy, frames, memory, steps = Policy(DOOM, config).eval(), pictures(6), None, []
        with torch.no_grad():
            whole = policy(frames).logits.joint
            for tick in range(6):
                out = policy(frames[:, tick : tick + 1], None, memory)
                memory = out.memory
                steps.append(out.logits.joint)
        torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=1e-4, atol=1e-5)


def test_heads_work_in_float32_under_autocast() -> None:
    policy, frames = Policy(DOOM, SMALL).eval(), pictures()
    torch.nn.init.normal_(policy.value_head.linear.weight)
    given: list[Tensor] = []
    policy.value_head.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        out = policy(frames)
    assert out.logits.joint.dtype == out.value.dtype == given[0].dtype == torch.float32
    exact = given[0].double() @ policy.value_head.linear.weight[0].double()
    torch.testing.assert_close(out.value.double(), exact, rtol=0, atol=1e-5)
    assert not torch.equal(out.value, out.value.bfloat16().float())


def test_dropout_is_of_training_only() -> None:
    config = replace(PATCHES, feature_dropout=0.5, output_dropout=0.5, patch_mask=0.5)
    policy, frames = Policy(DOOM, config), pictures()
    assert torch.equal(policy.eval()(frames).value, policy(frames).value)
    first, second = (policy.train()(frames).logits.joint for _ in range(2))
    assert not torch.equal(first, second)
    assert all(p.grad is None for p in policy.parameters())
