"""The worker's side of the decoder child: starts it, reads frames out of shared memory, outlasts its death."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ...errors import VideoError
from ...machine import ONE_THREAD
from ...stall import StallClock
from ..actions.spec import FrameSpec
from ..config import DecoderConfig
from .decoder import VideoFacts
from .sandbox_child import SLOTS
from .ticks import BATCH_TICKS, TickFrames

ENTRY = (sys.executable, "-m", "vidact.datasets.video.sandbox_child")
LOOK_S = 0.5  # how often a silent child is looked at
ATTEMPTS = 2  # at the same place: a child that was killed by chance is not held against the video


class _ChildLostError(Exception):
    """The child crashed, hung or bloated."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class ChildDecoder:
    """A `Decoder` whose work is done in a child process with limits.

    One child serves many files; it is started when first needed and again after its death.

    Args:
        frame: size of all frames that will be asked for.
        entry: the command that starts a child.
    """

    def __init__(self, config: DecoderConfig, frame: FrameSpec, *, entry: Sequence[str] = ENTRY):
        self.config, self.frame, self.entry = config, frame, tuple(entry)
        self._batch_shape = (BATCH_TICKS, frame.height, frame.width, 3)
        self._child: _Child | None = None
        self._request = 0

    def probe(self, path: Path, tick_hz: Fraction) -> VideoFacts:
        """Index and hash a file, in the child."""
        failures = 0
        while True:
            try:
                _, message = self._ask(op="probe", path=str(path), tick_hz=str(tick_hz))
                return VideoFacts(**message["facts"])
            except _ChildLostError as lost:
                self.close()
                failures += 1
                if failures == ATTEMPTS:
                    raise VideoError(lost.reason, path, lost.detail) from lost

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        """Ticks of a file, decoded in the child while the caller is at the ticks before."""
        if frame != self.frame:
            raise ValueError(f"this decoder makes frames of {self.frame}, not of {frame}")
        at, failures = start_tick, 0
        while at < end_tick:
            try:
                for batch in self._stream(path, tick_hz, at, end_tick):
                    yield batch
                    at, failures = batch.start_tick + len(batch.frames), 0
                return
            except _ChildLostError as lost:
                self.close()
                failures += 1
                if failures == ATTEMPTS:
                    raise VideoError(lost.reason, path, lost.detail, tick=at) from lost

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _stream(
        self, path: Path, tick_hz: Fraction, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        child, message = self._ask(
            op="ticks",
            path=str(path),
            frame=asdict(self.frame),
            tick_hz=str(tick_hz),
            start_tick=start_tick,
            end_tick=end_tick,
        )
        request = self._request
        ended = False
        try:
            while "slot" in message:
                pts_ns = np.array(message["pts_ns"], np.int64)
                frames = child.ring[message["slot"]][: len(pts_ns)]  # (n, H, W, 3)
                yield TickFrames(message["start_tick"], pts_ns, frames)
                child.send(op="credit")
                message = self._answer(child, request, path)
            ended = True
        except (VideoError, _ChildLostError):
            ended = True
            raise
        finally:
            if not ended and child is self._child:
                with contextlib.suppress(
                    _ChildLostError
                ):  # a dead child is found at the next request
                    child.send(op="stop")

    def _ask(self, **request: Any) -> tuple[_Child, dict[str, Any]]:
        child = self._child or _Child(self.config, self._batch_shape, self.entry)
        self._child = child
        self._request += 1
        child.send(id=self._request, **request)
        return child, self._answer(child, self._request, request["path"])

    def _answer(self, child: _Child, request: int, path: str | Path) -> dict[str, Any]:
        """The next answer to a request; what is left of earlier ones is passed over."""
        while True:
            message = child.receive(self.config.stall_s)
            if message.get("id") != request:
                continue
            if "reason" in message:
                raise VideoError(message["reason"], path, message["detail"], tick=message["tick"])
            return message


class _Child:
    """One child process."""

    def __init__(self, config: DecoderConfig, batch_shape: tuple[int, ...], entry: Sequence[str]):
        size = SLOTS * int(np.prod(batch_shape))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child; a pipe could fill up
        with _shared_file(size) as ring_file:
            self._map = mmap.mmap(ring_file.fileno(), size)
            self.ring = np.frombuffer(self._map, np.uint8).reshape(SLOTS, *batch_shape)
            replies, reply_end = os.pipe()
            lifeline_end, self._lifeline = os.pipe()
            memory = int(config.memory_gib * 2**30)
            fds = (ring_file.fileno(), reply_end, lifeline_end)
            try:
                self._process = subprocess.Popen(
                    [*entry, *map(str, fds), str(memory), str(config.max_pixels)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=fds,
                    env=os.environ | ONE_THREAD,
                )
            finally:
                os.close(reply_end)
                os.close(lifeline_end)
        self._replies = replies
        self._buffer = b""
        self._lines: list[bytes] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(replies, selectors.EVENT_READ)

    def send(self, **message: Any) -> None:
        """Send a request or credit. Raises _ChildLostError where the child is gone."""
        stdin = self._process.stdin
        try:
            stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            stdin.flush()  # type: ignore[union-attr]
        except OSError:
            raise self._lost() from None

    def receive(self, stall_s: float) -> dict[str, Any]:
        """The next message. Raises _ChildLostError after `stall_s` seconds at nothing, or where the child is gone."""
        clock = StallClock()
        while not self._lines:
            if not self._selector.select(LOOK_S):
                if clock.look([self._process.pid]) > stall_s:
                    raise _ChildLostError("decoder_hung", f"no progress for {stall_s:g} s")
                continue
            data = os.read(self._replies, 1 << 16)
            if not data:
                raise self._lost()
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._lines += lines
        return json.loads(self._lines.pop(0))

    def kill(self) -> None:
        """End the child and give everything back."""
        self._process.kill()
        self._process.wait()
        self._selector.close()
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._errors.close()
        os.close(self._replies)
        os.close(self._lifeline)
        self.ring = self.ring[:0]
        with contextlib.suppress(
            BufferError
        ):  # a caller still looks at frames: the memory goes with them
            self._map.close()

    def _lost(self) -> _ChildLostError:
        """Why the child is gone."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return _ChildLostError("decoder_hung", "it closed its side and went on running")
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        if any("MemoryError" in line or "Cannot allocate memory" in line for line in last):
            return _ChildLostError("memory_limit", "decoding needs more memory than allowed")
        what = signal.Signals(-code).name if code < 0 else f"exit {code} {' '.join(last)}".strip()
        return _ChildLostError("decoder_crashed", f"the decoder ended with {what}")


@contextlib.contextmanager
def _shared_file(size: int) -> Iterator[BinaryIO]:
    """A nameless file in memory that a child can inherit: nothing of it is left, whoever dies."""
    in_memory = hasattr(os, "memfd_create")
    with (
        os.fdopen(os.memfd_create("vidact-frames"), "r+b")
        if in_memory
        else tempfile.TemporaryFile() as file
    ):
        file.truncate(size)
        yield cast(BinaryIO, file)
