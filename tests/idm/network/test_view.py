"""On a cylinder a turn is one shift of the whole picture, and augmentation is composed exactly."""

import math

import numpy as np
import torch
from vidact.idm.config import AugmentConfig
from vidact.idm.network.augment import draw, moved
from vidact.idm.network.config import MotionConfig
from vidact.idm.network.motion import MotionFrontEnd
from vidact.idm.network.view import CylinderView

SIZE, FOCAL = 128, 64.0  # a field of view of 90 degrees


def seen(yaw_deg: float) -> torch.Tensor:
    """A flat picture [128, 128] of a textured cylinder around the player, who turned right by so
    many degrees.
    """
    generator = np.random.default_rng(0)
    texture = np.kron(generator.random((64, 720)), np.ones((4, 1))) * 255  # half a degree a column
    x = np.arange(SIZE) + 0.5 - SIZE / 2
    y = np.arange(SIZE) + 0.5 - SIZE / 2
    angle = np.degrees(np.arctan(x / FOCAL))
    column = ((angle + yaw_deg) * 2) % 720
    height = y[:, None] * np.cos(np.arctan(x / FOCAL))[None, :]
    row = np.clip(height + 128, 0, 255).astype(int)
    low = column.astype(int)
    share = column - low
    picture = texture[row, low[None]] * (1 - share) + texture[row, (low[None] + 1) % 720] * share
    return torch.from_numpy(picture).float()


def test_a_turn_is_one_shift() -> None:
    view = CylinderView((SIZE, SIZE), SIZE, 90.0)
    front = MotionFrontEnd(MotionConfig(), (SIZE, SIZE))
    for turn in (4, 12, 30):
        frames = torch.stack([seen(0), seen(turn)])
        flat, bent = (front(clip).across[0].mean(0) for clip in (frames, view(frames)))  # (P, S)
        columns = turn / (90 / SIZE)
        middle = bent[7:14].argmax(-1) - 64  # patches that stay in view
        assert (middle + columns).abs().max() <= 1.5  # right turns move the picture left
        assert bent.mean(0).max() > 1.15 * flat.mean(0).max()  # all patches agree


def test_without_a_draw_the_middle_column_keeps_its_rows() -> None:
    view = CylinderView((SIZE, SIZE), 112, 90.0)
    grey = torch.arange(SIZE).float()[:, None].expand(SIZE, SIZE)[None]
    assert view(grey).shape == (1, 112, SIZE)
    np.testing.assert_allclose(view(grey)[0, 2:110, 64].numpy(), np.arange(2, 110), atol=0.1)
    columns = torch.arange(SIZE).float()[None, None].expand(1, SIZE, SIZE)
    angles = (np.arange(SIZE) + 0.5 - 64) / 128 * math.pi / 2
    np.testing.assert_allclose(
        view(columns)[0, 50, 4:124].numpy(), (np.tan(angles) * 64 + 63.5)[4:124], atol=0.05
    )


def test_nothing_below_the_used_rows_is_seen() -> None:
    view = CylinderView((SIZE, SIZE), 110, 90.0, height=112)
    grey = seen(0)[None]
    bar = grey.clone()
    bar[:, 110:] = (
        torch.rand(1, SIZE - 110, SIZE) * 255
    )  # a status bar, into which the sides of the view would hang
    assert view(grey).shape == (1, 112, SIZE)
    assert torch.equal(view(grey), view(bar))


def test_composed_augmentation_equals_moving_first() -> None:
    view = CylinderView((SIZE, SIZE), SIZE, 90.0)
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    smooth = (128 + 60 * torch.sin(x / 9) + 50 * torch.cos(y / 11 + x / 23))[
        None
    ]  # survives double interpolation
    one = draw(AugmentConfig(mirror=0.0), np.random.default_rng(3), SIZE, SIZE)
    expected = view(moved(smooth, one, (SIZE, SIZE)))
    got = view(smooth, one)
    inside = (
        slice(None),
        slice(30, 98),
        slice(12, 116),
    )  # torchvision's rim is black, ours goes on
    torch.testing.assert_close(got[inside], expected[inside], atol=1.5, rtol=0)
    assert (got - view(smooth))[inside].abs().max() > 5


def test_black_stays_black() -> None:
    view = CylinderView((SIZE, SIZE), 112, 90.0)
    one = draw(AugmentConfig(), np.random.default_rng(0), SIZE, SIZE)
    assert not view(torch.zeros(2, SIZE, SIZE), one).any()
