"""Resizing: VPT's sampling within a level of the reference, area averages, the same picture
from video and game.
"""

from __future__ import annotations

import ctypes
import mmap

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.orientation import Orientation
from vidact.datasets.video.resize import FrameResizer

VPT, AREA = FrameSpec(128, 128, "vpt"), FrameSpec(128, 128, "area")


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def bilinear(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.float64]:
    """Sampling at pixel centres without anti-aliasing, in floating point: what INTER_LINEAR
    rounds.
    """
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].double()
    out = torch.nn.functional.interpolate(
        tensor, (height, width), mode="bilinear", align_corners=False, antialias=False
    )
    return out[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("seed", range(3))
def test_vpt_is_plain_bilinear_within_a_level(seed: int) -> None:
    picture = noise(640, 360, seed)
    small = FrameResizer(VPT).from_rgb(picture)
    assert small.shape == (128, 128, 3)
    assert np.abs(small - bilinear(picture, 128, 128)).max() <= 1.0


def test_vpt_reads_every_fifth_column() -> None:
    # 640 / 128 = 5: sample i falls exactly on column 5 i + 2, so stripes there are all that is
    # seen.
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[:, 2::5] = 200
    assert (FrameResizer(VPT).from_rgb(picture) == 200).all()
    assert (FrameResizer(AREA).from_rgb(picture)[5:-5, 5:-5] < 60).all()


def test_vpt_takes_other_sizes_through_vpt_s_own() -> None:
    large = np.repeat(np.repeat(noise(640, 360), 2, 0), 2, 1)  # 720p: every pixel doubled
    small = FrameResizer(VPT).from_rgb(large)
    direct = FrameResizer(VPT).from_rgb(noise(640, 360))
    assert np.abs(small.astype(int) - direct).mean() < 3  # swscale's own colour rounding
    assert FrameResizer(VPT).from_rgb(noise(320, 240)).shape == (128, 128, 3)


def test_area_averages_the_footprint() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[::2, ::2] = 240  # a quarter of every 2x2 block
    small = FrameResizer(AREA).from_rgb(picture)
    assert np.abs(small.astype(int) - 60).max() <= 4


def test_same_size_is_a_copy() -> None:
    picture = noise(128, 128)
    small = FrameResizer(AREA).from_rgb(picture)
    np.testing.assert_array_equal(small, picture)
    assert not np.shares_memory(small, picture)


@pytest.mark.parametrize("spec", [VPT, AREA])
@pytest.mark.parametrize("size", [(640, 360), (320, 240), (1280, 720)])
def test_video_and_game_agree(spec: FrameSpec, size: tuple[int, int]) -> None:
    # A smooth picture survives 4:2:0, so what is left is the two ways into the resizer.
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    picture = np.stack(
        [x * 200 / size[0] + 20, y * 200 / size[1] + 20, (x + y) * 100 / sum(size) + 60], -1
    )
    rgb = picture.astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p", threads=1)
    resizer = FrameResizer(spec)
    difference = np.abs(resizer.from_video_frame(frame).astype(int) - resizer.from_rgb(rgb))
    assert difference.mean() < 2.5  # swscale rounds down once more on the way from YUV
    assert difference.max() <= 8


def test_one_resizer_takes_frames_of_changing_size() -> None:
    resizer = FrameResizer(AREA)
    for size in ((320, 240), (640, 360), (320, 240)):
        fresh = FrameResizer(AREA).from_rgb(noise(*size))
        np.testing.assert_array_equal(resizer.from_rgb(noise(*size)), fresh)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("mirror_x", [False, True])
@pytest.mark.parametrize("mirror_y", [False, True])
@pytest.mark.parametrize("spec", [FrameSpec(64, 32), FrameSpec(64, 32, "vpt")])
def test_frames_come_upright(
    spec: FrameSpec, transpose: bool, mirror_x: bool, mirror_y: bool
) -> None:
    upright = np.zeros((360, 640, 3), np.uint8)
    upright[:180, :320], upright[:180, 320:], upright[180:, :320] = (
        (250, 0, 0),
        (0, 250, 0),
        (0, 0, 250),
    )
    stored = upright[::-1] if mirror_y else upright
    stored = stored[:, ::-1] if mirror_x else stored
    stored = stored.swapaxes(0, 1) if transpose else stored
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24")
    small = FrameResizer(spec).from_video_frame(frame, Orientation(transpose, mirror_x, mirror_y))
    assert small.shape == (32, 64, 3)
    corners = [small[4, 4], small[4, 60], small[28, 4], small[28, 60]]
    expected = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (0, 0, 0)]
    assert np.abs(np.array(corners, int) - expected).max() <= 6


def test_orientation_of_display_matrices() -> None:
    def matrix(a: int, b: int, c: int, d: int) -> NDArray[np.int32]:
        return np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], np.int64).astype(
            np.int32
        )

    assert Orientation.of_matrix(matrix(1, 0, 0, 1)) == Orientation()
    assert Orientation.of_matrix(matrix(0, 1, -1, 0)).degrees == 90  # a phone held upright
    assert Orientation.of_matrix(matrix(-1, 0, 0, -1)).degrees == 180
    assert Orientation.of_matrix(matrix(0, -1, 1, 0)).degrees == 270
    assert Orientation.of_matrix(matrix(-1, 0, 0, 1)) == Orientation(mirror_x=True)


def test_refuses_what_is_no_picture() -> None:
    with pytest.raises(TypeError, match="uint8"):
        FrameResizer(AREA).from_rgb(np.zeros((4, 4, 3), np.float32))  # type: ignore[arg-type]


def at_the_end_of_a_page(height: int, width: int) -> NDArray[np.uint8]:
    """A picture behind whose last byte no memory may be read."""
    size = height * width * 3
    pages = -(-size // mmap.PAGESIZE) + 1
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    last = ctypes.c_void_p(address + (pages - 1) * mmap.PAGESIZE)
    assert ctypes.CDLL(None, use_errno=True).mprotect(last, mmap.PAGESIZE, 0) == 0
    start = (pages - 1) * mmap.PAGESIZE - size
    return np.frombuffer(memory, np.uint8, size, offset=start).reshape(height, width, 3)


def test_nothing_is_read_beyond_a_picture() -> None:
    # swscale reads beyond the pixels of packed RGB: an array at the end of its memory once took the
    # process with it.
    for height, width in ((10, 90), (240, 320), (17, 116), (23, 80)):
        FrameResizer(AREA).from_rgb(at_the_end_of_a_page(height, width))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p"])
def test_the_last_columns_of_every_width_are_the_picture_s(pixel_format: str) -> None:
    """Swscale, left to itself, leaves up to eight of them as the memory was."""
    for width in range(18, 50, 2):
        frame = av.VideoFrame(width, 20, pixel_format)
        for plane, value in zip(frame.planes, (120, 90, 160), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        junk = [np.full(width * 40, 255, np.uint8) for _ in range(20)]  # what memory held before
        del junk
        picture = FrameResizer(FrameSpec(width, 20, "area")).from_video_frame(frame)
        assert np.ptp(picture, axis=(0, 1)).max() == 0, width
