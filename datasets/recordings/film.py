"""The video of a recording: an H.264 file of numbered pictures at an exact rate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from ...errors import ConfigError, RecordingError
from ..video.resize import as_video_frame

MAX_TERM = 2**31 - 1  # of a rate: FFmpeg's fractions have terms of 32 bits
MAX_SIDE = 16384  # pixels; libx264 encodes no larger pictures


def require_filmable(fps: Fraction, size: tuple[int, int]) -> None:
    """Raise ConfigError where a film cannot have this rate, or this width and height."""
    if fps <= 0:
        raise ConfigError(f"fps must be above 0, got {fps}")
    if max(fps.numerator, fps.denominator) > MAX_TERM:
        raise ConfigError(
            f"fps must be a fraction whose terms are at most {MAX_TERM}, got {fps!s:.50}"
        )
    if size[0] % 2 or size[1] % 2 or min(size) < 16 or max(size) > MAX_SIDE:
        raise ConfigError(
            f"size must be even and from 16 to {MAX_SIDE} pixels a side, got {size[0]}x{size[1]}"
        )


class Film:
    """Encodes pictures in the calling thread: the same pictures give the same bytes.

    Args:
        path: the mp4 to write.
        recording: whose film it is, for errors.
        fps: exact rate of the pictures.
        size: width and height in pixels.
        encoder: options of libx264.
        container: options of the mp4.
    """

    def __init__(
        self,
        path: Path,
        recording: Path,
        *,
        fps: Fraction,
        size: tuple[int, int],
        encoder: Mapping[str, str],
        container: Mapping[str, str] | None = None,
    ):
        self.recording = recording
        self.num_pictures = 0
        self._container: av.container.OutputContainer | None = av.open(
            os.fspath(path.absolute()), "w", format="mp4", options=dict(container or {})
        )
        self._stream = self._container.add_stream("libx264", rate=fps, options=dict(encoder))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.thread_type = "NONE"
        self._stream.codec_context.thread_count = 1
        # A stamp is then the number of its picture, exact at any rate.
        self._time_base = self._stream.codec_context.time_base = 1 / fps
        self._reformatter = VideoReformatter()

    @property
    def closed(self) -> bool:
        """Whether no more pictures can be added."""
        return self._container is None

    def add(self, picture: av.VideoFrame) -> int:
        """Add a picture of the film's size, yuv420p; returns its number.

        Raises RecordingError where the film is closed.
        """
        if self._container is None:
            raise RecordingError(f"{self.recording}: the recording is closed")
        number = self.num_pictures
        picture.pts, picture.time_base = number, self._time_base
        for packet in self._stream.encode(picture):
            self._container.mux(packet)
        self.num_pictures += 1
        return number

    def add_rgb(self, picture: NDArray[np.uint8]) -> int:
        """Add a picture of the film's size, uint8 [h, w, 3] RGB; as `add`."""
        frame = as_video_frame(picture)
        return self.add(self._reformatter.reformat(frame, format="yuv420p", threads=1))

    def close(self) -> None:
        """Write what the encoder still holds, and end the file."""
        if self._container is None:
            return
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        self._container = None

    def abandon(self) -> None:
        """End a file that is to be thrown away."""
        if self._container is not None:
            with suppress(av.error.FFmpegError):
                self._container.close()
            self._container = None
