"""Sizes of policies: what a preset is in each game, and what stored sizes mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from vidact.bc_policy.policy.config import PRESETS, PolicyConfig, preset_config
from vidact.bc_policy.policy.policy import Policy
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.settings import to_plain

OLD_TINY: dict[str, Any] = {
    "width": 192,
    "heads": 4,
    "blocks": 2,
    "memory": 64,
    "channels": [16, 32, 48],
    "residual_blocks": 1,
    "pool": 2,
    "stride": 2,
    "dense": 256,
    "shared_classes": False,
    "previous_action": True,
}
"""As checkpoints of before hold it."""


@pytest.mark.parametrize("preset", ["1x", "2x", "3x"])
def test_published_sizes_are_the_same_for_every_game(preset: Any) -> None:
    assert preset_config(preset, ActionSpec.load("doom")) == PRESETS[preset]


def test_tiny_is_strided_at_64_pixels() -> None:
    spec = ActionSpec.load("doom")
    with torch.device("meta"):
        policy = Policy(spec, preset_config("tiny", spec))
    assert policy.frame_size == (64, 64)
    assert policy.num_parameters == 1_868_347


def test_tiny_of_a_game_of_cells_has_a_patch_a_cell() -> None:
    spec = ActionSpec.load("crafter")
    config = preset_config("tiny", spec)
    # Nine rows of cells, two of them the inventory: the player stands in the fourth.
    assert (config.trunk, config.patch, config.near, config.pool) == ("patches", 8, (3, 4), 1)
    assert (config.feature_dropout, config.output_dropout, config.patch_mask) == (0.3, 0.1, 0.1)
    with torch.device("meta"):
        policy = Policy(spec, config)
    assert policy.frame_size == (72, 72)
    few = replace(spec, frame=replace(spec.frame, width=16))
    assert preset_config("tiny", few).near is None  # two columns have no middle


def test_sizes_of_before_are_read_and_written_as_they_were() -> None:
    old = PolicyConfig.from_dict(OLD_TINY)
    assert old.trunk == "residual"
    assert not old.blind
    assert old.to_dict() == to_plain(old) == OLD_TINY
    with torch.device("meta"):
        policy = Policy(ActionSpec.load("doom"), old)
    assert policy.num_parameters == 1_779_095
    assert policy.frame_size == (128, 128)
    new = replace(old, blind=True).to_dict()
    assert new == OLD_TINY | {"blind": True}
    assert PolicyConfig.from_dict(new).blind
    assert PolicyConfig.from_dict(OLD_TINY | {"shared_classes": True}).shared_classes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"near": (1, 1)}, "near must be left out unless trunk is patches"),
        ({"patch_mask": 0.1}, "patch_mask must be left out unless trunk is patches"),
        ({"feature_dropout": 0.1}, "feature_dropout must be 0 where the trunk is residual"),
        ({"output_dropout": 1.0}, "output_dropout must be at least 0 and below 1"),
        ({"trunk": "vit"}, "trunk must be one of residual, strided, patches"),
    ],
)
def test_options_without_an_effect_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PolicyConfig(**changes)
