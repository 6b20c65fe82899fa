"""The edit list of an mp4: which pieces of a track are shown, one after the other.

FFmpeg follows a list of one piece exactly. Of several it moves the later ones by some frames where
pictures are decoded out of order, and where nothing is shown in between it shows the beginning of
the track again. So lists of several pieces are followed here, over the whole track.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAX_ENTRIES = 65_536  # more are a damaged count
# Times are rounded to units of the movie, often milliseconds: what is shown for less is not meant.
BLINK_S = Fraction(1, 2000)
PLAIN_RATE = 0x10000  # 1.0: slow motion and frozen pictures are left to FFmpeg


@dataclass(frozen=True, slots=True)
class Edit:
    """An entry of an edit list."""

    shown_at_s: Fraction
    """When it begins, in the film that is shown."""
    duration_s: Fraction
    track_time: int
    """Where it begins in the track, in units of the track's clock; -1 where nothing is shown."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames of a track that are shown one after the other."""

    start: int
    """Number of the first one among the frames that are shown."""
    frames: int
    track_start: int
    """Number of the first one in the track."""


def read_edits(path: str | Path, track_id: int) -> list[Edit]:
    """Return the edit list of a track; nothing where FFmpeg follows it exactly.

    Args:
        path: an mp4, or a relative of it.
        track_id: as in its header.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        movie = _box(file, (0, os.fstat(file).st_size), b"moov")
        units_per_s = _number_behind_times(file, _box(file, movie, b"mvhd"))
        tracks = [content for name, content in _boxes(file, movie) if name == b"trak"]
        for track in tracks:
            if _number_behind_times(file, _box(file, track, b"tkhd")) == track_id:
                rows = list(_entries(file, _box(file, _box(file, track, b"edts"), b"elst")))
                return _several(rows, units_per_s)
        return []
    finally:
        os.close(file)


def show(
    edits: Sequence[Edit], pts: NDArray[np.int64], clock: Fraction, track_end_s: float | None
) -> tuple[NDArray[np.int64], list[Piece], bool]:
    """Lay out the frames that an edit list shows.

    Args:
        edits: as `read_edits` returns them.
        pts: timestamps of the frames of the whole track, int64 [N], rising, in units of `clock`.
        clock: seconds of a unit.
        track_end_s: where the track was cut short; None where it was not.

    Returns:
        Timestamps of the frames that are shown, int64 [M], rising, in units of `clock`; their
        pieces; and whether pictures are missing after them since the track was cut short.
    """
    stamps: list[NDArray[np.int64]] = []
    pieces: list[Piece] = []
    count, blink = 0, BLINK_S / clock
    for edit in edits:
        if edit.track_time < 0:
            continue
        end = edit.track_time + edit.duration_s / clock
        # The picture that stands when a piece begins is its first, though it began before.
        first = int(np.searchsorted(pts, round(edit.track_time + blink), side="right")) - 1
        first, behind = max(first, 0), int(np.searchsorted(pts, round(end - blink)))
        shown_at = round(edit.shown_at_s / clock)
        if behind > first:
            began = np.maximum(pts[first:behind], edit.track_time)
            stamps.append(began - edit.track_time + shown_at)
            pieces.append(Piece(count, behind - first, first))
            count += behind - first
        if track_end_s is not None and float(end * clock) > track_end_s:
            return _joined(stamps), pieces, True
    return _joined(stamps), pieces, False


def _joined(stamps: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *stamps])


def _several(rows: Sequence[tuple[int, int, int]], units_per_s: int) -> list[Edit]:
    """Return a list of several pieces; of one piece, which may begin late, return nothing."""
    late = next((i for i, (_, track_time, _) in enumerate(rows) if track_time >= 0), len(rows))
    if len(rows) - late < 2 or not units_per_s or any(rate != PLAIN_RATE for *_, rate in rows):
        return []
    edits, at = [], Fraction(0)
    for duration, track_time, _ in rows:
        edits.append(Edit(at, Fraction(duration, units_per_s), track_time))
        at += edits[-1].duration_s
    return edits


def _entries(file: int, box: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
    """Yield (duration in units of the movie, time in the track, rate) of each entry of an `elst`.

    (ISO 14496-12, 8.6.6)
    """
    start, end = box
    head = os.pread(file, min(end - start, 8), start)
    if len(head) < 8:
        return
    width = 8 if head[0] else 4  # version 1 has wide numbers
    step, at = 2 * width + 4, start + 8
    for _ in range(min(int.from_bytes(head[4:], "big"), MAX_ENTRIES)):
        if at + step > end:
            return
        entry = os.pread(file, step, at)
        yield (
            int.from_bytes(entry[:width], "big"),
            int.from_bytes(entry[width : 2 * width], "big", signed=True),
            int.from_bytes(entry[2 * width :], "big"),
        )
        at += step


def _number_behind_times(file: int, box: tuple[int, int]) -> int:
    """Return the number behind the two times of a header, which are wide in version 1."""
    start, end = box
    head = os.pread(file, min(end - start, 24), start)
    at = 20 if head[:1] == b"\1" else 12
    return int.from_bytes(head[at : at + 4], "big")


def _box(file: int, within: tuple[int, int], wanted: bytes) -> tuple[int, int]:
    """Return where the content of the first box of a name lies; (0, 0) where there is none."""
    return next((content for name, content in _boxes(file, within) if name == wanted), (0, 0))


def _boxes(file: int, within: tuple[int, int]) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the name of each box, and where its content lies."""
    at, end = within
    while at + 8 <= end:
        head = os.pread(file, 16, at)
        length, body = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, body = int.from_bytes(head[8:16], "big"), 16
        if length == 0:
            length = end - at
        if length < body:
            return
        yield head[4:8], (at + body, min(at + length, end))
        at += length
