"""The seam between the labeling job and whatever decodes strangers' bytes.

A `Decoder` turns a file into ticks of frames, batch by batch; `sandbox.open_decoder` chooses one.
`TickReader` reads ranges of ticks, so that the halo that two neighboring segments share is decoded
once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from ...errors import VideoError
from ..actions.spec import FrameSpec
from .limits import MAX_PIXELS
from .probe import VideoProbe, probe
from .ticks import TickFrames, decode_ticks, num_ticks, require_rate
from .timing import count_ticks


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoFacts:
    """What the job needs to know of a video; its timestamps stay with the decoder."""

    sha256: str
    """Empty where the file was not to be hashed."""
    codec: str
    container: str
    width: int
    height: int
    rotation: int
    frames: int
    duration_s: float
    fps: float
    ticks: int
    """How many ticks the file holds."""
    lost_ticks: int
    """How many more its header declares, where the file was cut short."""
    truncated: str
    """How the file was cut short; empty where it was not."""
    head: str
    """Hash of the first packets; see `VideoProbe`."""
    track: str
    """Which of several video tracks is read, in words; empty where there is one."""


class Decoder(Protocol):
    """What the job needs of a decoder. Both methods raise VideoError where the file is damaged."""

    def probe(self, path: Path, tick_hz: Fraction, *, sha256: bool = True) -> VideoFacts:
        """Index a file, and hash it unless that is not wanted."""

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        """Yield ticks `[start_tick, end_tick)` in batches.

        On damage what is good comes first, then VideoError with `.tick`. The arrays of a batch are
        good until the next one is asked for.
        """

    def close(self) -> None:
        """Give back what the decoder holds."""


class InProcessDecoder:
    """Decodes in this process; the sandbox's child runs one of these.

    Args:
        max_pixels: larger pictures are refused.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS):
        self.max_pixels = max_pixels
        self._known: tuple[Path, tuple[int, int], VideoProbe] | None = None

    def probe(self, path: Path, tick_hz: Fraction, *, sha256: bool = True) -> VideoFacts:
        """Index and hash a file; refuse what is too large or cannot be labeled at this rate."""
        found = self._index(path, sha256=sha256)
        require_rate(found, tick_hz)
        declared = num_ticks(found, tick_hz)
        held = min(declared, count_ticks(found.end_ns - int(found.pts_ns[0]), tick_hz))
        return VideoFacts(
            sha256=found.sha256,
            codec=found.codec,
            container=found.container,
            width=found.width,
            height=found.height,
            rotation=found.rotation,
            frames=found.frames,
            duration_s=float(found.duration_s),
            fps=float(found.fps),
            ticks=held,
            lost_ticks=declared - held,
            truncated=found.truncated,
            head=found.head,
            track=found.track,
        )

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        """Decode ticks, as `ticks.decode_ticks`."""
        found = self._index(path, sha256=False)
        return decode_ticks(
            path, frame, tick_hz, start_tick=start_tick, end_tick=end_tick, probe=found
        )

    def close(self) -> None:
        """Forget the index of the last file; nothing else is held."""
        self._known = None

    def _index(self, path: Path, *, sha256: bool) -> VideoProbe:
        mark = _mark(path)
        if (
            self._known is not None
            and self._known[:2] == (path, mark)
            and (self._known[2].sha256 or not sha256)
        ):
            return self._known[2]
        found = probe(path, sha256=sha256)
        require_size(found, self.max_pixels)
        self._known = (path, mark, found)
        return found


def require_size(video: VideoProbe, max_pixels: int) -> None:
    """Raise VideoError where the pictures of a video are larger than is allowed."""
    if video.width * video.height > max_pixels:
        raise VideoError(
            "too_large",
            video.path,
            f"pictures of {video.width} x {video.height}; {max_pixels} pixels are allowed",
        )


def _mark(path: Path) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return (0, 0)  # the probe says what is wrong
    return stat.st_size, stat.st_mtime_ns


class TickReader:
    """Reads ranges of ticks of one video, mostly forwards.

    Holds the ticks of the last range only. Reading on from within it keeps the overlap and the open
    stream; reading elsewhere opens a new one.

    Args:
        end_tick: one past the last tick that will be read.
    """

    def __init__(
        self, decoder: Decoder, path: Path, *, frame: FrameSpec, tick_hz: Fraction, end_tick: int
    ):
        self._decoder, self._path, self._frame, self._tick_hz = decoder, path, frame, tick_hz
        self._end = end_tick
        self._start = self._stop = 0  # ticks held: [start, stop)
        self._frames = np.empty((0, frame.height, frame.width, 3), np.uint8)
        self._pts_ns = np.empty(0, np.int64)
        self._stream: Iterator[TickFrames] | None = None
        self._rest: TickFrames | None = None  # decoded, but beyond the last range

    def read(self, start: int, end: int) -> tuple[np.ndarray, np.ndarray, VideoError | None]:
        """Read ticks `[start, end)`.

        Returns:
            frames uint8 [n, H, W, 3] and pts_ns int64 [n], with n < end - start only where the
            third, the error, says why. The frames are a view that the next call overwrites.
        """
        held = 0
        # What a range lacks of the one before is dropped: the stream is beyond it already.
        if self._stream is not None and self._start <= start <= self._stop <= end:
            held = self._stop - start
        else:
            self._open(start)
        frames = self._frames
        if len(frames) < end - start:
            frames = np.empty((end - start, *frames.shape[1:]), np.uint8)
        pts_ns = np.empty(end - start, np.int64)
        if held > 0:
            offset = start - self._start
            # NumPy copies overlapping memory in the right order.
            frames[:held] = self._frames[offset : offset + held]
            pts_ns[:held] = self._pts_ns[offset : offset + held]
        self._frames, self._start = frames, start
        filled, error = held, None
        try:
            while filled < end - start:
                batch = self._next()
                n = min(len(batch.frames), end - start - filled)
                frames[filled : filled + n] = batch.frames[:n]
                pts_ns[filled : filled + n] = batch.pts_ns[:n]
                filled += n
                if n < len(batch.frames):
                    self._rest = TickFrames(
                        batch.start_tick + n, batch.pts_ns[n:].copy(), batch.frames[n:].copy()
                    )
        except VideoError as found:
            error = found
            self.close()
        except BaseException:  # nothing that is held is sure
            self.close()
            raise
        self._pts_ns, self._stop = pts_ns, start + filled
        return frames[:filled], pts_ns[:filled], error

    def afresh(self) -> TickReader:
        """A reader of the same file with a decoder that has forgotten what it knew of it."""
        self.close()
        self._decoder.close()
        return TickReader(
            self._decoder,
            self._path,
            frame=self._frame,
            tick_hz=self._tick_hz,
            end_tick=self._end,
        )

    def close(self) -> None:
        """Stop the stream; what was read of it can still be used by the caller."""
        stream, self._stream, self._rest = self._stream, None, None
        if stream is not None:
            getattr(stream, "close", lambda: None)()

    def _open(self, start: int) -> None:
        self.close()
        self._start = self._stop = start
        self._stream = self._decoder.ticks(
            self._path, self._frame, self._tick_hz, start_tick=start, end_tick=self._end
        )

    def _next(self) -> TickFrames:
        if self._rest is not None:
            batch, self._rest = self._rest, None
            return batch
        try:
            return next(self._stream)  # type: ignore[arg-type]
        except StopIteration:
            raise VideoError(
                "ended_early", self._path, f"fewer ticks than planned ({self._end})"
            ) from None
