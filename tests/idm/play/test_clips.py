"""The frame cache holds the right frames of both phases, and batches are a pure function of seed
and step.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.errors import RecordingError
from vidact.idm.config import AugmentConfig
from vidact.idm.network.augment import mirror_of_clips
from vidact.idm.network.inputs import InputPipeline, pooled_pictures
from vidact.idm.play.clips import ClipBatch, ClipSampler, rare_presses
from vidact.idm.play.frame_cache import Track, open_tracks

from ..conftest import MICRO, SIZE

PICTURE = replace(MICRO, motion=None)


@pytest.fixture(scope="module")
def tracks(
    toy_folder: Path, toy_spec: ActionSpec, tmp_path_factory: pytest.TempPathFactory
) -> list[Track]:
    return open_tracks(find_recordings([toy_folder]), toy_spec, tmp_path_factory.mktemp("cache"))


def sampler(
    tracks: list[Track], spec: ActionSpec, seed: int = 0, augment: AugmentConfig | None = None
) -> ClipSampler:
    pipeline = InputPipeline(MICRO, spec.frame)
    return ClipSampler(
        tracks,
        spec,
        pipeline,
        batch_clips=3,
        clip_ticks=20,
        augment=augment or AugmentConfig(),
        seed=seed,
    )


def test_both_phases_hold_the_frames_that_recordings_give(
    tracks: list[Track], toy_folder: Path, toy_spec: ActionSpec
) -> None:
    recordings = find_recordings([toy_folder])
    assert [(track.name, track.phase) for track in tracks] == [
        (f"toy-{i}", phase) for i in range(3) for phase in (0, 1)
    ]
    for track in tracks[:2]:
        expected = np.concatenate(
            [batch.frames for batch in recordings[0].frames(toy_spec, track.phase)]
        )
        np.testing.assert_array_equal(track.frames(0, track.num_ticks), expected)
        assert len(expected) == track.num_ticks == len(track.camera) == 120


def test_ticks_outside_are_black(tracks: list[Track]) -> None:
    track = tracks[0]
    frames = track.frames(-2, 3)
    assert not frames[:2].any()
    np.testing.assert_array_equal(frames[2:], track.frames(0, 3))
    end = track.frames(track.num_ticks - 1, track.num_ticks + 2)
    assert end[0].any()
    assert not end[1:].any()


def test_second_opening_decodes_nothing(
    toy_folder: Path, toy_spec: ActionSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = find_recordings([toy_folder])[:1]
    first = open_tracks(recordings, toy_spec, tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("vidact.idm.play.frame_cache.decode_frames", refuse)
    again = open_tracks(recordings, toy_spec, tmp_path)
    assert [track.path for track in first] == [track.path for track in again]


def same(one: ClipBatch, other: ClipBatch) -> bool:
    pairs = [
        (getattr(one, name), getattr(other, name))
        for name in ("buttons", "camera", "valid", "present")
    ]
    pairs += [(one.inputs.picture, other.inputs.picture)]
    motions = one.inputs.motion, other.inputs.motion
    pairs += list(zip(*motions, strict=True))  # type: ignore[arg-type]
    return all(torch.equal(a, b) for a, b in pairs)


def test_batches_are_a_pure_function_of_seed_and_step(
    tracks: list[Track], toy_spec: ActionSpec
) -> None:
    one, other = sampler(tracks, toy_spec), sampler(tracks, toy_spec)
    fifth = one.batch(5)
    assert same(fifth, other.batch(5))
    assert not same(fifth, one.batch(6))
    assert not same(fifth, sampler(tracks, toy_spec, seed=1).batch(5))
    stream = other.batches(3, workers=2)
    ahead = [next(stream) for _ in range(3)]
    stream.close()
    assert same(ahead[2], fifth)


def test_shapes_and_flags(tracks: list[Track], toy_spec: ActionSpec) -> None:
    batch = sampler(tracks, toy_spec).batch(0)
    assert batch.inputs.picture.shape == (3, 22, 3, SIZE // 4, SIZE // 4)
    assert batch.inputs.motion is not None
    assert batch.inputs.motion.across.shape[0] == 3 * 20
    assert batch.buttons.shape == (3, 20, 3)
    assert batch.camera.shape == (3, 20, 1)
    assert batch.present.all()


def test_mirrored_clips_keep_motion_and_label_together(
    tracks: list[Track], toy_spec: ActionSpec
) -> None:
    """Turning right (dx > 0) moves the picture left, in mirrored clips too."""
    batch = sampler(tracks, toy_spec, augment=AugmentConfig(mirror=0.5)).batch(0)
    motion = batch.inputs.motion
    assert motion is not None
    shift = motion.across.mean((1, 2)).argmax(-1).float() - 16  # pixels a tick
    camera = batch.camera.flatten()
    moving = (camera.abs() > 0.5).view(3, 20)
    moving[:, -1] = False  # a clip may end in black
    moving = moving.flatten()
    assert moving.any()
    np.testing.assert_allclose(shift[moving].numpy(), -2 * camera[moving].numpy(), atol=1.0)


def test_invalid_and_missing_ticks_are_not_learned(
    tmp_path: Path, record_toy: Callable[..., Path], toy_spec: ActionSpec
) -> None:
    record_toy(tmp_path, "short", frames=24, invalid=range(6, 8))
    tracks = open_tracks(find_recordings([tmp_path]), toy_spec, tmp_path / "cache", phases=False)
    batch = sampler(tracks, toy_spec).batch(0)  # 12 ticks in clips of 20
    assert batch.present[0].tolist() == [True] * 12 + [False] * 8
    assert batch.valid[0].tolist() == [True] * 3 + [False] + [True] * 8 + [False] * 8


def test_nothing_valid_is_an_error(
    tmp_path: Path, record_toy: Callable[..., Path], toy_spec: ActionSpec
) -> None:
    record_toy(tmp_path, "dead", frames=24, invalid=range(24))
    tracks = open_tracks(find_recordings([tmp_path]), toy_spec, tmp_path / "cache")
    with pytest.raises(RecordingError, match="no tick of the training recordings"):
        sampler(tracks, toy_spec)


def test_pooled_pictures_are_means() -> None:
    frames = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    got = pooled_pictures(frames, 4)
    assert got.shape == (2, 3, 2, 2)
    expected = frames[1, 4:8, 0:4, 2].float().mean() / 255
    assert torch.isclose(got[1, 2, 1, 0], expected)


def test_mirror_of_a_spec_without_its_buttons(toy_spec: ActionSpec) -> None:
    assert mirror_of_clips(AugmentConfig(mirror_axes=()), toy_spec).axis_sign == (1.0,)


def test_rare_presses_are_drawn_more_often(tracks: list[Track], toy_spec: ActionSpec) -> None:
    buttons = np.zeros_like(tracks[2].buttons)
    buttons[70:72, 1] = 1  # one press in 720 ticks
    buttons[90:, 0] = 1  # common
    some = [
        replace(tracks[2], buttons=buttons),
        *(replace(track, buttons=np.zeros_like(track.buttons)) for track in tracks[3:]),
    ]
    (presses,) = rare_presses(some)
    assert presses.tolist() == [[0, 70]]
    pressed = []
    for share in (0.0, 1.0):
        clips = ClipSampler(
            some,
            toy_spec,
            InputPipeline(PICTURE, toy_spec.frame),
            batch_clips=3,
            clip_ticks=20,
            augment=AugmentConfig(mirror=0),
            seed=0,
            rare_clips=share,
        )
        batches = [clips.batch(number) for number in range(8)]
        pressed.append(np.mean([batch.buttons[:, :, 1].any(1).numpy() for batch in batches]))
    assert pressed[0] < 0.3
    assert pressed[1] == 1
