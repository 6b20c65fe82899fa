"""Clips: cutting, lossless labels, frames that come back, and the same bytes twice."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.shards.clip import clip_key, clip_ranges, video_id
from vidact.datasets.shards.codec import (
    decode_arrays,
    decode_clip,
    decode_video,
    encode_arrays,
    encode_clip,
    encode_video,
)
from vidact.errors import ShardError


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 256, [(0, 128), (128, 256)]),
        (64, 64 + 100, [(64, 164)]),
        (0, 31, []),
        (0, 32, [(0, 32)]),
        (0, 128 + 40, [(0, 128), (128, 168)]),
        (0, 128 + 10, [(0, 106), (106, 138)]),  # the rest of 10 takes 22 ticks from the clip before
        (5, 5, []),
    ],
)
def test_clip_ranges(start, end, expected):
    assert clip_ranges(start, end) == expected


@given(st.integers(0, 1000), st.integers(0, 2000))
def test_clip_ranges_lose_nothing_that_is_long_enough(start, ticks):
    ranges = clip_ranges(start, start + ticks)
    assert [t for a, b in ranges for t in range(a, b)] == (
        list(range(start, start + ticks)) if ticks >= 32 else []
    )
    assert all(32 <= b - a <= 128 for a, b in ranges)


def test_keys_sort_by_time_and_tell_phases_apart():
    source = "0123456789ab" + "0" * 52
    assert clip_key(source, 128) == "0123456789ab-000000128"
    assert clip_key(source, 999) < clip_key(source, 1000)
    assert video_id(source, phase=1) not in (video_id(source), video_id(source, phase=2))


def moving_picture(ticks: int) -> np.ndarray:
    y, x = np.mgrid[:32, :64]
    pictures = [
        np.stack([x * 2 + t * 17, y * 3 + t * 11, x + y + t * 7], -1) % 256 for t in range(ticks)
    ]
    return np.stack(pictures).astype(np.uint8)


@pytest.mark.parametrize("chroma", ["420", "444"])
@pytest.mark.parametrize("fps", [Fraction(35, 2), Fraction(20), Fraction(30000, 1001)])
def test_video_comes_back_frame_by_frame(chroma, fps):
    frames = moving_picture(70)
    data = encode_video(frames, fps, chroma=chroma)
    assert data == encode_video(frames, fps, chroma=chroma)
    decoded = decode_video(data)
    assert decoded.shape == frames.shape
    error = np.abs(decoded.astype(int) - frames).mean(axis=(1, 2, 3))
    neighbour = np.abs(decoded[1:].astype(int) - frames[:-1]).mean(axis=(1, 2, 3))
    assert (error[1:] < neighbour).all()  # each frame is nearest to its own, not to the one before
    for start in (0, 1, 31, 32, 33, 69):
        assert np.array_equal(decode_video(data, start=start), decoded[start:])
    out = np.zeros((5, 32, 64, 3), np.uint8)
    assert decode_video(data, start=40, out=out) is out
    assert np.array_equal(out, decoded[40:45])


ENCODE_IN_DIRTY_MEMORY = """
import hashlib, numpy, fractions
from vidact.datasets.shards.codec import encode_video
y, x = numpy.mgrid[:96, :160]
for height, width in ((32, 64), (96, 160), (84, 84), (16, 32), (128, 128)):
    moving = [(x * 2 + y * 3 + 5 * t)[:height, :width] % 256 for t in range(40)]
    plain = [numpy.full((height, width), t) for t in range(40)]
    picture = moving if height <= 96 else plain
    frames = numpy.repeat(numpy.stack(picture).astype(numpy.uint8)[..., None], 3, axis=-1)
    print(hashlib.sha256(encode_video(frames, fractions.Fraction(20))).hexdigest())
"""


def test_bytes_do_not_depend_on_what_the_memory_held_before():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", ENCODE_IN_DIRTY_MEMORY],
            env=os.environ | {"MALLOC_PERTURB_": fill},
            check=True,
            capture_output=True,
        ).stdout
        for fill in ("0", "85", "170")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 5


def test_video_that_is_too_short_or_damaged_is_an_error():
    data = encode_video(moving_picture(40), Fraction(20))
    with pytest.raises(ShardError, match="holds 40 frames, expected 41"):
        decode_video(data, out=np.zeros((41, 32, 64, 3), np.uint8))
    with pytest.raises(ShardError, match="cannot be decoded"):
        decode_video(data[: len(data) // 2])
    with pytest.raises(ShardError, match="cannot be decoded"):
        decode_video(b"not a video at all")
    with pytest.raises(ValueError, match=r"uint8 \[T > 0"):
        encode_video(np.zeros((0, 32, 64, 3), np.uint8), Fraction(20))


def test_clip_round_trip(toy_clip, toy_spec):
    clip = toy_clip(3, 64, 128)
    members = encode_clip(clip, toy_spec.tick_hz)
    assert members == encode_clip(toy_clip(3, 64, 128), toy_spec.tick_hz)
    back = decode_clip(clip.key, members)
    for name, array in clip.arrays().items():
        assert getattr(back, name).dtype == array.dtype
        assert np.array_equal(getattr(back, name), array)
    assert back.meta == clip.meta
    assert np.abs(back.frames.astype(int) - clip.frames).max() <= 4
    assert (
        decode_clip(clip.key, {"npz": members["npz"], "json": members["json"]}, frames=False).frames
        is None
    )


def test_npz_holds_no_date(toy_clip, toy_spec):
    members = encode_clip(toy_clip(1, 0, 32), toy_spec.tick_hz)
    with zipfile.ZipFile(io.BytesIO(members["npz"])) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_missing_member_is_named(toy_clip, toy_spec):
    members = encode_clip(toy_clip(1, 0, 32), toy_spec.tick_hz)
    del members["mp4"]
    with pytest.raises(ShardError, match="000000000001-000000000: lacks the member mp4"):
        decode_clip("000000000001-000000000", members)


def test_arrays_are_read_from_any_npz_and_damage_is_an_error(toy_clip, toy_spec):
    arrays = toy_clip(1, 0, 40).arrays()
    ours = encode_arrays(arrays)
    foreign = io.BytesIO()
    np.savez(foreign, **arrays)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    for data in (ours, foreign.getvalue(), packed.getvalue()):
        for name, array in decode_arrays(data).items():
            assert array.dtype == arrays[name].dtype
            assert np.array_equal(array, arrays[name])
    for cut in (0, 10, 40, len(ours) // 2):
        with pytest.raises(ShardError, match="npz member cannot be read"):
            decode_arrays(ours[:cut])
    with pytest.raises(ShardError, match="npz member cannot be read"):
        decode_arrays(ours, ("buttons", "reward"))
    torn = bytearray(ours)
    torn[60:70] = b"\xff" * 10
    with pytest.raises(ShardError, match="npz member cannot be read"):
        decode_arrays(bytes(torn))
