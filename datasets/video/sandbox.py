"""The sandbox for strangers' bytes: child processes with limits, and what their death costs.

`open_decoder` gives the labeling job a decoder whose work is done in such a child: frames come
through shared memory, and a crash, a hang or bloat costs its place in the video and no more.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import mmap
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ...errors import VideoError
from ...machine import child_environment
from ...stall import StallClock
from ..actions.spec import FrameSpec
from .config import DecoderConfig
from .decoder import Decoder, InProcessDecoder, VideoFacts
from .limits import Limits
from .sandbox_child import SLOTS
from .ticks import BATCH_TICKS, TickFrames

ENTRY = (sys.executable, "-P", "-m", "vidact.datasets.video.sandbox_child")
FILE_BYTES = 1 << 20  # a decoder has nothing to write but its last words
LOOK_S = 0.5  # how often a silent child is looked at
ATTEMPTS = 2  # at the same place: a child that was killed by chance is not held against the video
# Reasons that lie with the limits of the child, not with the file alone.
CHILD_LOST = frozenset({"decoder_crashed", "decoder_hung", "memory_limit"})
# Without a byte of the file, of which a disk that people wait for gives some: a tape robot may take
# minutes. Then it is tried again like any disk that fails.
SOURCE_S = 300.0
SOURCE_SILENT = "source_silent"
KILL_S = 5.0  # a child in the hands of a disk that does not answer dies when the disk comes back


def open_decoder(config: DecoderConfig, frame: FrameSpec) -> Decoder:
    """Return the decoder that the settings ask for; for `frame` see `ChildDecoder`."""
    return ChildDecoder(config, frame) if config.child else InProcessDecoder(config.max_pixels)


class ChildLostError(Exception):
    """A child crashed, hung or bloated.

    Args:
        reason: one of `CHILD_LOST`, or `SOURCE_SILENT`.
        detail: what exactly happened.
        code: its exit code, negative for a signal; None where it was still running.
        last: the last line that it wrote to standard error.
    """

    def __init__(self, reason: str, detail: str, *, code: int | None = None, last: str = ""):
        super().__init__(detail)
        self.reason, self.detail, self.code, self.last = reason, detail, code, last


class Child:
    """A process within limits that gets requests and sends answers, as lines of JSON.

    Its side begins with `sandbox_child.enter`. It never outlives this process.

    Args:
        command: what starts it.
        limits: what it may take.
        shared: descriptors of files that it inherits.
        environment: of the process; this one's unless given. Libraries get one thread in any case.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits,
        *,
        shared: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ):
        # A file lives as long as the child; a pipe that nobody reads would fill up and block it.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        replies, reply_end = os.pipe()
        lifeline_end, self._lifeline = os.pipe()
        inherited = (*shared, reply_end, lifeline_end)
        try:
            self._process = subprocess.Popen(
                [*command, *map(str, inherited), json.dumps(asdict(limits))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=inherited,
                env=child_environment(environment),
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
        """Send a request or credit. Raises ChildLostError where the child is gone."""
        stdin = self._process.stdin
        try:
            stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            stdin.flush()  # type: ignore[union-attr]
        except OSError:
            raise self._lost() from None

    def receive(
        self, *, stall_s: float = math.inf, source_s: float = math.inf, wall_s: float = math.inf
    ) -> dict[str, Any]:
        """Return the next message.

        Args:
            stall_s: how long the child may be at nothing; a busy machine is not held against it.
            source_s: how long it may wait for a disk.
            wall_s: how long it may take at all.

        Raises:
            ChildLostError: it took longer, or is gone.
        """
        clock, end_s = StallClock(), time.monotonic() + wall_s
        while not self._lines:
            if not self._selector.select(max(0.0, min(LOOK_S, end_s - time.monotonic()))):
                if time.monotonic() >= end_s:
                    raise ChildLostError("decoder_hung", f"nothing after {wall_s:g} s")
                if clock.look([self._process.pid]) > stall_s:
                    raise ChildLostError("decoder_hung", f"no progress for {stall_s:g} s")
                if clock.disk_s > source_s:
                    detail = f"its disk has not answered for {source_s:g} s"
                    raise ChildLostError(SOURCE_SILENT, detail)
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
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)
        self._selector.close()
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._errors.close()
        os.close(self._replies)
        os.close(self._lifeline)

    def _lost(self) -> ChildLostError:
        """Find out why the child is gone."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return ChildLostError("decoder_hung", "it closed its side and went on running")
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else ""
        if "MemoryError" in last or "Cannot allocate memory" in last:
            reason, detail = "memory_limit", "decoding needs more memory than allowed"
        else:
            name = signal.Signals(-code).name if code < 0 else f"exit {code} {last}".strip()
            reason, detail = "decoder_crashed", f"the decoder ended with {name}"
        return ChildLostError(reason, detail, code=code, last=last)


class ChildDecoder:
    """A `Decoder` whose work is done in a child process with limits.

    One child serves many files; it is started when first needed and again after its death.

    Args:
        frame: size of the frames that will be asked for. Larger ones cost a new child, once.
        entry: the command that starts a child.
    """

    def __init__(self, config: DecoderConfig, frame: FrameSpec, *, entry: Sequence[str] = ENTRY):
        self.config, self.entry = config, tuple(entry)
        self._room = _ring_bytes(frame)
        self._child: _DecodingChild | None = None
        self._request = 0

    def probe(self, path: Path, tick_hz: Fraction, *, sha256: bool = True) -> VideoFacts:
        """Index and hash a file, in the child."""
        failures = 0
        while True:
            try:
                _, message = self._ask(
                    op="probe", path=str(path), tick_hz=str(tick_hz), sha256=sha256
                )
                return VideoFacts(**message["facts"])
            except ChildLostError as lost:
                self._close_after(lost, path)
                failures += 1
                if failures == ATTEMPTS:
                    raise VideoError(lost.reason, path, lost.detail) from lost

    def ticks(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, *, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        """Yield ticks of a file, decoded in the child while the caller is at the ticks before."""
        if (room := _ring_bytes(frame)) > self._room:
            self.close()
            self._room = room
        at, failures = start_tick, 0
        while at < end_tick:
            try:
                for batch in self._stream(path, frame, tick_hz, at, end_tick):
                    yield batch
                    at, failures = batch.start_tick + len(batch.frames), 0
                return
            except ChildLostError as lost:
                self._close_after(lost, path)
                failures += 1
                if failures == ATTEMPTS:
                    raise VideoError(lost.reason, path, lost.detail, tick=at) from lost

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _close_after(self, lost: ChildLostError, path: Path) -> None:
        """End the child. Raises TimeoutError where the file's disk is to blame."""
        self.close()
        if lost.reason == SOURCE_SILENT:
            raise TimeoutError(errno.ETIMEDOUT, lost.detail, str(path)) from lost

    def _stream(
        self, path: Path, frame: FrameSpec, tick_hz: Fraction, start_tick: int, end_tick: int
    ) -> Iterator[TickFrames]:
        child, message = self._ask(
            op="ticks",
            path=str(path),
            frame=asdict(frame),
            tick_hz=str(tick_hz),
            start_tick=start_tick,
            end_tick=end_tick,
        )
        request = self._request
        try:
            while "slot" in message:
                pts_ns = np.array(message["pts_ns"], np.int64)
                frames = child.ring_of(frame)[message["slot"]][: len(pts_ns)]  # (n, H, W, 3)
                yield TickFrames(message["start_tick"], pts_ns, frames)
                child.send(op="credit")
                message = self._answer(child, request, path)
        except (VideoError, ChildLostError):
            raise
        except BaseException:  # the stream is no longer wanted
            if child is self._child:
                # A dead child is found at the next request.
                with contextlib.suppress(ChildLostError):
                    child.send(op="stop")
            raise

    def _ask(self, **request: Any) -> tuple[_DecodingChild, dict[str, Any]]:
        child = self._child or _DecodingChild(self.config, self._room, self.entry)
        self._child = child
        self._request += 1
        child.send(id=self._request, **request)
        return child, self._answer(child, self._request, request["path"])

    def _answer(self, child: Child, request: int, path: str | Path) -> dict[str, Any]:
        """Return the next answer to a request; what is left of earlier ones is passed over."""
        while True:
            message = child.receive(stall_s=self.config.stall_s, source_s=SOURCE_S)
            if message.get("id") != request:
                continue
            if "reason" in message:
                raise VideoError(message["reason"], path, message["detail"], tick=message["tick"])
            return message


class _DecodingChild(Child):
    """A child with a ring of batches in memory that both sides see."""

    def __init__(self, config: DecoderConfig, room: int, entry: Sequence[str]):
        limits = Limits(
            memory_bytes=int(config.memory_gib * 2**30),
            max_pixels=config.max_pixels,
            file_bytes=FILE_BYTES,
        )
        with _shared_file(room) as file:
            self._map = mmap.mmap(file.fileno(), room)
            self._ring = np.frombuffer(self._map, np.uint8)
            super().__init__(entry, limits, shared=(file.fileno(),))

    def ring_of(self, frame: FrameSpec) -> np.ndarray:
        """The ring, where it holds frames of this size: uint8 [slots, n, H, W, 3]."""
        return self._ring[: _ring_bytes(frame)].reshape(_ring_shape(frame))

    def kill(self) -> None:
        """End the child and give everything back."""
        super().kill()
        self._ring = self._ring[:0]
        # A caller may still look at frames: then the memory goes with them.
        with contextlib.suppress(BufferError):
            self._map.close()


def _ring_shape(frame: FrameSpec) -> tuple[int, ...]:
    return SLOTS, BATCH_TICKS, frame.height, frame.width, 3


def _ring_bytes(frame: FrameSpec) -> int:
    return math.prod(_ring_shape(frame))


@contextlib.contextmanager
def _shared_file(size: int) -> Iterator[BinaryIO]:
    """Open a nameless file in memory that a child can inherit: nothing of it outlives both."""
    in_memory = hasattr(os, "memfd_create")
    with (
        os.fdopen(os.memfd_create("vidact-frames"), "r+b")
        if in_memory
        else tempfile.TemporaryFile() as file
    ):
        file.truncate(size)
        yield cast(BinaryIO, file)
