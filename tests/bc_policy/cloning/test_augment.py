"""One draw a clip; a mirrored clip is what the other hand would have played."""

import numpy as np
import pytest
from vidact.bc_policy.cloning.augment import Augmentation
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.batch import Batch
from vidact.errors import ConfigError

SPEC = ActionSpec.load("doom")


def batch(clips=40):
    made = Batch.empty(SPEC, clips, 2)
    made.frames[:] = np.arange(128, dtype=np.uint8)[:, None]  # each column its own level
    made.buttons[:, :, [SPEC.button_names.index(name) for name in ("forward", "left")]] = 1
    made.camera[:] = [3.0, -5.0]
    return made


def test_half_of_the_clips_are_mirrored_picture_and_action_together():
    out = Augmentation(SPEC, brightness=0.0, mirror=("left:right",), seed=0)(batch())
    mirrored = out.frames[:, 0, 0, 0, 0] == 127
    assert 10 < mirrored.sum() < 30
    names = np.array(SPEC.button_names)
    for clip in range(40):
        pressed = set(names[out.buttons[clip, 1].astype(bool)])
        assert pressed == ({"forward", "right"} if mirrored[clip] else {"forward", "left"})
        assert out.camera[clip, 1].tolist() == ([3.0, 5.0] if mirrored[clip] else [3.0, -5.0])
        levels = out.frames[clip, 1, 5, :, 2]
        assert levels.tolist() == list(range(127, -1, -1) if mirrored[clip] else range(128))


def test_an_inventory_is_not_mirrored():
    crafter = ActionSpec.load("crafter")
    made = Batch.empty(crafter, 20, 1)
    made.frames[:] = np.arange(72, dtype=np.uint8)[:, None]
    out = Augmentation(crafter, brightness=0.0, mirror=("left:right",), seed=0)(made).frames[:, 0]
    turned = out[:, 0, 0, 0] == 71
    assert 4 < turned.sum() < 16
    assert (out[turned, :56, :, 0] == np.arange(71, -1, -1)).all()
    assert (out[:, 56:, :, 0] == np.arange(72)).all()  # the lowest two rows of cells


def grey():
    made = Batch.empty(SPEC, 2, 20)
    made.frames[:] = 128
    made.frames[:, :, 0] = 255
    return made


def test_brightness_is_one_draw_a_clip():
    out = Augmentation(SPEC, brightness=0.2, mirror=(), seed=0)(grey()).frames
    assert all((out[clip, :, 1:] == out[clip, 0, 1, 0, 0]).all() for clip in range(2))
    assert out[0, 0, 1, 0, 0] != out[1, 0, 1, 0, 0]
    assert abs(int(out[0, 0, 1, 0, 0]) - 128) <= 26
    assert (out[:, :, 0] > out[:, :, 1]).all()


def test_nothing_changes_without_augmentation_and_states_go_on():
    assert np.array_equal(
        Augmentation(SPEC, brightness=0.0, mirror=(), seed=0)(grey()).frames, grey().frames
    )
    one = Augmentation(SPEC, brightness=0.3, mirror=(), seed=0)
    one(grey())
    other = Augmentation(SPEC, brightness=0.3, mirror=(), seed=9)
    other.load_state_dict(one.state_dict())
    assert np.array_equal(other(grey()).frames, one(grey()).frames)


def test_the_draw_goes_on_with_the_row():
    def augmented(augmentation, first):
        made = batch(3)
        made.first[:, 0] = first
        out = augmentation(made)
        return [out.frames[row, 0, 0].tobytes() for row in range(3)]

    kept, other = (
        Augmentation(SPEC, brightness=0.3, mirror=("left:right",), seed=0, keep=True)
        for _ in range(2)
    )
    start = augmented(kept, [True, True, True])
    assert augmented(kept, [False, False, False]) == start
    changed = augmented(kept, [False, True, False])
    assert [a == b for a, b in zip(start, changed, strict=True)] == [True, False, True]
    other.load_state_dict(kept.state_dict())
    assert augmented(other, [False, False, True]) == augmented(kept, [False, False, True])
    anew = Augmentation(SPEC, brightness=0.3, mirror=("left:right",), seed=0)
    assert augmented(anew, [True, True, True]) == start
    assert not set(augmented(anew, [False, False, False])) & set(start)


def test_unknown_buttons_are_named():
    with pytest.raises(
        ConfigError,
        match="'left' and 'up' must both be buttons of spec 'doom', which has no button 'up'",
    ):
        Augmentation(SPEC, brightness=0.0, mirror=("left:up",), seed=0)
