"""What is in a video file: one pass over its packets, without decoding them.

The pass keeps one timestamp per frame, so a day of video probes in some tens of MB. The timestamps
are the index by which ticks are laid out and seeks are made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ...errors import VideoError
from .edit_lists import Edit, Piece, read_edits, show
from .file import canonical_codec, open_video, track_in_words
from .orientation import UPRIGHT, Orientation
from .packets import Packets, read_packets
from .structure import walk
from .timing import NS

FINE_TOLERANCE_NS = 1_000  # rounding of timestamps to whole ns and back
# Matroska stamps whole milliseconds: the true time lies up to half of one earlier.
COARSE_TOLERANCE_NS = 500_000
HEADER_DURATION = ("matroska,webm", "flv")  # containers whose header says how long the whole was
# A picture that stands for longer is a broken timestamp, and would be labeled as hours of rest.
MAX_GAP_S = 600.0
# Of an edit list over the length of its track: a minute of film must not become days of it.
MAX_REPEATS = 10
# A picture that stands for longer is a rest: no play is seen at less than two frames a second.
REST_NS = NS // 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoProbe:
    """A probed video. N visible frames (an edit list hides the others), in presentation order."""

    path: str
    codec: str
    """FFmpeg's name of the format, such as `h264`, `hevc`, `av1`."""
    container: str
    width: int
    """Of the coded picture, before it is turned upright."""
    height: int
    rotation: int
    """Clockwise degrees by which players turn the picture: 0, 90, 180, 270."""
    frames: int
    """Visible frames that the file really holds."""
    duration_s: float
    """Seconds from the first visible frame to the end of the last one.

    Where a file is cut short, with the part that is missing.
    """
    fps: Fraction
    """Mean rate."""
    motion_fps: Fraction
    """Mean rate between rests: recorders of screens write nothing while nothing moves. 0 where
    there are only rests.
    """
    pts_ns: NDArray[np.int64]
    """Timestamps of the visible frames, int64 [N], rising."""
    sha256: str
    """Hex digest of the file."""
    end_ns: int
    """When the last frame ends that the file really holds, on the same clock as `pts_ns`."""
    tolerance_ns: int
    """How far a timestamp may lie after the true time."""
    pts: NDArray[np.int64]
    """As `pts_ns`, in units of the stream's time base."""
    key_pts: NDArray[np.int64]
    """Timestamps of the key frames where decoding can start, hidden ones included; rising."""
    seek_pts: NDArray[np.int64]
    """What to tell the demuxer to find each of them."""
    key_clean: NDArray[np.bool_]
    """Whether each is a clean start: nothing behind it, in any order, refers to what is before."""
    unneeded: NDArray[np.bool_]
    """Whether no other picture refers to this one, so that decoders may leave it out: bool [N]."""
    lost_before: frozenset[int]
    """Timestamps, as in `pts`, of packets that refer to a picture which is missing in the file."""
    in_decode_order: bool
    """Whether the container stamps frames in decoding order, as avi does.

    Then frame i is the i-th that is shown, whatever its stamp.
    """
    truncated: str
    """What of the file cannot be used after its last frame; empty where it is whole."""
    orientation: Orientation
    """How to bring a picture upright."""
    head: str
    """Hash of the first packets, which stay what they are while a file grows; empty where there
    are hardly any.
    """
    track: str
    """Which of several video tracks this is, in words; empty where there is one."""
    uncut: bool = False
    """Whether it is the whole track of an mp4, whatever its edit list hides."""
    pieces: tuple[Piece, ...] = ()
    """What of `whole_track` is shown, where an edit list has several pieces."""
    whole_track: VideoProbe | None = None
    """The track that the pieces are cut from; its key frames are where decoding can start."""


def probe(path: str | Path, *, sha256: bool = True) -> VideoProbe:
    """Index a video file. Raises VideoError with the reason if nothing in it can be used.

    Args:
        path: a local file.
        sha256: also hash the file (a second reading); else the field stays empty.
    """
    with open_video(path) as (container, stream):
        is_mp4 = container.format.name.startswith("mov")
        edits = read_edits(path, stream.id) if is_mp4 else []
        if not edits:
            return _probe(path, container, stream, sha256=sha256)
    with open_video(path, uncut=True) as (container, stream):
        track = _probe(path, container, stream, sha256=sha256)
        return _cut(replace(track, uncut=True), edits, stream.time_base or Fraction(1, 1000))


def _probe(
    path: str | Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    *,
    sha256: bool,
) -> VideoProbe:
    """Index the video stream of an open file."""
    context = stream.codec_context
    structure = walk(path)
    found = read_packets(path, container, stream, structure)
    if not found.pts:
        raise VideoError(
            "no_frames", path, f"the {canonical_codec(stream)} stream holds no visible frame"
        )
    time_base = stream.time_base or Fraction(1, 1000)
    stamps = np.array(found.pts, np.int64)  # in decoding order
    needed = stamps[~np.array(found.unneeded, bool)]
    pts = np.unique(stamps)
    # Whether no packet is stamped before one that was decoded earlier.
    rises = bool(np.all(np.diff(stamps) > 0))
    in_decode_order = rises and context.reorder_depth > 0 and container.format.name == "avi"
    keys = np.array(_keys(found, pts, container, in_decode_order), np.int64).reshape(-1, 3)
    if not in_decode_order:
        # Pictures before the first key frame, by decoding or by showing, refer to what is
        # not there.
        pts = pts[np.searchsorted(pts, found.keys[0][0]) :]
    interval = _interval(pts, stream, time_base, found.duration)
    declared = _declared_packets(container, stream)
    whole = structure.known and not structure.missing_bytes and structure.broken_at is None
    if container.format.name == "avi" and whole and not found.broken:
        # An avi counts what its recorder dropped too: empty chunks, which FFmpeg passes over.
        declared = min(declared, found.count)
    truncated = found.broken
    if not truncated and structure.missing_bytes:
        truncated = f"the file ends {structure.missing_bytes:,} bytes too early"
    if not truncated and declared > found.count:
        truncated = f"the header declares {declared} frames, {found.count} are there"
    if not in_decode_order and (truncated or not structure.known):
        pts, incomplete = _without_incomplete_tail(
            pts, found.last_dts, interval, cut_short=bool(truncated)
        )
        truncated = truncated or incomplete
    pts, too_far = _cut_at_gap(pts, time_base)
    truncated = too_far or truncated
    orientation = found.orientation or UPRIGHT
    pts_ns = _to_ns(pts, time_base)
    end_ns = int(pts_ns[-1] + round(interval * float(time_base) * NS))
    duration_ns = end_ns - int(pts_ns[0])
    fps = _mean_rate(pts, time_base, interval, stream.average_rate, short=bool(truncated))
    if truncated:
        duration_ns += _missing_ns(
            container, declared - found.count, duration_ns, interval * float(time_base)
        )
    return VideoProbe(
        path=str(path),
        codec=canonical_codec(stream),
        container=container.format.name,
        width=context.width,
        height=context.height,
        rotation=orientation.degrees,
        frames=len(pts),
        duration_s=duration_ns / NS,
        fps=fps,
        motion_fps=_motion_rate(pts_ns, fps),
        pts_ns=pts_ns,
        sha256=_sha256(path) if sha256 else "",
        end_ns=end_ns,
        tolerance_ns=_tolerance_ns(time_base, interval),
        pts=pts,
        key_pts=keys[:, 0],
        seek_pts=keys[:, 1],
        key_clean=keys[:, 2].astype(bool),
        unneeded=~np.isin(pts, needed),
        lost_before=frozenset(found.lost_before),
        in_decode_order=in_decode_order,
        truncated=truncated,
        orientation=orientation,
        head=found.head,
        track=track_in_words(container, stream),
    )


def _cut(track: VideoProbe, edits: Sequence[Edit], clock: Fraction) -> VideoProbe:
    """Return what an edit list of several pieces shows of a track."""
    length_s = (track.end_ns - int(track.pts_ns[0])) / NS
    if sum(float(e.duration_s) for e in edits if e.track_time >= 0) > MAX_REPEATS * length_s:
        raise VideoError("damaged", track.path, "its edit list shows the track over and over")
    end_s = track.end_ns / NS if track.truncated else None
    pts, pieces, cut_short = show(edits, track.pts, clock, end_s)
    if not len(pts):
        raise VideoError("no_frames", track.path, "its edit list shows nothing of the track")
    pts, too_far = _cut_at_gap(pts, clock)
    pts_ns = _to_ns(pts, clock)
    end_ns = int(pts_ns[-1]) + track.end_ns - int(track.pts_ns[-1])
    shown_ns = end_ns - int(pts_ns[0])
    fps = Fraction(len(pts) * NS, shown_ns).limit_denominator(1001)
    duration_s = float(edits[-1].shown_at_s + edits[-1].duration_s) - int(pts_ns[0]) / NS
    return replace(
        track,
        frames=len(pts),
        duration_s=max(duration_s, shown_ns / NS) if cut_short else shown_ns / NS,
        fps=fps,
        motion_fps=_motion_rate(pts_ns, fps),
        pts_ns=pts_ns,
        end_ns=end_ns,
        pts=pts,
        truncated=too_far or (track.truncated if cut_short else ""),
        pieces=tuple(pieces),
        whole_track=track,
    )


def _keys(
    found: Packets,
    pts: NDArray[np.int64],
    container: av.container.InputContainer,
    in_decode_order: bool,
) -> list[tuple[int, int, bool]]:
    """Return the key frames where decoding can start, in rising order.

    Of each its timestamp, what to tell the demuxer, and whether it is a clean start.
    """
    if in_decode_order:
        # The i-th stamp is the i-th frame shown; only a clean start says which one that is.
        return [
            (int(pts[number]), stamp, True)
            for stamp, _, number, clean in found.keys
            if clean and number < len(pts)
        ]
    # Program and transport streams are sought by the time of decoding, all others by that of
    # showing.
    by_dts = container.format.name in ("mpegts", "mpeg")
    return sorted(
        (key_pts, dts if by_dts else key_pts, clean) for key_pts, dts, _, clean in found.keys
    )


def _declared_packets(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Return how many packets a whole file would have had; 0 where the container does not say.

    To be called after the pass. In mp4 the index counts, which grows with the fragments and leaves
    out what the demuxer drops before an edit list; `stream.frames` knows of neither.
    """
    return len(stream.index_entries) if container.format.name.startswith("mov") else stream.frames


def _without_incomplete_tail(
    pts: NDArray[np.int64], last_dts: int | None, interval: float, *, cut_short: bool
) -> tuple[NDArray[np.int64], str]:
    """Drop the stamps at the end between which pictures may be missing; return what is wrong, too.

    A picture that was decoded ahead of its turn is there, while those to be shown before it came
    after the cut. What is missing has a decoding time after the last one, and a picture is never
    shown before it is decoded.
    """
    if last_dts is None:
        return (pts[:1] if cut_short else pts), ""
    sure = max(int(np.searchsorted(pts, last_dts + interval / 2, side="right")), 1)
    if cut_short:
        return pts[:sure], ""
    holes = np.flatnonzero(np.diff(pts[sure - 1 :]) > 1.5 * interval)
    if not len(holes):
        return pts, ""
    kept = sure + int(holes[0])
    return pts[:kept], f"of the pictures after frame {kept - 1} some are missing"


def _cut_at_gap(pts: NDArray[np.int64], time_base: Fraction) -> tuple[NDArray[np.int64], str]:
    """Drop the stamps from the first gap on that no play has; return what is wrong there, too."""
    gaps = np.diff(pts) * float(time_base)
    far = np.flatnonzero(gaps > MAX_GAP_S)
    if not len(far):
        return pts, ""
    return pts[: far[0] + 1], f"after frame {far[0]} no picture follows for {gaps[far[0]]:,.0f} s"


def _to_ns(pts: NDArray[np.int64], time_base: Fraction) -> NDArray[np.int64]:
    """Convert stamps, exact to the nanosecond."""
    # Whole seconds apart: pts * NS passes 2**63 within a day of a fine time base.
    whole, rest = np.divmod(pts * time_base.numerator, time_base.denominator)
    return whole * NS + (rest * NS + time_base.denominator // 2) // time_base.denominator


def _interval(
    pts: NDArray[np.int64], stream: av.VideoStream, time_base: Fraction, duration: int
) -> float:
    """Return how long a frame lasts, in units of the time base."""
    declared = float(1 / (stream.average_rate * time_base)) if stream.average_rate else 0.0
    if len(pts) > 8:
        return float(np.median(np.diff(pts)))
    if len(pts) > 1:
        # Among so few, gaps where pictures were lost could make up the median.
        return min(float(np.median(np.diff(pts))), declared or float("inf"))
    return float(duration) or declared or 1.0


def _missing_ns(
    container: av.container.InputContainer, packets: int, held_ns: int, interval_s: float
) -> int:
    """Return how much of a file cut short is missing, by its index, else by its header."""
    if packets > 0:
        return round(packets * interval_s * NS)
    if container.format.name in HEADER_DURATION and container.duration:
        return max(container.duration * 1000 - held_ns, 0)  # FFmpeg gives microseconds
    return 0


def _tolerance_ns(time_base: Fraction, interval: float) -> int:
    """Return how far a stamp may lie after the true time.

    A time base that is no fine fraction of the frame interval rounds; one that *is* the interval,
    as in avi, is exact.
    """
    if interval <= 2:
        return FINE_TOLERANCE_NS
    return min(round(float(time_base) * NS / 2), COARSE_TOLERANCE_NS) + FINE_TOLERANCE_NS


def _mean_rate(
    pts: NDArray[np.int64],
    time_base: Fraction,
    interval: float,
    declared: Fraction | None,
    *,
    short: bool,
) -> Fraction:
    """Return the declared rate, unless the timestamps, where enough are left, tell another."""
    measured = len(pts) / (float(pts[-1] - pts[0] + interval) * float(time_base))
    if declared and (abs(float(declared) / measured - 1) < 1e-3 or (short and len(pts) < 8)):
        return Fraction(declared)
    return Fraction(measured).limit_denominator(1001)


def _motion_rate(pts_ns: NDArray[np.int64], fps: Fraction) -> Fraction:
    """Return the mean rate between rests."""
    steps = np.diff(pts_ns)
    moving = steps[steps <= REST_NS]
    if len(moving) == len(steps):
        return fps
    return Fraction(len(moving) * NS, max(int(moving.sum()), 1)).limit_denominator(1001)


def _sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
