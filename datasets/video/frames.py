"""Wanted frames of one video, decoded exactly.

Decoding starts at the right key frame, leaves out what nobody needs, and never goes past damage. A
damaged picture is only told when it is *shown*, and pictures that refer to it may have been shown
before: so each picture is held back until everything that was decoded before it has been shown
whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from ..actions.spec import FrameSpec
from .file import decoder_of, open_video
from .probe import VideoProbe
from .resize import FrameResizer
from .timing import NS

MAX_REORDER = 16  # frames; the most that H.264 and HEVC allow
Shown = tuple[int, int, av.VideoFrame]
"""Index, guard and picture of a frame: `guard` is the last frame, by presentation, among those
decoded no later than this one.
"""
# Types of pictures that need no other; 0 where a decoder does not tell.
LEANING_ON_NONE = {PictureType.NONE, PictureType.I, PictureType.SI, PictureType.BI}
LOST = "a picture that the next ones lean on is not in the file"


class DamageError(Exception):
    """Decoding cannot continue; source frames from index `frame` on are lost."""

    def __init__(self, detail: str, frame: int):
        super().__init__(detail)
        self.frame = frame


class _MissingPictureError(Exception):
    """A packet refers to a picture that is not in the file."""


def decode_frames(
    video: VideoProbe, spec_frame: FrameSpec, wanted: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (index, picture uint8 [H, W, 3]) of each wanted source frame.

    Args:
        video: the probed file.
        spec_frame: size and resize of the pictures.
        wanted: indices of frames, int64 [n], rising.

    Raises:
        DamageError: decoding cannot continue.
    """
    if video.whole_track is not None:
        yield from _decode_pieces(video, video.whole_track, spec_frame, wanted)
        return
    resizer = FrameResizer(spec_frame)
    indices, count = plain_numbers(wanted), len(wanted)
    held: deque[tuple[int, int, NDArray[np.uint8]]] = deque()  # (index, guard, picture)
    position, shown = 0, int(wanted[0])  # of the next wanted frame; the last frame shown
    try:
        for index, guard, frame in _shown_frames(video, wanted):
            if frame.is_corrupt:
                raise DamageError(
                    f"the picture at {_moment(video, index)} is damaged",
                    _first(held, wanted, position),
                )
            shown = index
            if position < count and (next_wanted := indices[position]) <= index:
                if next_wanted < index:
                    break  # the wanted frame was never shown
                held.append((index, guard, resizer.from_video_frame(frame, video.orientation)))
                position += 1
            while held and held[0][1] <= shown:
                yield held[0][0], held.popleft()[2]
            if position == count and not held:
                return
    except (av.error.FFmpegError, _MissingPictureError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise DamageError(
            f"decoding fails after {_moment(video, shown)}: {detail}",
            _first(held, wanted, position),
        ) from error
    for index, _, picture in held:  # the stream ended: nothing is left inside the decoder
        yield index, picture
    if position < len(wanted):
        lost = int(wanted[position])
        raise DamageError(f"the picture at {_moment(video, lost)} is missing", lost)


def _decode_pieces(
    video: VideoProbe, track: VideoProbe, spec_frame: FrameSpec, wanted: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Decode the pieces of an edit list one after the other, each as a part of the whole track."""
    for piece in video.pieces:
        first, end = np.searchsorted(wanted, [piece.start, piece.start + piece.frames])
        move = piece.track_start - piece.start
        if first == end:
            continue
        try:
            for index, picture in decode_frames(track, spec_frame, wanted[first:end] + move):
                yield index - move, picture
        except DamageError as error:
            raise DamageError(f"{error}, in the uncut track", error.frame - move) from error


def plain_numbers(array: NDArray[Any]) -> memoryview:
    """Return the items of an array [n] one by one, without NumPy's scalars.

    Between two decoded pictures the caches are cold, and what Python has to do costs ten times what
    it seems to.
    """
    return memoryview(np.ascontiguousarray(array))  # type: ignore[arg-type]


def _first(
    held: deque[tuple[int, int, NDArray[np.uint8]]], wanted: NDArray[np.int64], position: int
) -> int:
    """Return the first wanted frame that has not been given out."""
    return held[0][0] if held else int(wanted[min(position, len(wanted) - 1)])


def _moment(video: VideoProbe, index: int) -> str:
    return f"{(video.pts_ns[index] - video.pts_ns[0]) / NS:.3f} s"


def _shown_frames(video: VideoProbe, wanted: NDArray[np.int64]) -> Iterator[Shown]:
    """Yield frames in presentation order, from before the first wanted frame on."""
    key = int(np.searchsorted(video.key_pts, video.pts[wanted[0]], side="right")) - 1
    # The demuxer may land too late (coarse seek tables), or the index may call pictures key frames
    # that are none: then from earlier and earlier ones, at last from the start. Each step is twice
    # as long, so that all of them cost no more than twice what the last one does.
    steps = (1 << n >> 1 for n in range(max(key, 0).bit_length() + 2))

    def whole(shown: Shown) -> bool:
        """Whether a picture leans on none before it. Those of H.264 and HEVC may do so where a
        stream refreshes itself bit by bit; `key_clean` tells.
        """
        return video.codec in ("h264", "hevc") or shown[2].pict_type in LEANING_ON_NONE

    for start in dict.fromkeys(max(key - step, 0) for step in steps):
        with closing(_from_key_frame(video, wanted, start)) as frames:
            try:
                first = next((shown for shown in frames if start == 0 or whole(shown)), None)
            except (av.error.FFmpegError, _MissingPictureError):
                if start == 0:
                    raise
                continue
            if first is not None and (start == 0 or first[0] <= wanted[0]):
                yield first
                yield from frames
                return


def _from_key_frame(
    video: VideoProbe, wanted: NDArray[np.int64], start: int
) -> Generator[Shown, None, None]:
    with open_video(video.path, uncut=video.uncut) as (container, stream):
        if start > 0:
            container.seek(int(video.seek_pts[start]), stream=stream)
        shown = _shown_by_number if video.in_decode_order else _shown_by_stamp
        yield from shown(video, wanted, start, container, stream)


def _shown_by_stamp(
    video: VideoProbe,
    wanted: NDArray[np.int64],
    start: int,
    container: av.container.InputContainer,
    stream: av.VideoStream,
) -> Iterator[Shown]:
    needed = np.zeros(video.frames, bool)
    needed[wanted] = True
    skipped, stamps = plain_numbers(video.unneeded & ~needed), plain_numbers(video.pts)
    decode = decoder_of(stream, strict=bool(video.key_clean[start]))
    # Index and guard of the frames inside the decoder, by timestamp.
    inside: dict[int, tuple[int, int]] = {}
    latest = -1
    arrived = start == 0
    key_pts = int(video.key_pts[start])
    for packet in container.demux(stream):
        size, pts = packet.size, packet.pts
        if not arrived:
            if pts is None or pts < key_pts:
                continue
            if pts > key_pts:
                return  # the demuxer landed behind the key frame
            arrived = True
        elif size and pts in video.lost_before:
            raise _MissingPictureError(LOST)
        if size and pts is not None:
            if pts < key_pts and start > 0:
                # Leading pictures of the key frame refer to what was not decoded; nothing later
                # refers to them.
                continue
            index = None if packet.is_discard else _index_of(stamps, pts)
            if index is not None:
                if skipped[index]:
                    continue
                latest = max(latest, index)
                inside[pts] = index, latest
        for frame in decode(packet):
            pts = frame.pts
            known = inside.pop(pts, None) if pts is not None else None
            if known is not None:
                yield *known, frame
            elif (index := _index_of(stamps, pts)) is not None:
                yield index, index, frame
            # Else it is hidden by an edit list, or lies before the first key frame.


def _shown_by_number(
    video: VideoProbe,
    wanted: NDArray[np.int64],
    start: int,
    container: av.container.InputContainer,
    stream: av.VideoStream,
) -> Iterator[Shown]:
    """Count the frames, where stamps follow the order of decoding.

    That is possible since a clean start shows nothing before itself.
    """
    index = int(np.searchsorted(video.pts, video.key_pts[start]))
    decode = decoder_of(stream)
    arrived = start == 0
    for packet in container.demux(stream):
        if not arrived:
            if packet.pts is None or packet.pts < video.seek_pts[start]:
                continue
            if packet.pts > video.seek_pts[start]:
                return  # the demuxer landed behind the key frame
            arrived = True
        elif packet.size and packet.pts in video.lost_before:
            raise _MissingPictureError(LOST)
        for frame in decode(packet):
            if index == len(video.pts):
                return
            yield index, index + MAX_REORDER, frame
            index += 1


def _index_of(stamps: memoryview, pts: int | None) -> int | None:
    if pts is None:
        return None
    index = bisect_left(stamps, pts)
    return index if index < len(stamps) and stamps[index] == pts else None
