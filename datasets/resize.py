"""Frames to the spec's size: the one resize that recordings, strangers' video and live games share.

`area` averages the footprint of each pixel (swscale's AREA). `vpt` is the bilinear sampling *without* anti-aliasing
that OpenAI's weights were trained on (`cv2.resize`, INTER_LINEAR, from 640x360), within one level.
One resizer serves one stream: a scaling context a frame would cost as much as decoding.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache, lru_cache

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from .actions import FrameSpec
from .orientation import UPRIGHT, Orientation

VPT_SOURCE = (640, 360)  # width and height of VPT's recordings; other sources are brought to it first


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
        """`cv2.resize(picture, (W, H), interpolation=INTER_LINEAR)`, within one level."""
        height, width = picture.shape[:2]
        taps = _taps(width, height, self.spec.width, self.spec.height)
        flat = np.ascontiguousarray(picture).reshape(-1)
        upper, lower = flat.take(taps.upper_left), flat.take(taps.lower_left)  # (H * W * 3)
        if taps.right is not None:
            upper = _mix(upper, flat.take(taps.upper_left + 3), taps.right)
            lower = _mix(lower, flat.take(taps.lower_left + 3), taps.right)
        return _mix(upper, lower, taps.down).reshape(self.spec.height, self.spec.width, 3)


@dataclass(frozen=True, slots=True)
class _Taps:
    """Where in a flat picture each sample reads, int64 [H * W * 3], and the shares of the far pixels in 256ths."""

    upper_left: NDArray[np.int64]
    lower_left: NDArray[np.int64]
    down: NDArray[np.uint16]
    right: NDArray[np.uint16] | None
    """None where all samples fall on whole columns, as from 640 to 128."""


@lru_cache(maxsize=32)
def _taps(width: int, height: int, to_width: int, to_height: int) -> _Taps:
    top, down = _axis_taps(height, to_height)
    left, right = _axis_taps(width, to_width)
    corner = (top[:, None] * width + left)[..., None] * 3 + np.arange(3)  # (H, W, 3)
    shape = (to_height, to_width, 3)
    return _Taps(
        upper_left=corner.reshape(-1),
        lower_left=(corner + 3 * width).reshape(-1),
        down=np.broadcast_to(down[:, None, None], shape).reshape(-1).copy(),
        right=np.broadcast_to(right[:, None], shape).reshape(-1).copy() if right.any() else None,
    )


def _axis_taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """The nearer pixel of each sample, int64 [target], and the share of the next one in 256ths, 0 to 256."""
    centre = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    first = np.minimum(np.floor(centre).astype(np.int64), source - 2)  # the last pixel is the next of the one before
    return first, np.round((centre - first) * 256).astype(np.uint16)


def _mix(near: NDArray[np.uint8], far: NDArray[np.uint8], share: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Weighted means in 16 bits: 255 * 256 and half a level still fit."""
    mixed = near * (256 - share)
    mixed += far * share
    mixed += 128
    mixed >>= 8
    return mixed.astype(np.uint8)


def _area(reformatter: VideoReformatter, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    return _array(reformatter.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1))


def _array(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), np.uint8)  # (height, width, 3)


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
