"""Whether a file is all there, by the sizes its outermost elements declare: mp4 boxes, matroska segment, avi RIFF.

Demuxers read to the end of what there is and say nothing; a matroska file cut anywhere looks like a shorter one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

EBML_MAGIC, SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"
UNKNOWN_SIZE = -1  # live streams: nobody knew how long they would be


def missing_bytes(path: str | Path) -> int | None:
    """How many bytes the file lacks at its end: 0 for a whole one, None where its container does not say."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] == EBML_MAGIC:
            declared = _matroska_end(file)
        elif head[:4] == b"RIFF":
            declared = _riff_end(file, size)
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"):
            declared = _boxes_end(file, size)
        else:
            return None
    return None if declared == UNKNOWN_SIZE else max(declared - size, 0)


def _matroska_end(file: IO[bytes]) -> int:
    """The end of the segment, which is the last element."""
    file.seek(4)
    header = _ebml_number(file)
    if header < 0:
        return UNKNOWN_SIZE
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != SEGMENT:
        return UNKNOWN_SIZE
    segment = _ebml_number(file)
    return UNKNOWN_SIZE if segment < 0 else file.tell() + segment


def _ebml_number(file: IO[bytes]) -> int:
    """A size of one to eight bytes, whose leading zeros count the bytes; all ones mean that it is not known."""
    first = file.read(1)
    if not first or not first[0]:
        return UNKNOWN_SIZE
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - length)) - 1)]) + rest, "big")
    return UNKNOWN_SIZE if len(rest) < length - 1 or value == (1 << 7 * length) - 1 else value


def _riff_end(file: IO[bytes], size: int) -> int:
    """The end of the last RIFF chunk; large files have several."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        kind, length = file.read(4), int.from_bytes(file.read(4), "little")
        if kind != b"RIFF" or length == 0:  # something else is appended, or the writer never came back to fill it in
            return UNKNOWN_SIZE if at == 0 else at
        at += 8 + length + length % 2
    return at


def _boxes_end(file: IO[bytes], size: int) -> int:
    """The end of the last box."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if not kind.isalnum() and kind not in (b"\xa9xyz",):
            return at  # something that is no box is appended
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        elif length == 0:  # up to the end, whatever that is
            return UNKNOWN_SIZE
        if length < 8:
            return UNKNOWN_SIZE
        at += length
    return at
