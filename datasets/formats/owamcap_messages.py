"""Reads OWAMcap, the recordings of Open World Agents: the messages of an mcap, in order of time.

Source of the layout: `mcap-owa-support` and `owa-msgs` 0.6.6 (MIT). Messages are JSON; they are
parsed, and nothing else is done with what stands in them. Files of recorders from 0.3 on read.
"""

from __future__ import annotations

import heapq
import json
import re
import struct
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingDependencyError, RecordingError
from ..video.timing import NS

if TYPE_CHECKING:
    from mcap.records import Chunk, McapRecord

# Messages are written by one thread and stamped by several: they come some milliseconds out of
# order. What is later than this has no line to go to any more.
REORDER_NS = 5 * NS
# What time it is, the middle one of so many messages says: a few stamps that are far ahead must not
# make all others late.
CLOCK_MESSAGES = 31
# Mice tell of 8,000 moves a second at most. So many messages of one moment are a trap: the oldest
# go on unsorted, so that memory holds no more.
MAX_WAITING = 100_000
# A recorder writes chunks of a MiB, and records that are smaller: more is damage, or a trap.
MAX_RECORD_BYTES = 256 << 20
MAX_CHUNK_BYTES = 64 << 20
LAST_TIME_NS = 2**62  # the year 2116
TOO_LARGE = (MemoryError, OverflowError)  # a length inside a record that no file can have
TOPICS = {
    "screen": "ScreenCaptured",
    "keyboard": "KeyboardEvent",
    "keyboard/state": "KeyboardState",
    "mouse": "MouseEvent",
    "mouse/raw": "RawMouseEvent",
    "mouse/state": "MouseState",
    "window": "WindowInfo",
}
"""The kind of a topic's messages, where the file does not tell it."""
KINDS = frozenset(TOPICS.values())
METADATA = "vidact"
"""The record in which an export of ours says where its play comes from."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a recording."""

    time_ns: int
    """When it was logged, on the recorder's clock."""
    kind: str
    """The class of `owa-msgs`, such as `KeyboardEvent`."""
    content: dict[str, Any]

    def integer(self, field: str, most: int = 1_000_000) -> int:
        """Return a whole number from -most to `most`. Raises ValueError where it is none."""
        value = self.content.get(field)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > most:
            raise ValueError(f"{field} must be a whole number up to {most}, got {value!r:.40}")
        return value


class _Clock:
    """What time it is in a file, by its last messages."""

    def __init__(self) -> None:
        self._last: deque[int] = deque()
        self._sorted: list[int] = []

    def after(self, time_ns: int) -> int:
        """Return the time after one more message, in ns."""
        self._last.append(time_ns)
        insort(self._sorted, time_ns)
        if len(self._last) > CLOCK_MESSAGES:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]
        return self._sorted[(len(self._sorted) - 1) // 2]


@dataclass(slots=True)
class McapFile:
    """An OWAMcap file on this machine; `messages` reads it, and fills in the rest."""

    path: Path
    library: str = ""
    """Who wrote it."""
    cut_short: str = ""
    """Why it could not be read to its end; empty where it is whole."""
    metadata: dict[str, dict[str, str]] | None = None

    def messages(self, counts: Counter[str], kinds: Collection[str] = KINDS) -> Iterator[Message]:
        """Yield the messages in order of time; at most some seconds of them are kept.

        Args:
            counts: quirks are counted here: messages out of order, too late, unreadable.
            kinds: classes of messages to read.

        Raises:
            RecordingError: it is no mcap.
        """
        self.metadata = {}
        waiting: list[tuple[int, int, Message]] = []
        clock = _Clock()
        newest = released = -1
        for number, message in enumerate(self._in_file_order(counts, kinds)):
            time_ns = message.time_ns
            now_ns = clock.after(time_ns)
            if newest > now_ns + REORDER_NS:  # that stamp was wrong
                newest = now_ns
            if time_ns < newest:
                counts["messages_out_of_order"] += 1
            if time_ns < released:
                counts["messages_too_late"] += 1
                continue
            if time_ns <= now_ns + REORDER_NS:
                newest = max(newest, time_ns)
            heapq.heappush(waiting, (time_ns, number, message))
            while waiting and (waiting[0][0] < now_ns - REORDER_NS or len(waiting) > MAX_WAITING):
                released = waiting[0][0]
                yield heapq.heappop(waiting)[2]
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _in_file_order(self, counts: Counter[str], kinds: Collection[str]) -> Iterator[Message]:
        from mcap.records import Channel, Header, Metadata, Schema
        from mcap.records import Message as Record

        names: dict[int, str] = {}
        kind_of: dict[int, str] = {}
        for record in self._records():
            if isinstance(record, Header):
                self.library = record.library
            elif isinstance(record, Schema):
                # `desktop/KeyboardEvent`; before 0.4 `owa.env.desktop.msg.KeyboardEvent`
                names[record.id] = re.split(r"[./]", record.name)[-1]
            elif isinstance(record, Channel):
                told = names.get(record.schema_id, "")
                kind = told if told in KINDS else TOPICS.get(record.topic, "")
                kind_of[record.id] = kind if record.message_encoding == "json" else ""
            elif isinstance(record, Metadata) and self.metadata is not None:
                self.metadata[record.name] = record.metadata
            elif isinstance(record, Record) and kind_of.get(record.channel_id) in kinds:
                try:
                    content = json.loads(record.data)
                    if not isinstance(content, dict) or record.log_time > LAST_TIME_NS:
                        raise ValueError("no object, or of no time")
                except (ValueError, RecursionError):
                    counts["unreadable_messages"] += 1
                    continue
                yield Message(record.log_time, kind_of[record.channel_id], content)

    def _records(self) -> Iterator[McapRecord]:
        """Yield the records up to where the file is cut or damaged. Raises RecordingError."""
        from mcap.exceptions import InvalidMagic, McapError
        from mcap.records import Chunk
        from mcap.stream_reader import StreamReader, breakup_chunk

        self.cut_short = ""
        begun = False
        try:
            with open(self.path, "rb") as file:
                reader = StreamReader(file, emit_chunks=True, record_size_limit=MAX_RECORD_BYTES)
                for record in reader.records:
                    begun = True
                    if isinstance(record, Chunk):
                        yield from breakup_chunk(_unpacked(record), validate_crc=True)
                    else:
                        yield record
        except InvalidMagic as error:
            if not begun:
                raise RecordingError(f"{self.path}: is no mcap ({error})") from error
            self.cut_short = str(error)
        except (McapError, ValueError, struct.error, EOFError, RuntimeError, *TOO_LARGE) as error:
            # RuntimeError is what the decompressors raise on damage.
            self.cut_short = str(error) or type(error).__name__


def _unpacked(chunk: Chunk) -> Chunk:
    """Return a chunk with its records as they are.

    Raises ValueError where they are more than it says, or than a recorder writes.
    """
    size = chunk.uncompressed_size
    if size > MAX_CHUNK_BYTES:
        raise ValueError(f"a chunk of {size} bytes; at most {MAX_CHUNK_BYTES} are read")
    most = size + 1  # a byte more would show that it lies
    if chunk.compression == "zstd":
        import zstandard

        try:
            data = zstandard.ZstdDecompressor().stream_reader(chunk.data).read(most)
        except zstandard.ZstdError as error:
            raise ValueError(f"damaged chunk: {error}") from error
    elif chunk.compression == "lz4":
        from lz4.frame import LZ4FrameDecompressor

        data = LZ4FrameDecompressor().decompress(chunk.data, max_length=most)
    elif chunk.compression == "":
        data = chunk.data
    else:
        raise ValueError(f"unknown compression {chunk.compression!r:.40}")
    if len(data) != size:
        raise ValueError(f"damaged chunk: {len(data)} bytes where it says {size}")
    return replace(chunk, compression="", data=data)


def require_mcap() -> None:
    """Raise MissingDependencyError where the package that reads mcap files is not installed."""
    if find_spec("mcap") is None:
        raise MissingDependencyError(
            "OWAMcap needs the package mcap, which is not installed: pip install 'vidact[owamcap]'"
        )
