"""Frames to the spec's size: the one resize that recordings, strangers' video and live games share.

`area` averages the footprint of each pixel (swscale's AREA, with colors at full width). `vpt` is
the bilinear sampling *without* anti-aliasing that OpenAI's weights were trained on (`cv2.resize`,
INTER_LINEAR, from 640x360), within one level. One resizer serves one stream: a scaling context per
frame would cost as much as decoding.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from ...machine import set_malloc
from ..actions.spec import FrameSpec
from .orientation import UPRIGHT, Orientation

# Width and height of VPT's recordings; other sources are brought to it first.
VPT_SOURCE = (640, 360)
COLUMNS_AT_ONCE = 16  # that swscale's conversion without resizing takes


class FrameResizer:
    """Resizes the frames of one stream to `frame_spec`. It is not thread-safe: one per stream."""

    def __init__(self, frame_spec: FrameSpec):
        self.spec = frame_spec
        self._reformatter = VideoReformatter()
        # Contexts of their own, or they would evict each other every frame.
        self._interleaver, self._to_vpt_source = VideoReformatter(), VideoReformatter()
        if frame_spec.resize == "vpt":
            keep_freed_memory()

    def from_video_frame(
        self, frame: av.VideoFrame, orientation: Orientation = UPRIGHT
    ) -> NDArray[np.uint8]:
        """Return a decoded frame, brought upright, as uint8 [H, W, 3] RGB of the spec's size."""
        width, height = self.spec.width, self.spec.height
        if self.spec.resize == "vpt":
            return self._sample(orientation.apply(self._pixels_at_vpt_source(frame, orientation)))
        if orientation.transpose:
            width, height = height, width
        # Asked for packed RGB, swscale would halve the colors' width once more and darken by a
        # level; for planes it does neither, in less time.
        planes = _area(self._reformatter, frame, width, height, "gbrp")
        small = np.asarray(
            self._interleaver.reformat(planes, format="rgb24", threads=1).to_ndarray(), np.uint8
        )
        return small if orientation is UPRIGHT else np.ascontiguousarray(orientation.apply(small))

    def from_rgb(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a raw RGB picture, uint8 [h, w, 3], as uint8 [H, W, 3] of the spec's size."""
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            got = f"{picture.dtype} {list(picture.shape)}"
            raise TypeError(f"expected an RGB picture, uint8 [h, w, 3], got {got}")
        if picture.shape[:2] == (self.spec.height, self.spec.width):
            return picture.copy()
        return self.from_video_frame(as_video_frame(picture))

    def _pixels_at_vpt_source(
        self, frame: av.VideoFrame, orientation: Orientation
    ) -> NDArray[np.uint32]:
        """Return the picture at VPT's size, uint32 [h, w].

        One number per pixel converts and samples faster than three bytes do.
        """
        width, height = VPT_SOURCE[::-1] if orientation.transpose else VPT_SOURCE
        if (frame.width, frame.height) == (width, height):
            packed = self._reformatter.reformat(frame, format="rgba", threads=1)
        else:
            packed = _area(self._to_vpt_source, frame, width, height, "rgba")
        data = cast(bytes, packed.planes[0])  # a plane has the buffer interface
        numbers = np.frombuffer(data, np.uint32)
        return numbers.reshape(height, -1)[:, :width]  # rows are padded

    def _sample(self, pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Resize pixels, uint32 [h, w], within a level of `cv2.resize` with INTER_LINEAR."""
        width, height = self.spec.width, self.spec.height
        taps = _taps(pixels.shape[1], pixels.shape[0], width, height)
        samples = _channels(pixels[taps.near])  # (2 * H, W * 4)
        if taps.right is not None:
            samples = _mix(
                samples, _channels(pixels[taps.next_column]), 256 - taps.right, taps.right
            )
        mixed = _mix(samples[::2], samples[1::2], taps.up, taps.down).reshape(height, width, 4)
        picture = np.empty((height, width, 3), np.uint8)
        for channel in range(3):  # one by one is five times as fast as all three at once
            picture[..., channel] = mixed[..., channel]
        return picture


def as_video_frame(picture: NDArray[np.uint8]) -> av.VideoFrame:
    """Return a picture, uint8 [h, w, 3] RGB, as a frame of its own.

    Swscale reads a few bytes beyond the last pixel, which in an array may be another page that
    nobody owns.
    """
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


@dataclass(frozen=True, slots=True)
class _Taps:
    """Where in a picture each sample reads, and the shares of the far pixels in 256ths, uint16."""

    near: tuple[Any, Any]
    """Indices of [2 * H, W] pixels: for each row of samples the row above and the one below."""
    next_column: tuple[Any, Any]
    """Indices of the pixels one column to the right."""
    right: NDArray[np.uint16] | None
    """Shares of the right columns, [W * 4].

    None where all samples fall on whole columns, as from 640 to 128.
    """
    up: NDArray[np.uint16]
    """Shares of the upper rows, [H, 1]."""
    down: NDArray[np.uint16]
    """Shares of the lower rows, [H, 1]: the rest."""


@lru_cache(maxsize=32)
def _taps(width: int, height: int, to_width: int, to_height: int) -> _Taps:
    top, down = _axis_taps(height, to_height)
    left, right = _axis_taps(width, to_width)
    rows = (top[:, None] + (0, 1)).reshape(-1)  # (2 * H,)
    return _Taps(
        near=_index(rows, left),
        next_column=_index(rows, left + 1),
        right=right.repeat(4) if right.any() else None,
        up=256 - down[:, None],
        down=down[:, None],
    )


def _index(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[Any, Any]:
    """Return what picks these rows and columns.

    Columns at an equal distance are a slice, which is read four times as fast.
    """
    steps = np.unique(np.diff(columns))
    if len(steps) == 1 and steps[0] > 0:
        return rows, slice(int(columns[0]), int(columns[-1]) + 1, int(steps[0]))
    return rows[:, None], columns


def _channels(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """View pixels [rows, columns] as bytes, [rows, columns * 4]."""
    return np.ascontiguousarray(pixels).view(np.uint8)


def _axis_taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Return the first pixel of each sample, int64 [target], and the share of the next one.

    Shares are in 256ths, 0 to 256.
    """
    centre = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    # The last pixel is never the first of a sample, but the next of the one before.
    first = np.minimum(np.floor(centre).astype(np.int64), source - 2)
    return first, np.round((centre - first) * 256).astype(np.uint16)


def _mix(
    near: NDArray[np.uint8],
    far: NDArray[np.uint8],
    near_share: NDArray[np.uint16],
    far_share: NDArray[np.uint16],
) -> NDArray[np.uint8]:
    """Return weighted means, in 16 bits: 255 * 256 and half a level still fit."""
    mixed = near * near_share
    mixed += far * far_share
    mixed += 128
    mixed >>= 8
    return mixed.astype(np.uint8)


def _area(
    reformatter: VideoReformatter, frame: av.VideoFrame, width: int, height: int, pixel_format: str
) -> av.VideoFrame:
    how = Interpolation.AREA
    # Where nothing is resized, swscale 9 converts 16 columns at a time, and leaves the last ones of
    # other widths as the memory was. Asked for exact rounding it takes another way.
    if width % COLUMNS_AT_ONCE and (frame.width, frame.height) == (width, height):
        how |= Interpolation.ACCURATE_RND
    return reformatter.reformat(frame, width, height, pixel_format, interpolation=how, threads=1)


def fit(width: int, height: int, box: tuple[int, int]) -> tuple[int, int]:
    """Return the largest even size of this shape within a box; never larger than the picture."""
    scale = min(1.0, box[0] / width, box[1] / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


@cache
def keep_freed_memory() -> None:
    """Let glibc keep freed memory, in the whole process.

    Mapping a full-size RGB picture anew for each frame costs 10 % of decoding. What the process
    holds then stays at the most that it ever needed.
    """
    if not sys.platform.startswith("linux"):
        return
    # With another libc (musl): slower, not wrong.
    set_malloc(-1, 1 << 30)  # M_TRIM_THRESHOLD: do not give the top of the heap back
    set_malloc(-3, 1 << 30)  # M_MMAP_THRESHOLD: big blocks from the heap
