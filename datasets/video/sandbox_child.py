"""The process that decodes strangers' bytes: it may crash, hang or bloat, and costs one segment.

    python -m vidact.datasets.video.sandbox_child RING_FD REPLY_FD LIFELINE_FD LIMITS

Requests come as JSON lines on standard input, answers go as JSON lines to REPLY_FD, frames lie in
the shared ring of `SLOTS` batches. A slot is written only while the worker has given credit for it.
Other children that read strangers' bytes begin with the same `enter`, and serve their own requests.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import select
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ...errors import VideoError
from ..actions.spec import FrameSpec
from .decoder import Decoder, InProcessDecoder
from .limits import Limits
from .resize import keep_freed_memory
from .ticks import BATCH_TICKS

SLOTS = 4  # batches decoded ahead of the model: enough to hide a slow key frame
PULSE_S = 1.0
FIRST_BYTES = 64 << 20  # read in any case: indices and probing touch parts of a file twice
READINGS = 4  # of the whole file, for one request: index, hash, decode, and a key frame missed


def enter(argv: Sequence[str]) -> tuple[list[int], Replies, Limits]:
    """Begin the life of a child: tied to its worker, and bound to its limits.

    Args:
        argv: what `sandbox.Child` appends to the command: descriptors, then the limits.

    Returns:
        The descriptors of the files that the child shares with its worker, where answers go, and
        the limits.
    """
    *shared, reply_fd, lifeline_fd = map(int, argv[:-1])
    limits = Limits(**json.loads(argv[-1]))
    _die_with_worker(lifeline_fd)
    limits.impose()
    return shared, Replies(os.fdopen(reply_fd, "w", buffering=1)), limits


def main(argv: list[str], make_decoder: Callable[[int], Decoder] = InProcessDecoder) -> None:
    """Serve requests until standard input ends."""
    (ring_fd,), replies, limits = enter(argv)
    keep_freed_memory()
    server = Server(make_decoder(limits.max_pixels), mmap.mmap(ring_fd, 0), replies)
    threading.Thread(target=replies.pulse, name="pulse", daemon=True).start()
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] in ("probe", "ticks"):
            server.serve(request)


class Replies:
    """Sends answers, and signs of life while bytes of the file are being read.

    A hung codec reads nothing, so it gives no sign; a demuxer that goes round in circles reads more
    than the file holds, and then gives no sign either. So every request ends.
    """

    def __init__(self, file: TextIO):
        self._file, self._lock = file, threading.Lock()
        # Bytes that this process may have read and still count as alive; 0 while it is idle.
        self._allowed = 0
        self._own = 0  # bytes that were read here, only to know how many were read

    def send(self, **message: Any) -> None:
        """Send one answer."""
        with self._lock:
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()

    def begin(self, path: str) -> None:
        """Allow signs of life for a request about this file, which begins now."""
        try:
            size = os.stat(path).st_size
        except OSError:
            size = 0
        self._allowed = self._bytes_read() + READINGS * size + FIRST_BYTES

    def pulse(self) -> None:
        """Give signs of life, as long as there are any."""
        wake, before = threading.Event(), 0
        while True:
            wake.wait(PULSE_S)
            now = self._bytes_read()
            if before < now < self._allowed:
                self.send(alive=now)
            before = now

    def _bytes_read(self) -> int:
        """Bytes that this process has read, but for those that asking takes: they are no sign."""
        with self._lock, open("/proc/self/io", "rb", buffering=0) as file:
            said = file.read()
            found = int(said.split()[1]) - self._own
            self._own += len(said)
        return found


class Server:
    """Answers requests one at a time."""

    def __init__(self, decoder: Decoder, ring: mmap.mmap, replies: Replies):
        self.decoder, self.ring, self.replies = decoder, ring, replies

    def serve(self, request: dict[str, Any]) -> None:
        """Answer one request, whatever the file holds."""
        self.replies.begin(request["path"])
        try:
            if request["op"] == "probe":
                facts = self.decoder.probe(
                    Path(request["path"]), Fraction(request["tick_hz"]), sha256=request["sha256"]
                )
                self.replies.send(id=request["id"], facts=asdict(facts))
            else:
                self._ticks(request)
        except VideoError as error:
            # FFmpeg's own word for the memory limit, which depends on this process, not on the
            # file.
            reason = "memory_limit" if "Cannot allocate memory" in error.detail else error.reason
            self._failed(request, reason, error.detail, error.tick)
        except MemoryError:
            self._failed(request, "memory_limit", "decoding needs more memory than allowed", None)

    def _failed(self, request: dict[str, Any], reason: str, detail: str, tick: int | None) -> None:
        self.replies.send(id=request["id"], reason=reason, detail=detail, tick=tick)

    def _ticks(self, request: dict[str, Any]) -> None:
        frame = FrameSpec(**request["frame"])
        batch_bytes = BATCH_TICKS * frame.height * frame.width * 3
        stream = self.decoder.ticks(
            Path(request["path"]),
            frame,
            Fraction(request["tick_hz"]),
            start_tick=request["start_tick"],
            end_tick=request["end_tick"],
        )
        for number, batch in enumerate(stream):
            if number >= SLOTS and not self._credit():
                return
            slot = number % SLOTS
            target = np.frombuffer(self.ring, np.uint8, batch.frames.size, slot * batch_bytes)
            target[:] = batch.frames.reshape(-1)  # (n * H * W * 3,)
            self.replies.send(
                id=request["id"],
                slot=slot,
                start_tick=batch.start_tick,
                pts_ns=[int(pts) for pts in batch.pts_ns],
            )
        self.replies.send(id=request["id"], end=True)

    def _credit(self) -> bool:
        """Wait until a slot is free; False where the stream is no longer wanted."""
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        return json.loads(line)["op"] == "credit"


def _die_with_worker(lifeline_fd: int) -> None:
    """Never outlive the worker, even while a codec hangs.

    The kernel sends SIGIO, which ends a process, when the worker's end of the lifeline closes.
    """
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, fcntl.fcntl(lifeline_fd, fcntl.F_GETFL) | os.O_ASYNC)
    lifeline = select.poll()
    lifeline.register(lifeline_fd, 0)
    if lifeline.poll(0):  # it was gone before we listened
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
