"""A mirror turns the world around, and leaves what is shown below it as it is."""

from __future__ import annotations

import torch
from vidact.datasets.actions.spec import ActionSpec
from vidact.networks.mirror import mirrored


def test_a_mirror_leaves_the_status_as_it_is() -> None:
    picture = torch.arange(24).reshape(1, 4, 6)
    expected = picture.flip(-1)
    expected[:, 3:] = picture[:, 3:]
    assert torch.equal(mirrored(picture, 1 / 4), expected)
    assert torch.equal(mirrored(picture), picture.flip(-1))
    frames = picture[..., None].expand(1, 4, 6, 3)
    assert torch.equal(mirrored(frames, 1 / 4, columns=2), expected[..., None].expand(1, 4, 6, 3))


def test_the_status_is_as_much_of_a_smaller_picture() -> None:
    share = ActionSpec.load("crafter").frame.status_share  # 16 of 72 rows
    small = torch.arange(36 * 36).reshape(36, 36)
    assert torch.equal(mirrored(small, share)[28:], small[28:])
    assert torch.equal(mirrored(small, share)[:28], small[:28].flip(-1))
    assert ActionSpec.load("doom").frame.status_share == 0
