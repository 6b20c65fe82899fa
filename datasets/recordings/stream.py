"""Frames of rising tick ranges out of one pass over a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import RecordingError
from ..actions.spec import ActionSpec
from ..video.ticks import TickFrames
from .recording import Recording


class TickStream:
    """Decodes a recording from `start_tick` on and hands out its ticks in order.

    It holds one batch at most.

    Args:
        recording: an open recording.
        spec: whose tick rate and frame size.
        phase: see `Recording.actions`.
        start_tick: where decoding begins; found by a seek.
        end_tick: where it ends; the recording's end if None.
    """

    def __init__(
        self,
        recording: Recording,
        spec: ActionSpec,
        phase: int = 0,
        start_tick: int = 0,
        end_tick: int | None = None,
    ):
        self._batches = recording.frames(spec, phase, start_tick=start_tick, end_tick=end_tick)
        self._name = str(recording.stem)
        self.tick = start_tick
        self._batch: TickFrames | None = None
        self._used = 0

    def take(self, start_tick: int, out: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Copy the ticks from `start_tick` on into `out`, uint8 [T, H, W, 3].

        Ticks before them are passed over.

        Returns:
            The time of each source frame, int64 [T] in ns.

        Raises:
            RecordingError: the video ends before.
        """
        pts_ns = np.empty(len(out), np.int64)
        self._skip(start_tick - self.tick)
        filled = 0
        while filled < len(out):
            frames, times = self._next(len(out) - filled)
            out[filled : filled + len(frames)] = frames
            pts_ns[filled : filled + len(frames)] = times
            filled += len(frames)
        return pts_ns

    def _skip(self, ticks: int) -> None:
        if ticks < 0:
            raise ValueError(f"tick {self.tick + ticks} was handed out before, now at {self.tick}")
        while ticks:
            ticks -= len(self._next(ticks)[0])

    def _next(self, most: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the next ticks, at least one and at most `most`, as views."""
        if self._batch is None or self._used == len(self._batch.frames):
            self._batch, self._used = next(self._batches, None), 0
        if self._batch is None:
            raise RecordingError(
                f"{self._name}: the video ends at tick {self.tick}, its labels do not"
            )
        begin, self._used = self._used, min(self._used + most, len(self._batch.frames))
        self.tick += self._used - begin
        return self._batch.frames[begin : self._used], self._batch.pts_ns[begin : self._used]
