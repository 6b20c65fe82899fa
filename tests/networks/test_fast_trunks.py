"""What the fast trunks see, what they hide in training, and what does not fit them."""

import pytest
import torch
from vidact.errors import ConfigError
from vidact.networks.fast_trunks import GRAY, PatchTrunk, StridedTrunk, centered


def pictures(count, height, width):
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8)


def test_levels_are_centered_exactly_in_bfloat16():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    exact = (levels.double().permute(0, 3, 1, 2) - GRAY) / 255
    assert torch.equal(centered(levels, torch.float32), exact.float().mul(255).round() * (1 / 255))
    # One rounding: relative, so that neighboring levels stay apart where they are many.
    assert ((centered(levels, torch.bfloat16).double() - exact) / exact.abs().clamp_min(1 / 255))[
        exact != 0
    ].abs().max() < 2**-7


@pytest.mark.parametrize("size", [(64, 64), (36, 40), (16, 90)])
def test_the_strided_trunk_takes_any_size(size):
    trunk = StridedTrunk(24, size, channels=(4, 6, 6), dense=8).eval()
    out = trunk(pictures(3, *size))
    assert out.shape == (3, 24)
    assert (out[0] - out[1]).abs().max() > 0


def test_the_branch_near_the_player_sees_nine_patches():
    torch.manual_seed(0)
    trunk = PatchTrunk(12, (24, 32), patch=4, channels=(5, 3), dense=8, near=(2, 6)).eval()
    for parameter in trunk.dense.parameters():  # what the other branch says is silenced
        torch.nn.init.zeros_(parameter)
    plain = pictures(1, 24, 32).repeat(48, 1, 1, 1)
    frames = plain.clone()
    for cell in range(48):  # each frame differs from the plain one in one patch
        row, column = divmod(cell, 8)
        patch = frames[cell, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        patch.copy_(255 - patch)
    moved = (trunk(frames) - trunk(plain)).abs().amax(1) > 1e-4
    seen = moved.nonzero()[:, 0].tolist()
    assert seen == [8 * row + column for row in (1, 2, 3) for column in (5, 6, 7)]


def test_masked_patches_are_gray_in_training_only():
    torch.manual_seed(0)
    trunk = PatchTrunk(12, (24, 32), patch=4, channels=(5, 3), dense=8, mask=0.25)
    x = centered(pictures(200, 24, 32), torch.float32) + 2  # nothing is 0 of itself
    masked = trunk._masked(x)
    gray = (masked == 0).all(1).unflatten(1, (6, 4)).unflatten(3, (8, 4))
    per_patch = gray.float().mean((2, 4))  # (N, 6, 8)
    assert set(per_patch.unique().tolist()) == {0.0, 1.0}  # a patch is masked whole
    assert per_patch.mean().item() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(masked[masked != 0], x[masked != 0])
    frames = pictures(4, 24, 32)
    assert not torch.equal(trunk.train()(frames), trunk(frames))
    assert torch.equal(trunk.eval()(frames), trunk(frames))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 5}, "network.patch must divide the pixels .*32x24"),
        ({"near": (0, 3)}, "network.near must be a patch inside the 6 rows and 8 columns"),
        ({"near": (2, 7)}, "network.near"),
        ({"channels": (5,)}, "network.channels must be 2 widths"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        PatchTrunk(12, (24, 32), **({"patch": 4, "channels": (5, 3), "dense": 8} | changes))
    with pytest.raises(ConfigError, match="3 widths for the trunk `strided`"):
        StridedTrunk(12, (64, 64), channels=(4, 4))
