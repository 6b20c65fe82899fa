"""The patch front end sees small things, and a game of cells gets it by its preset's name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.idm.config import AugmentConfig, TrainIDMConfig
from vidact.idm.network.config import PRESETS, PatchConfig, preset_config
from vidact.idm.network.model import InverseDynamicsModel
from vidact.idm.network.patches import PatchFrontEnd
from vidact.networks.heads import exclusive_log_odds


def test_a_preset_is_what_the_specs_frames_are() -> None:
    doom, old, new = (ActionSpec.load(name) for name in ("doom", "crafter@1", "crafter"))
    for spec in (doom, old):
        assert preset_config("tiny", spec) == PRESETS["tiny"]
    network = preset_config("tiny", new)
    assert network.patches == PatchConfig(size=8)
    assert network.exclusive
    assert network.motion is None
    assert preset_config("vpt", new) == PRESETS["vpt"]
    sizes = [
        sum(p.numel() for p in InverseDynamicsModel.without_memory(one, new).parameters())
        for one in (preset_config(name, new) for name in ("tiny", "small"))
    ]
    assert 1e6 < sizes[0] < 2e6 < sizes[1]


def test_what_came_later_is_left_out_of_what_older_networks_record() -> None:
    recorded = PRESETS["tiny"].to_dict()
    assert not {"patches", "exclusive"} & recorded.keys()


def test_a_vector_sees_its_frame_and_the_next() -> None:
    spec = ActionSpec.load("crafter")
    torch.manual_seed(0)
    model = InverseDynamicsModel(preset_config("tiny", spec), spec).eval()
    frames = torch.randint(0, 256, (1, 8, 72, 72, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = model.features(frames)
        frames[0, 4] = 255 - frames[0, 4]  # of tick 3
        changed = (model.features(frames) - before).abs().amax(-1)[0] > 1e-6
    assert before.shape == (1, 6, 160)
    assert changed.tolist() == [False, False, True, True, False, False]


def test_a_few_pixels_are_a_large_part_of_their_patch() -> None:
    """A digit of the inventory changes: averaged over the picture that is next to nothing."""
    pictures = torch.rand(1, 2, 3, 72, 72)
    pictures[:, 1] = pictures[:, 0]
    changed = pictures.clone()
    changed[0, 1, :, 58:61, 12:14] = 1 - changed[0, 1, :, 58:61, 12:14]
    torch.manual_seed(0)
    front_end = PatchFrontEnd(PatchConfig(), 32, (72, 72), 0.0).eval()
    with torch.no_grad():
        one, other = (front_end.of_cells(part) for part in (pictures, changed))
    moved = (one - other).abs().amax(1)[0]  # (9, 9)
    assert moved[7, 1] > 0.05
    moved[7, 1] = 0
    assert not moved.any()


def test_each_frame_is_looked_at_once_for_itself_and_for_the_difference() -> None:
    pictures = torch.rand(2, 4, 3, 24, 16)
    front_end = PatchFrontEnd(PatchConfig(), 32, (24, 16), 0.0)
    now, then = pictures[:, :-1].flatten(0, 1), pictures[:, 1:].flatten(0, 1)
    expected = front_end.cells(torch.cat([now - 0.4, then - now], dim=1))
    torch.testing.assert_close(front_end.of_cells(pictures), expected, atol=1e-5, rtol=1e-5)


def test_patches_must_fill_the_picture() -> None:
    with pytest.raises(ConfigError, match=r"patches\.size must divide the 72x70 pixels"):
        PatchFrontEnd(PatchConfig(), 32, (70, 72), 0.0)


def test_names_of_the_weights_are_those_of_stored_checkpoints() -> None:
    names = PatchFrontEnd(PatchConfig(), 32, (24, 16), 0.0).state_dict().keys()
    of_dense = {f"dense.{layer}.{part}" for layer in (0, 1, 3, 4) for part in ("weight", "bias")}
    assert {name for name in names if name.startswith("dense.")} == of_dense


def test_cells_are_neither_shifted_nor_colored_unless_asked_for() -> None:
    doom, crafter = ActionSpec.load("doom"), ActionSpec.load("crafter")
    usual = AugmentConfig(compressed=0.3, brightness=0.1)
    assert usual.under(doom) == usual
    cells = usual.under(crafter)
    assert (cells.hue, cells.translation_px, cells.scale) == (0, 0, 0)
    assert (cells.brightness, cells.compressed, cells.mirror) == (0.1, 0.3, 0.5)


def test_clips_around_rare_presses_are_for_games_of_cells() -> None:
    doom, crafter = ActionSpec.load("doom"), ActionSpec.load("crafter")
    config = TrainIDMConfig(data=("play",), out="idm")
    assert (config.rare_clips_for(doom), config.rare_clips_for(crafter)) == (0, 0.25)
    asked = TrainIDMConfig(data=("play",), out="idm", rare_clips=0.5)
    assert (asked.rare_clips_for(doom), asked.rare_clips_for(crafter)) == (0.5, 0.5)


def test_log_odds_of_what_excludes_each_other_are_one_softmax() -> None:
    scores = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [40.0, 0.0, -40.0]])
    expected = torch.softmax(F.pad(scores, (0, 1)), dim=-1)[:, :3]
    odds = exclusive_log_odds(scores)
    torch.testing.assert_close(torch.sigmoid(odds), expected)
    np.testing.assert_allclose(odds[1].exp(), [1 / 3] * 3, rtol=1e-6)  # one of four
    assert odds[2, 0] == pytest.approx(40 - np.log(2))  # nothing is sure beyond all numbers
