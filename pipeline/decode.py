"""The seam between the labelling job and whatever decodes strangers' bytes.

A `Decoder` turns a file into ticks of frames, batch by batch; `TickReader` reads ranges of them, so that the halo that
two neighbouring segments share is decoded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from ..datasets.actions import FrameSpec
from ..datasets.video import TickFrames, VideoProbe, decode_ticks, probe
from ..errors import VideoError
from .config import DecoderConfig


class Decoder(Protocol):
    """What the job needs of a decoder. Both methods raise VideoError where the file is damaged."""

    def probe(self, path: Path) -> VideoProbe:
        """Time stamps and content hash of a file."""

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int, probe: VideoProbe
    ) -> Iterator[TickFrames]:
        """Ticks `[start_tick, end_tick)` in batches; on damage what is good, then VideoError with `.tick`."""

    def close(self) -> None:
        """Give back what the decoder holds."""


class InProcessDecoder:
    """Decodes in this process: for files of one's own, and for tests."""

    def probe(self, path: Path) -> VideoProbe:
        """As `datasets.video.probe`."""
        return probe(path)

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int, probe: VideoProbe
    ) -> Iterator[TickFrames]:
        """As `datasets.video.decode_ticks`."""
        return decode_ticks(path, frame, tick_hz, start_tick=start_tick, end_tick=end_tick, probe=probe)

    def close(self) -> None:
        """Nothing is held."""


def open_decoder(config: DecoderConfig) -> Decoder:
    """The decoder that the settings ask for."""
    return InProcessDecoder()


class TickReader:
    """Reads ranges of ticks of one video, mostly forwards.

    Holds the ticks of the last range only; reading on from within it keeps the overlap and goes on with the open
    stream, reading elsewhere opens a new one.
    """

    def __init__(
        self,
        decoder: Decoder,
        path: Path,
        *,
        frame: FrameSpec,
        tick_hz: Fraction,
        probe: VideoProbe,
        end_tick: int,
    ):
        self._decoder, self._path, self._frame, self._tick_hz = decoder, path, frame, tick_hz
        self._probe, self._end = probe, end_tick
        self._start = self._stop = 0  # ticks held: [start, stop)
        self._frames = np.empty((0, frame.height, frame.width, 3), np.uint8)
        self._pts_ns = np.empty(0, np.int64)
        self._stream: Iterator[TickFrames] | None = None
        self._rest: TickFrames | None = None  # decoded, but beyond the last range

    def read(self, start: int, end: int) -> tuple[np.ndarray, np.ndarray, VideoError | None]:
        """Ticks `[start, end)`.

        Returns:
            frames uint8 [n, H, W, 3] and pts_ns int64 [n], with n < end - start only where the third, the error, says
            why. The frames are a view that the next call overwrites.
        """
        held = 0
        if self._stream is not None and self._start <= start <= self._stop:
            held = min(self._stop, end) - start
        else:
            self._open(start)
        frames = self._frames
        if len(frames) < end - start:
            frames = np.empty((end - start, *frames.shape[1:]), np.uint8)
        pts_ns = np.empty(end - start, np.int64)
        if held > 0:
            offset = start - self._start
            frames[:held] = self._frames[offset : offset + held]  # numpy copies overlapping memory in the right order
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
                    self._rest = TickFrames(batch.start_tick + n, batch.pts_ns[n:], batch.frames[n:].copy())
        except VideoError as found:
            error = found
            self.close()
        self._pts_ns, self._stop = pts_ns, start + filled
        return frames[:filled], pts_ns[:filled], error

    def close(self) -> None:
        """Stop the stream; what is held of it can still be used by the caller."""
        stream, self._stream, self._rest = self._stream, None, None
        if stream is not None:
            getattr(stream, "close", lambda: None)()

    def _open(self, start: int) -> None:
        self.close()
        self._start = self._stop = start
        self._stream = self._decoder.ticks(
            self._path, self._frame, self._tick_hz, start_tick=start, end_tick=self._end, probe=self._probe
        )

    def _next(self) -> TickFrames:
        if self._rest is not None:
            batch, self._rest = self._rest, None
            return batch
        try:
            return next(self._stream)  # type: ignore[arg-type]
        except StopIteration:
            raise VideoError("ended_early", self._path, f"fewer ticks than planned ({self._end})") from None
