"""Averages of areas by hand."""

import pytest
import torch
from vidact.networks.area import averaged


def test_means_are_rounded_half_up():
    picture = torch.tensor([[0, 1, 9, 9], [1, 0, 9, 10]], dtype=torch.uint8)[..., None]
    assert averaged(picture, 2)[..., 0].tolist() == [[1, 9]]  # 0.5 and 9.25
    assert averaged(picture, 1) is picture


@pytest.mark.parametrize(("size", "pool"), [((12, 18), 3), ((14, 10), 4), ((8, 8), 16)])
def test_any_pool_and_size_equals_exact_arithmetic(size, pool):
    """The last areas are smaller where the pool does not divide the size."""
    height, width = size
    frames = torch.randint(0, 256, (2, 20, height, width, 3), dtype=torch.uint8)
    frames[0] = 255
    got = averaged(frames, pool)
    assert got.shape == (2, 20, -(-height // pool), -(-width // pool), 3)
    for row in range(got.shape[2]):
        for column in range(got.shape[3]):
            area = frames[
                :, :, row * pool : (row + 1) * pool, column * pool : (column + 1) * pool
            ].flatten(2, 3)
            count = area.shape[2]
            exact = (2 * area.long().sum(2) + count) // (2 * count)
            assert torch.equal(got[:, :, row, column].long(), exact)
