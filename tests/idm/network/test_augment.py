"""One draw a clip, VPT's ranges, and a mirror that keeps labels true."""

import json

import numpy as np
import pytest
import torch
from vidact.datasets.actions.mirror import Mirror
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.idm.config import AugmentConfig
from vidact.idm.network.augment import ClipDraw, augment_picture, draw, mirror_of_clips
from vidact.idm.network.motion import MotionFrontEnd
from vidact.idm.network.view import CylinderView

from ..conftest import MICRO, SIZE, wall

NOTHING = ClipDraw(
    hue=0.0,
    saturation=1.0,
    brightness=1.0,
    contrast=1.0,
    rotation_deg=0.0,
    scale=1.0,
    shear_deg=(0.0, 0.0),
    shift=(0.0, 0.0),
    mirror=False,
)


def test_draws_stay_in_vpt_ranges_and_repeat() -> None:
    generator = np.random.default_rng(0)
    draws = [draw(AugmentConfig(), generator, 128, 128) for _ in range(500)]
    assert max(abs(one.hue) for one in draws) == pytest.approx(0.2, abs=0.01)
    for name in ("saturation", "brightness", "contrast"):
        values = [getattr(one, name) for one in draws]
        assert min(values) == pytest.approx(0.8, abs=0.01)
        assert max(values) == pytest.approx(1.2, abs=0.01)
    assert max(abs(one.rotation_deg) for one in draws) == pytest.approx(2.0, abs=0.05)
    assert max(abs(one.shift[0]) for one in draws) == pytest.approx(2 / 128, rel=0.05)
    assert 200 < sum(one.mirror for one in draws) < 300
    assert draw(AugmentConfig(), np.random.default_rng(0), 128, 128) == draws[0]


def test_no_change_changes_nothing() -> None:
    clip = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(augment_picture(clip, NOTHING), clip, atol=1e-5, rtol=0)


def test_all_frames_of_a_clip_get_the_same_draw() -> None:
    one = draw(AugmentConfig(), np.random.default_rng(1), 128, 128)
    clip = torch.rand(1, 3, 32, 32).repeat(4, 1, 1, 1)
    changed = augment_picture(clip, one)
    assert not torch.allclose(changed, clip)
    for frame in changed[1:]:
        torch.testing.assert_close(frame, changed[0])


def test_mirrored_frames_move_the_other_way() -> None:
    frames = torch.from_numpy(
        np.stack([wall()[:, 200 - 6 * i : 200 - 6 * i + SIZE].mean(-1) for i in range(2)])
    )
    front = MotionFrontEnd(MICRO.motion, (SIZE, SIZE))  # type: ignore[arg-type]
    view = CylinderView((SIZE, SIZE), SIZE, fov_deg=1.0)  # as good as flat
    clips = [
        view(frames.float(), ClipDraw(**{**_values(NOTHING), "mirror": mirror}))
        for mirror in (False, True)
    ]
    shifts = [int(front(clip).across.mean((1, 2)).argmax()) - 16 for clip in clips]
    assert shifts == [6, -6]


def test_mirror_swaps_buttons_and_turns_yaw(toy_spec: ActionSpec) -> None:
    mirror = mirror_of_clips(AugmentConfig(), toy_spec)
    buttons, camera = mirror.apply(
        np.array([[1, 1, 0], [0, 0, 1]], np.uint8), np.array([[2.5], [-1.0]], np.float32)
    )
    assert buttons.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert camera.tolist() == [[-2.5], [1.0]]


def test_half_a_pair_is_refused(toy_spec: ActionSpec) -> None:
    with pytest.raises(ConfigError, match="'left' and 'starboard'"):
        mirror_of_clips(AugmentConfig(mirror_buttons=(("left", "starboard"),)), toy_spec)
    with pytest.raises(
        ConfigError, match="'port' and 'starboard'"
    ):  # both are no buttons: it would swap nothing
        mirror_of_clips(AugmentConfig(mirror_buttons=(("port", "starboard"),)), toy_spec)


def test_a_spec_without_left_and_right_swaps_nothing(toy_spec: ActionSpec) -> None:
    assert mirror_of_clips(AugmentConfig(), toy_spec).swaps
    renamed = (
        json.dumps(toy_spec.to_dict()).replace('"left"', '"port"').replace('"right"', '"starboard"')
    )
    spec = ActionSpec.from_dict(json.loads(renamed))
    assert not mirror_of_clips(AugmentConfig(), spec).swaps
    assert mirror_of_clips(
        AugmentConfig(mirror_buttons=(("port", "starboard"),)), spec
    ).button_order == (
        0,
        2,
        1,
    )
    assert mirror_of_clips(AugmentConfig(mirror=0, mirror_axes=("heading",)), spec).axis_sign == (
        1.0,
    )


def _values(one: ClipDraw) -> dict[str, object]:
    return {name: getattr(one, name) for name in ClipDraw.__slots__}


def test_a_mirror_turns_sticks_and_the_pointer_around_and_leaves_triggers() -> None:
    pad = mirror_of_clips(AugmentConfig(), ActionSpec.load("gamepad"))
    assert pad.axis_sign == (-1, 1, -1, 1, 1, 1)
    spec = ActionSpec.load("desktop_pointer")
    mirror = mirror_of_clips(AugmentConfig(), spec)
    held, stands = np.zeros((2, spec.num_buttons), np.uint8), np.array([[0.25, 0.25, 1.0]] * 2)
    turned = mirror.apply(held, stands.astype(np.float32))[1]
    np.testing.assert_allclose(turned, [[0.75, 0.25, 1.0]] * 2)
    bins = np.zeros((2, 3, 65))
    bins[:, np.arange(3), spec.quantise(stands[0])] = 1
    _, flipped = mirror.apply_probabilities(held, bins, spec.num_bins)
    np.testing.assert_array_equal(flipped.argmax(-1), spec.quantise(turned))
    again = Mirror.from_dict(json.loads(json.dumps(mirror.to_dict())), spec)
    assert (again, again.axis_sum) == (mirror, (1.0, 0.0, 0.0))
