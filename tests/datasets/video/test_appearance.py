"""The same play as others would have seen and recorded it."""

from __future__ import annotations

import numpy as np
import pytest
from vidact.datasets.video.appearance import CAPTURE, PIXELS, apply, shown
from vidact.randomize.parameters import load_suite

SUITE = load_suite("doom")
ON_FRAMES = sorted(SUITE.acting("pixels", "capture"))


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A moving pattern, [6, 32, 48, 3], with detail of one pixel."""
    coarse = np.random.default_rng(0).integers(40, 200, (16, 40, 3))
    wall = np.kron(coarse, np.ones((2, 2, 1))).astype(np.uint8)
    return np.stack([wall[:, i : i + 48] for i in range(6)])


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_what_ships_in_the_suites_is_what_there_is() -> None:
    assert SUITE.acting("pixels") == PIXELS.keys()
    assert SUITE.acting("capture") == CAPTURE.keys()
    assert load_suite("crafter").acting("pixels", "capture") <= (PIXELS | CAPTURE).keys()


def test_nominal_values_change_nothing(frames: np.ndarray) -> None:
    nominal = SUITE.values(dict.fromkeys(ON_FRAMES, 0.0))
    np.testing.assert_array_equal(apply(frames, nominal, chance()), frames)
    ticks = np.arange(0, 400, 2)
    np.testing.assert_array_equal(shown(ticks, 35.0, nominal, chance()), ticks)


@pytest.mark.parametrize("name", sorted(set(ON_FRAMES) - {"source_fps", "jitter"}))
def test_the_further_out_the_less_is_left_of_the_picture(frames: np.ndarray, name: str) -> None:
    parameter = SUITE.parameters[name]
    for side in parameter.sides:
        end = parameter.ends[side == "high"]
        before, errors = frames.copy(), []
        for part in (0.25, 0.5, 1.0):
            changed = apply(frames, {name: parameter.value(part * end)}, chance())
            assert changed.shape == frames.shape
            assert changed.dtype == np.uint8
            errors.append(np.abs(changed.astype(int) - frames).mean())
        assert 0 < errors[0] < errors[1] < errors[2]
        np.testing.assert_array_equal(frames, before)


def test_light_and_gamma_by_hand(frames: np.ndarray) -> None:
    np.testing.assert_array_equal(
        apply(frames, {"exposure": 2.0}, chance()), np.minimum(frames.astype(int) * 2, 255)
    )
    expected = np.rint(255 * (frames / 255) ** 0.5)
    np.testing.assert_array_equal(apply(frames, {"gamma": 0.5}, chance()), expected)


def test_boxes_cover_the_share_and_stay_where_they_are(frames: np.ndarray) -> None:
    shares = []
    for seed in range(20):
        covered = (apply(frames, {"boxes": 0.2}, chance(seed)) != frames).any(-1)  # (T, H, W)
        shares.append(covered.any(0).mean())
    assert 0.12 < np.mean(shares) <= 0.21  # they may overlap


def test_a_color_does_not_depend_on_what_else_is_varied(frames: np.ndarray) -> None:
    alone = apply(frames, {"tint": 0.3}, chance(4))
    again = apply(frames, {"tint": 0.3, "compression": 30.0}, chance(4))
    assert np.abs(alone.mean((0, 1, 2)) - again.mean((0, 1, 2))).max() < 5


def test_a_slow_source_is_late_by_its_frame_and_jitter_moves_it() -> None:
    wanted = np.arange(0, 2000, 2)
    late = wanted - shown(wanted, 35.0, {"source_fps": 24.0}, chance())
    assert (late.min(), late.max()) == (0, 1)
    # 35 / 24 screen frames lie between two pictures, and one is late once it is half a frame old.
    assert late.mean() == pytest.approx(1 - 0.5 / (35 / 24), abs=0.03)
    slow = wanted - shown(wanted, 35.0, {"source_fps": 15.0}, chance())
    assert slow.mean() > late.mean()
    jittered = wanted - shown(wanted, 35.0, {"source_fps": 15.0, "jitter": 0.5}, chance())
    assert jittered.min() >= 0
    assert jittered.std() > slow.std()
