"""Frames of a source by their times, for people's eyes: larger than the spec's, and exact.

A frame is addressed by its presentation time in the source (`pts_ns`), as the lineage of a clip
keeps it; never by number times rate.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import FrameSpec
from ...datasets.video.frames import DamageError, decode_frames
from ...datasets.video.probe import VideoProbe
from ...datasets.video.resize import fit
from ...errors import VideoError

# Pixels: large enough to read a game's signs, small enough that a task loads in half a second.
BOX = (640, 480)
# Of a frame that is stood on: the small print of a full-HD screen. All frames of a task at this
# size would take a browser a gigabyte; one at a time is fetched.
FULL_BOX = (1920, 1080)
JPEG_QUALITY = 88


def frames_at(
    video: VideoProbe, pts_ns: NDArray[np.int64], box: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames shown at these times, uint8 [h, w, 3] within the box.

    Args:
        video: the probed file.
        pts_ns: times of frames in the source, int64 [n], not falling.
        box: greatest width and height of the pictures, which keep their shape.

    Raises:
        VideoError: `other_file` where the source has no frame at one of these times (within a
            microsecond); what decoding raises.
    """
    slots = np.searchsorted(video.pts_ns, pts_ns)
    slots = np.clip(slots, 0, len(video.pts_ns) - 1)
    before = np.maximum(slots - 1, 0)
    nearer = np.abs(video.pts_ns[before] - pts_ns) < np.abs(video.pts_ns[slots] - pts_ns)
    slots = np.where(nearer, before, slots)
    off = np.abs(video.pts_ns[slots] - pts_ns)
    if off.max(initial=0) > 1000:
        worst = int(off.argmax())
        raise VideoError(
            "other_file",
            video.path,
            f"no frame at {int(pts_ns[worst])} ns; the file is not the one that was labelled",
        )
    width, height = video.width, video.height
    if video.rotation in (90, 270):
        width, height = height, width
    spec = FrameSpec(*fit(width, height, box), resize="area")
    position = 0
    try:
        for index, picture in decode_frames(video, spec, np.unique(slots)):
            while position < len(slots) and slots[position] == index:
                yield picture
                position += 1
    except DamageError as error:
        raise VideoError("damaged", video.path, str(error)) from error


def evenly(pts_ns: NDArray[np.int64], step_ns: int) -> NDArray[np.int64]:
    """Return the indices of the frames on screen every `step_ns`, int64, each once.

    A frame is on screen from its own time until the next one's. What this takes grows with the
    frames, not with the moments: a long pause and a small step make as many of those as they like.
    """
    since = pts_ns - pts_ns[0]
    first_moment = -(-since // step_ns) * step_ns  # at or after the frame's time
    until = np.append(since[1:], since[-1] + 1)
    return np.flatnonzero(first_moment < until)


def jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return an RGB picture, uint8 [h, w, 3], as a JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
