"""Frames to the spec's size: the one resize that recordings, strangers' video and live games share.

`area` averages the footprint of each pixel (swscale's AREA). `vpt` is the bilinear sampling *without* anti-aliasing
that OpenAI's weights were trained on (`cv2.resize`, INTER_LINEAR, from 640x360), within one level.
One resizer serves one stream: a scaling context a frame would cost as much as decoding.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache, lru_cache
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from .actions import FrameSpec
from .orientation import UPRIGHT, Orientation

VPT_SOURCE = (640, 360)  # width and height of VPT's recordings; other sources are brought to it first
WEIGHT_BITS = 11  # fixed-point weights as in OpenCV's INTER_LINEAR for bytes


class FrameResizer:
    """Resizes the frames of one stream to `frame_spec`. Not thread-safe: make one a stream."""

    def __init__(self, frame_spec: FrameSpec):
        self.spec = frame_spec
        self._reformatter = VideoReformatter()
        self._to_vpt_source = VideoReformatter()  # a context of its own, or the two would evict each other every frame
        if frame_spec.resize == "vpt":
            keep_freed_memory()

    def from_video_frame(self, frame: av.VideoFrame, orientation: Orientation = UPRIGHT) -> NDArray[np.uint8]:
        """A decoded frame, brought upright, as uint8 [H, W, 3] RGB of the spec's size."""
        width, height = self.spec.width, self.spec.height
        if self.spec.resize == "vpt":
            return self._sample(orientation.apply(self._rgb_at_vpt_source(frame, orientation)))
        if orientation.transpose:
            width, height = height, width
        small = _area(self._reformatter, frame, width, height)
        return small if orientation is UPRIGHT else np.ascontiguousarray(orientation.apply(small))

    def from_rgb(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A raw RGB picture, uint8 [h, w, 3], as uint8 [H, W, 3] of the spec's size."""
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise TypeError(f"expected an RGB picture, uint8 [h, w, 3], got {picture.dtype} {list(picture.shape)}")
        if picture.shape[:2] == (self.spec.height, self.spec.width):
            return picture.copy()
        if self.spec.resize == "vpt" and picture.shape[:2] == VPT_SOURCE[::-1]:
            return self._sample(picture)
        return self.from_video_frame(av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), format="rgb24"))

    def _rgb_at_vpt_source(self, frame: av.VideoFrame, orientation: Orientation) -> NDArray[np.uint8]:
        width, height = VPT_SOURCE[::-1] if orientation.transpose else VPT_SOURCE
        if (frame.width, frame.height) == (width, height):
            return _array(self._reformatter.reformat(frame, format="rgb24", threads=1))
        return _area(self._to_vpt_source, frame, width, height)

    def _sample(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`cv2.resize(picture, (W, H), interpolation=INTER_LINEAR)`, in its fixed-point arithmetic."""
        left_taps, right_taps, weight_x, weight_y = _sampling(*picture.shape[:2], self.spec.height, self.spec.width)
        pixels = np.ascontiguousarray(picture).view("V3").reshape(-1)  # (h * w,): three bytes moved at a time
        near = pixels[left_taps].view(np.uint8)  # (2, H, W * 3): the upper and the lower row of each sample
        shape = (self.spec.height, self.spec.width, 3)
        if weight_x.any():
            left = near.astype(np.int32)
            upper, lower = (left << WEIGHT_BITS) + (pixels[right_taps].view(np.uint8) - left) * weight_x
            upper >>= 4  # OpenCV drops 4 bits before the vertical product, to stay within 32
            lower >>= 4
            mixed = ((upper * ((1 << WEIGHT_BITS) - weight_y)) >> 16) + ((lower * weight_y) >> 16)
        else:  # 640 to 128: every sample lies on a pixel, and (x << 11 >> 4) * w >> 16 is x * w >> 9
            mixed = np.multiply(near[0], (1 << WEIGHT_BITS) - weight_y, dtype=np.int32)
            mixed >>= 9
            lower = np.multiply(near[1], weight_y, dtype=np.int32)
            lower >>= 9
            mixed += lower
        mixed += 2
        mixed >>= 2
        return mixed.astype(np.uint8).reshape(shape)  # (H, W, 3)


def _area(reformatter: VideoReformatter, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    return _array(reformatter.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1))


def _array(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), np.uint8)  # (height, width, 3)


@lru_cache(maxsize=32)
def _taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """First tap, second tap and the fixed-point weight of the second, for `target` samples of `source` pixels."""
    centre = (np.arange(target) + 0.5) * (source / target) - 0.5
    centre = np.clip(centre, 0, source - 1)
    first = np.floor(centre).astype(np.int64)
    weight = np.round((centre - first) * (1 << WEIGHT_BITS)).astype(np.int32)
    return first, np.minimum(first + 1, source - 1), weight


@lru_cache(maxsize=32)
def _sampling(h: int, w: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Pixel numbers of the left and right taps, int64 [2, height, width] (upper row, lower row), and their weights.

    The weights fit rows of bytes: of the right tap int32 [width * 3], of the lower row int32 [height, 1].
    """
    top, bottom, weight_y = _taps(h, height)
    left, right, weight_x = _taps(w, width)
    rows = np.stack([top, bottom])[:, :, None] * w  # (2, height, 1)
    return rows + left, rows + right, np.repeat(weight_x, 3), weight_y[:, None]


@cache
def keep_freed_memory() -> None:
    """Let glibc keep freed memory: mapping and unmapping a full-size RGB picture a frame costs 10 % of decoding."""
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: do not give the top of the heap back
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: big blocks from the heap
    except (OSError, AttributeError):
        return  # another libc (musl): slower, not wrong
