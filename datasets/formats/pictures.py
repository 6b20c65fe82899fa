"""Pictures of another project's video, on their way into a recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import VideoError
from ..actions.spec import FrameSpec
from ..recordings.writer import RecordingWriter
from ..video.frames import DamageError, decode_frames
from ..video.probe import VideoProbe
from ..video.timing import NS
from .import_threads import require_going_on
from .outcomes import Outcome

# Close to the eye's limit; imported once and decoded often, so small files are worth their time.
ENCODER = {"preset": "veryfast", "crf": "18", "g": "120"}
MIN_S = 1.0  # of a recording; less teaches nothing


def pictures(
    video: VideoProbe, size: FrameSpec, shown: NDArray[np.int64]
) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures uint8 [h, w, 3] by their index in the video, int64 [N], never falling.

    Raises DamageError; Interrupted where the import is to end.
    """
    number, frames = 0, len(shown)
    for index, picture in decode_frames(video, size, np.unique(shown)):
        while number < frames and shown[number] == index:
            require_going_on()
            yield picture
            number += 1


def frame_size(video: VideoProbe, height: int) -> tuple[int, int]:
    """Return width and height of the frames: the video's, or made smaller to a height; even."""
    wide, high = video.width, video.height
    if video.rotation in (90, 270):
        wide, high = high, wide
    shrink = min(1.0, height / high) if height else 1.0
    return max(16, round(wide * shrink / 2) * 2), max(16, int(high * shrink) // 2 * 2)


def nearest_pictures(
    pts_ns: NDArray[np.int64], video: VideoProbe
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the nearest picture of each timestamp, int64 [N], and whether it is near enough.

    Recorders note a time that the container then rounds, so up to half a picture may lie between.
    """
    stamps = video.pts_ns
    after = np.clip(np.searchsorted(stamps, pts_ns), 0, len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(stamps[before] - pts_ns) <= np.abs(stamps[after] - pts_ns)
    nearest = np.where(nearer, before, after)
    usual = int(np.median(np.diff(stamps))) if len(stamps) > 1 else NS
    return nearest, np.abs(stamps[nearest] - pts_ns) <= max(usual // 2, 2_000_000)


def require_long_enough(path: str | Path, frames: int, fps: Fraction) -> None:
    """Raise VideoError where a recording would have too few frames to be worth it."""
    if frames < MIN_S * fps:
        raise VideoError("too_short", path, f"{frames} frames, not a second")


@contextmanager
def until_damage(
    writer: RecordingWriter, video: VideoProbe, outcome: Outcome, *, frames: int, least: float
) -> Iterator[None]:
    """Keep what the block wrote where the video is damaged further on, and count what is lost.

    Args:
        writer: of the recording.
        video: whose pictures they are.
        outcome: where it is told.
        frames: how many the block means to write.
        least: how many are worth keeping.

    Raises:
        VideoError: they are fewer.
    """
    try:
        yield
    except DamageError as error:
        if writer.num_frames < least:
            raise VideoError("damaged", video.path, str(error)) from error
        outcome.mended["frames_lost_to_damage"] = frames - writer.num_frames
