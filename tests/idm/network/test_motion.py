"""The motion front end finds shifts that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vidact.idm.network.config import MotionConfig
from vidact.idm.network.motion import (
    PEAK_SCALE,
    MotionFrontEnd,
    block_correlation,
    box_mean,
    local_contrast,
)

CONFIG = MotionConfig(reach_across=20, reach_along=8)


def texture(height: int, width: int, tile: int = 4, seed: int = 0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    grey = generator.integers(0, 256, (height // tile, width // 4))
    return torch.from_numpy(np.kron(grey, np.ones((tile, 4)))).float()


def windows(shift_x: int, shift_y: int, tile: int = 4) -> torch.Tensor:
    """Two frames [2, 64, 128] of a texture; what was at (y, x) is at (y + shift_y, x + shift_x) in
    the second.
    """
    big = texture(200, 300, tile)
    first = big[60:124, 100:228]
    return torch.stack([first, big[60 - shift_y : 124 - shift_y, 100 - shift_x : 228 - shift_x]])


@pytest.mark.parametrize("shift", [-13, -1, 0, 4, 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sideways_shift_is_the_peak_of_every_band(shift: int, dtype: torch.dtype) -> None:
    front = MotionFrontEnd(CONFIG, (64, 128))
    motion = front(windows(shift, 0), dtype=dtype)
    assert motion.across.shape == (1, *front.across_shape) == (1, 4, 16, 41)
    assert motion.peaks.shape == (1, front.num_peaks)
    peaks = motion.across.float().mean(2).argmax(-1) - CONFIG.reach_across
    assert peaks.tolist() == [[shift] * 4]
    overall = motion.peaks[0, 4] * PEAK_SCALE
    assert abs(float(overall) - shift) < 0.5


@pytest.mark.parametrize("shift", [-6, 0, 3])
@pytest.mark.parametrize("turn", [0, 5])
def test_vertical_shift_is_the_peak_of_every_column_band(turn: int, shift: int) -> None:
    front = MotionFrontEnd(CONFIG, (64, 128))
    motion = front(windows(turn, shift, tile=20))
    assert motion.along.shape == (1, *front.along_shape) == (1, 8, 8, 17)
    assert (motion.along.mean(2).argmax(-1) - CONFIG.reach_along).tolist() == [[shift] * 8]


@pytest.mark.parametrize("across", [-9, 2, 15])
def test_both_motions_are_found_together(across: int) -> None:
    motion = MotionFrontEnd(CONFIG, (64, 128))(windows(across, -2))
    assert int(motion.across.mean((1, 2)).argmax()) - CONFIG.reach_across == across


def test_black_frame_correlates_with_nothing() -> None:
    frames = windows(3, 0)
    frames[1] = 0
    motion = MotionFrontEnd(CONFIG, (64, 128))(frames)
    assert not motion.across.any()
    assert not motion.along.any()


def test_brightness_and_contrast_change_little() -> None:
    front = MotionFrontEnd(CONFIG, (64, 128))
    plain, bright = front(windows(5, 1)), front(windows(5, 1) * 0.8 + 20)
    assert float((plain.across - bright.across).abs().max()) < 0.05 * float(
        plain.across.abs().max()
    )


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 30), st.integers(0, 10))
def test_block_correlation_is_the_plain_sum(
    bands: int, patches: int, reach: int, seed: int
) -> None:
    band, patch = 3, 4
    generator = torch.Generator().manual_seed(seed)
    now, then = (
        torch.randn(2, bands * band + 1, patches * patch + 2, generator=generator) for _ in range(2)
    )
    got = block_correlation(now, then, band, patch, reach)
    width = now.shape[2]
    for p in range(patches):
        for s in range(-reach, reach + 1):
            expected = torch.zeros(2, bands)
            for column in range(patch * p, patch * (p + 1)):
                if 0 <= column + s < width:
                    product = now[:, : bands * band, column] * then[:, : bands * band, column + s]
                    expected += product.view(2, bands, band).sum(-1)
            torch.testing.assert_close(
                got[:, :, p, s + reach], expected / (band * patch), atol=1e-5, rtol=1e-4
            )


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 23])
def test_box_mean_is_the_plain_mean(size: int) -> None:
    x = torch.randn(2, 3, 30)
    got = box_mean(x, size)
    assert got.shape == x.shape
    for column in (0, 1, 12, 29):
        places = torch.arange(column - size // 2, column + size // 2 + 1).clamp(0, 29)
        torch.testing.assert_close(got[..., column], x[..., places].mean(-1), atol=1e-5, rtol=1e-4)


def test_local_contrast_has_unit_variance() -> None:
    x = texture(64, 128)[None]
    contrast = local_contrast(x)
    assert abs(float(contrast.mean())) < 0.1
    assert 0.7 < float(contrast.square().mean()) < 1.1
    assert not local_contrast(torch.full((1, 4, 40), 77.0)).abs().gt(1e-3).any()
