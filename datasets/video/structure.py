"""Whether a file is whole: the chains of elements of matroska, avi and mp4 are walked to the end.

Demuxers look for the next thing that they know and say nothing. A matroska file cut anywhere looks
like a shorter one; a hole in it or in an avi moves all later pictures in time.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

EBML_HEADER, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# What may lie beside clusters (RFC 9559).
BESIDE_CLUSTERS = {
    0x114D9B74,  # SeekHead
    0x1549A966,  # Info
    0x1654AE6B,  # Tracks
    0x1C53BB6B,  # Cues
    0x1941A469,  # Attachments
    0x1043A770,  # Chapters
    0x1254C367,  # Tags
    0xEC,  # Void
    0xBF,  # CRC-32
}
# Timestamp, SimpleBlock, BlockGroup, Position, PrevSize, SilentTracks and EncryptedBlock.
IN_CLUSTERS = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF}
EBML_SKIPPED = BESIDE_CLUSTERS | IN_CLUSTERS | {EBML_HEADER}
RIFF_CHUNK = re.compile(rb"\d\d(dc|db|wb|pc|tx|sb|DC|DB|WB)|ix\d\d|JUNK|idx1|LIST|RIFF|PAD |VedP")
BOX_TYPE = re.compile(rb"[A-Za-z0-9 \xa9_\-]{4}")


@dataclass(frozen=True, slots=True)
class Structure:
    """What the walk through a file found."""

    known: bool
    """Whether this container tells its size; else nothing is known of its end."""
    missing_bytes: int = 0
    """How much the last element declares beyond the end of the file."""
    broken_at: int | None = None
    """The first byte that belongs to no element."""
    no_index: bool = False
    """Whether an mp4 lacks the box that says where its pictures lie; writers add it last."""


def walk(path: str | Path) -> Structure:
    """Walk the elements of a file, at about a microsecond per picture. Raises OSError."""
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        head = os.pread(file, 12, 0)
        if head[:4] == EBML_HEADER.to_bytes(4, "big"):
            return _walk_matroska(file, size)
        if head[:4] == b"RIFF":
            return _walk_avi(file, size)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"):
            return _walk_boxes(file, size)
        return Structure(known=False)
    finally:
        os.close(file)


def _walk_matroska(file: int, size: int) -> Structure:
    """Enter segments and clusters, of which live streams leave the sizes open; skip all others."""
    at, segment_end, open_ended = 0, 0, False
    while at < size:
        head = os.pread(file, 12, at)
        name, length_at = _ebml_name(head)
        length, body_at = _ebml_size(head, length_at)
        if not body_at:
            # Near the end of the file, a name or size that cannot be read is one that was cut.
            cut = size - at < 12
            return Structure(True, missing_bytes=1) if cut else Structure(True, broken_at=at)
        body = at + body_at
        if name in (SEGMENT, CLUSTER):
            open_ended |= length is None
            if name == SEGMENT and length is not None:
                segment_end = body + length
            at = body
        elif name in EBML_SKIPPED and length is not None:
            at = body + length
        else:
            return Structure(True, broken_at=at)
    if open_ended and not segment_end:
        return Structure(known=False)  # a live stream ends where it ends
    return Structure(True, missing_bytes=max(segment_end - size, at - size, 0))


def _ebml_name(head: bytes) -> tuple[int, int]:
    """Return the name at the start of `head`, and where its size begins.

    Leading zeros say how many bytes the name has.
    """
    if not head or not head[0] >> 4:
        return 0, 0
    length = 9 - head[0].bit_length()
    return int.from_bytes(head[:length], "big"), length


def _ebml_size(head: bytes, at: int) -> tuple[int | None, int]:
    """Return the size at `at`, None where it is left open, and where the content begins.

    (None, 0) where there is no size.
    """
    if not at or at >= len(head) or not head[at]:
        return None, 0
    length = 9 - head[at].bit_length()
    if at + length > len(head):
        return None, 0
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def _walk_avi(file: int, size: int) -> Structure:
    """Enter RIFFs, of which large files have several, the list of pictures and its records."""
    at = last = end = 0
    while at + 8 <= size:
        last = at
        head = os.pread(file, 12, at)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if not RIFF_CHUNK.fullmatch(name):
            return Structure(True, broken_at=at)
        if name == b"RIFF" and not length:
            return Structure(known=False)  # the writer never came back to fill it in
        if name == b"RIFF":
            end = at + 8 + length
        enter = name == b"RIFF" or (name == b"LIST" and head[8:12] in (b"movi", b"rec "))
        at += 12 if enter else 8 + length + length % 2
    if at <= size:
        # Cut between two chunks, it is the outermost length that leads beyond the end.
        return Structure(True, missing_bytes=max(end - size, 0))
    # A length that leads beyond the end: the file is cut, or the length is damaged and all behind
    # it has moved.
    return Structure(True, missing_bytes=at - size, broken_at=last + 1)


def _walk_boxes(file: int, size: int) -> Structure:
    """Walk the outermost boxes only: mp4 keeps an index of what lies in them."""
    at = 0
    seen: set[bytes] = set()
    while at + 8 <= size:
        head = os.pread(file, 16, at)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if not BOX_TYPE.fullmatch(name) or 1 < length < 8:
            # Behind a whole mp4 some programs leave padding; between fragments it is damage.
            if {b"moov", b"mdat"} <= seen and b"moof" not in seen:
                return Structure(True)
            return Structure(True, broken_at=at, no_index=b"moov" not in seen)
        seen.add(name)
        if length == 0:  # up to the end, whatever that is
            return Structure(known=False, no_index=b"moov" not in seen)
        at += int.from_bytes(head[8:16], "big") if length == 1 else length
    return Structure(True, missing_bytes=max(at - size, 0), no_index=b"moov" not in seen)
