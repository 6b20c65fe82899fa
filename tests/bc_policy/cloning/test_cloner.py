"""One step of cloning: what it may not break, and whom it may share its work with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from vidact.bc_policy.clone import clone
from vidact.bc_policy.cloning.cloner import Cloner
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.policy.config import PolicyConfig

from ...forked import together
from ..toy_data import lights_dataset

NETWORK = PolicyConfig(
    width=16,
    heads=2,
    blocks=1,
    memory=8,
    channels=(4,),
    residual_blocks=1,
    dense=16,
    previous_action=True,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return lights_dataset(str(tmp_path_factory.mktemp("lights")))


def cloner(data: str, **changes: object) -> Cloner:
    settings = {"network": NETWORK, "batch_size": 4, "ticks": 16, "threads": 1, "mirror": ()}
    learning = {"learning_rate": 1e-2, "precision": "float32", "loader_threads": 1}
    return Cloner(CloneConfig(data=(data,), out="x", **{**settings, **learning, **changes}))


def test_a_broken_batch_leaves_nothing_behind(data: str) -> None:
    """Its memory would be no number for as long as the episode goes on, whatever the weights."""
    one = cloner(data, order="episodes")
    one.step(0, 0.0)
    before = one.lanes
    weight = one.policy.head.joint.weight
    whole = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    one.step(1, 0.1)
    with torch.no_grad():
        weight.copy_(whole)
    assert one.guard.skipped == 1
    assert one.lanes is before
    assert np.isfinite(one.step(2, 0.2)["loss"])
    assert one.lanes.memory is not None
    assert all(torch.isfinite(block.keys).all() for block in one.lanes.memory)


def test_a_few_sure_ticks_move_the_policy_less_than_many(data: str) -> None:
    """Each batch's gradient is that of a sum over its ticks: halves of a batch add up to it."""
    found = []
    for min_confidence in (0.0, 0.99):  # all ticks, or the one in a hundred that are so sure
        one = cloner(data, min_confidence=min_confidence, clip_norm=1e9)
        one.mean_weight = (1.0, 1.0)  # as after batches that were sure throughout
        found.append(one.step(0, 0.0)["gradient_norm"])
    assert found[1] < 0.2 * found[0]


def test_parts_make_the_same_step(data: str) -> None:
    whole, parts = cloner(data), cloner(data, accumulate=2)
    for step in range(3):
        one, other = whole.step(step, step / 3), parts.step(step, step / 3)
        assert one == pytest.approx(other, rel=1e-4)
    for name, tensor in whole.policy.state_dict().items():
        torch.testing.assert_close(parts.policy.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


def test_what_is_not_told_depends_on_the_step_alone(data: str) -> None:
    one = cloner(data, previous_dropout=0.5)
    previous = torch.zeros(4, 16, 2, dtype=torch.long)
    first, again, other = (one._forgetful(previous, step) for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 10 < (first[..., 0] < 0).sum() < 54


def test_a_blind_policy_sees_nothing(data: str) -> None:
    policy = cloner(data, blind=True).policy.eval()
    assert policy.config.blind
    dark, light = (torch.full((1, 2, 16, 16, 3), level, dtype=torch.uint8) for level in (0, 200))
    previous = torch.full((1, 2, 2), -1)
    logits = [policy(frames, previous=previous).logits.joint for frames in (dark, light)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("order", ["clips", "episodes"])
def test_two_processes_train_as_one_with_accumulation(
    tmp_path: Path, data: str, order: Literal["clips", "episodes"]
) -> None:
    settings: dict[str, Any] = {
        **{"data": (data,), "steps": 6, "batch_size": 4, "ticks": 16, "threads": 1},
        **{"order": order, "precision": "float32", "device": "cpu", "loader_threads": 1},
    }
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    clone(CloneConfig(out=str(alone), network=NETWORK, accumulate=2, **settings))
    together(clone, CloneConfig(out=str(shared), network=NETWORK, **settings))
    name = "model.safetensors"
    assert (alone / name).read_bytes() == (shared / name).read_bytes()
