"""The network's graph: sizes, what a frame's vector sees, what a window sees."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.idm.network.config import PRESETS, IDMConfig
from vidact.idm.network.model import InverseDynamicsModel, TemporalConvolution

from ..conftest import MICRO, SIZE

PICTURE_ONLY = IDMConfig(
    width=32,
    picture_pool=4,
    temporal_kernel=5,
    trunk_channels=(8, 8),
    trunk_dense=16,
    attention_blocks=2,
)


def parameters(preset: str, spec: str) -> int:
    with torch.device("meta"):
        model = InverseDynamicsModel(PRESETS[preset], ActionSpec.load(spec))
    return sum(parameter.numel() for parameter in model.parameters())


def test_vpt_preset_has_the_published_number_of_parameters() -> None:
    assert parameters("vpt", "minecraft") == 482_330_046


def test_presets_grow() -> None:
    tiny, small, base = (parameters(name, "doom") for name in ("tiny", "small", "base"))
    assert 0.7e6 < tiny < 1.6e6
    assert tiny * 2 < small < base / 2


@pytest.mark.parametrize("config", [MICRO, PICTURE_ONLY])
def test_a_vector_sees_its_radius_and_no_farther(config: IDMConfig, toy_spec: ActionSpec) -> None:
    torch.manual_seed(0)
    model = InverseDynamicsModel(config, toy_spec).eval()
    ticks, radius = 9, model.radius
    frames = torch.randint(0, 256, (1, ticks + 2 * radius, SIZE, SIZE, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = model.features(frames)
        assert before.shape[:2] == (1, ticks)
        place = 4 + radius  # in padded frames: tick 4
        frames[0, place] = 255 - frames[0, place]
        changed = (model.features(frames) - before).abs().amax(-1)[0] > 1e-6
    inside = [abs(tick - 4) <= radius for tick in range(ticks)]
    assert not any(changed[tick] for tick in range(ticks) if not inside[tick])
    # The motion front end looks one frame ahead, the temporal convolution both ways.
    assert all(changed[tick] for tick in range(ticks) if inside[tick])


def test_temporal_convolution_is_conv3d_and_black_is_its_padding() -> None:
    torch.manual_seed(0)
    layer = TemporalConvolution(5, 3, 6)
    x = torch.rand(2, 7, 3, 4, 4)
    reference = nn.Conv3d(3, 6, (5, 1, 1), padding=(2, 0, 0))
    reference.load_state_dict(layer.conv.state_dict())
    expected = F.relu(reference(x.transpose(1, 2))).transpose(1, 2).flatten(0, 1)
    black = torch.zeros(2, 2, 3, 4, 4)
    torch.testing.assert_close(
        layer(torch.cat([black, x, black], dim=1)), expected, atol=1e-5, rtol=1e-5
    )


def test_absent_ticks_are_not_seen(toy_spec: ActionSpec) -> None:
    torch.manual_seed(0)
    model = InverseDynamicsModel(MICRO, toy_spec).eval()
    for block in model.time:
        nn.init.normal_(block.linear.weight)  # a fresh block is the identity
    width = MICRO.width + model.inputs.front_end.num_peaks  # type: ignore[union-attr]
    features = torch.randn(1, 10, width)
    present = torch.ones(1, 10, dtype=torch.bool)
    present[0, 6:] = False
    with torch.no_grad():
        one = model.forward_windows(features, present)
        features[0, 6:] = torch.randn(4, width)
        other = model.forward_windows(features, present)
        features[0, 2] = torch.randn(width)
        third = model.forward_windows(features, present)
    torch.testing.assert_close(one.buttons[:, :6], other.buttons[:, :6])
    torch.testing.assert_close(one.axes[0][:, :6], other.axes[0][:, :6])
    assert not torch.allclose(one.buttons[:, :6], third.buttons[:, :6])


def test_published_tensors_only_add_the_second_logit(toy_spec: ActionSpec) -> None:
    config = IDMConfig.from_dict({**PICTURE_ONLY.to_dict(), "published_tensors": True})
    torch.manual_seed(0)
    model = InverseDynamicsModel(config, toy_spec).eval()
    features, present = torch.randn(1, 5, 32), torch.ones(1, 5, dtype=torch.bool)
    assert model.published is not None
    with torch.no_grad():
        before = model.forward_windows(features, present).buttons
        model.published.lastlayer.layer.weight.normal_()  # type: ignore[union-attr, operator]
        torch.testing.assert_close(model.forward_windows(features, present).buttons, before)
        model.published.released.bias += 1.5
        torch.testing.assert_close(model.forward_windows(features, present).buttons, before - 1.5)


def test_config_round_trip_and_checks() -> None:
    for config in (*PRESETS.values(), MICRO):
        import json

        assert IDMConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ConfigError, match="temporal_kernel must be odd"):
        IDMConfig(width=32, temporal_kernel=4)
    with pytest.raises(ConfigError, match="width must be a multiple of 4"):
        IDMConfig(width=30)
