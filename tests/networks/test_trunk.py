"""The trunk has VPT's size and order of operations, and its cheaper variants keep the shapes."""

import pytest
import torch
from vidact.networks.trunk import Trunk, normed_linear


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pool": 2},
        {"pool": 2, "stride": 2, "blocks": 1},
        {"pool": 3, "norm_first": True},
    ],
)
def test_shapes_and_gradients(options):
    trunk = Trunk(24, (40, 52), channels=(4, 6, 8), dense=16, **options)
    frames = torch.randint(0, 256, (2, 40, 52, 3), dtype=torch.uint8)
    out = trunk(frames)
    assert out.shape == (2, 24)
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in trunk.parameters())


def test_vpt_widths_give_vpts_parameter_count():
    with torch.device("meta"):
        trunk = Trunk(1024, (128, 128), channels=(64, 128, 128))
    assert trunk.dense.layer.weight.shape == (256, 32768)
    # Summed from the tensor list of the published 1x policy: 3 stacks, dense and linear.
    stacks = 1_792 + 128 + 4 * (128 + 36_864)
    stacks += (128 + 73_728) + 256 + 4 * (256 + 147_456)
    stacks += (256 + 147_456) + 256 + 4 * (256 + 147_456)
    assert sum(p.numel() for p in trunk.parameters()) == stacks + (65_536 + 8_388_608) + (
        512 + 262_144
    )


def test_layer_is_norm_then_linear_then_relu():
    layer = normed_linear(3, 2)
    x = torch.tensor([[1.0, 2.0, 6.0]])
    normed = (x - 3) / (14 / 3 + 1e-5) ** 0.5
    expected = (normed @ layer.layer.weight.T).relu()
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.layer.weight.norm(dim=1), torch.ones(2))


def test_pooling_averages_pixels():
    trunk = Trunk(8, (8, 8), channels=(4,), dense=8, pool=2)
    flat = torch.full((1, 8, 8, 3), 100, dtype=torch.uint8)
    checkered = flat.clone()
    checkered[:, ::2, ::2] = 140
    checkered[:, 1::2, 1::2] = 60
    torch.testing.assert_close(trunk(flat), trunk(checkered))
