"""What is in a video file: one pass over its packets, without decoding them.

The pass keeps a timestamp a frame, so a day of video probes in some tens of MB. The timestamps are the index by which
ticks are laid out and seeks are made.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import VideoError
from .tick_timing import NS

# Only demuxers that read the file they are given: playlists (hls, concat, dash) name other files and addresses,
# and "videos" of text or single pictures (tty, image2, *_pipe) hold no play.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,ogg,asf,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,gif,mxf,nut,"
    "rm,wtv,dv,yuv4mpegpipe"
)
OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
FINE_TOLERANCE_NS = 1_000  # rounding of timestamps to whole ns and back
COARSE_TOLERANCE_NS = 500_000  # matroska stamps whole milliseconds: the true time lies up to half of one earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoProbe:
    """A probed video. N visible frames (an edit list hides the others), in presentation order."""

    path: str
    codec: str
    """FFmpeg's name, such as `h264`."""
    container: str
    width: int
    """Of the coded picture, before it is turned upright."""
    height: int
    rotation: int
    """Clockwise degrees by which players turn the picture: 0, 90, 180, 270."""
    frames: int
    """Visible frames that the file really holds."""
    duration_s: float
    """From the first visible frame to the end of the last one; with the missing part where a file is cut short."""
    fps: Fraction
    """Mean rate."""
    pts_ns: NDArray[np.int64]
    """Timestamps of the visible frames, int64 [N], rising."""
    sha256: str
    """Hex digest of the file."""
    end_ns: int
    """When the last frame that the file really holds ends, on the same clock as `pts_ns`."""
    tolerance_ns: int
    """How far a timestamp may lie after the true time."""
    pts: NDArray[np.int64]
    """As `pts_ns`, in units of the stream's time base: what the demuxer says."""
    key_pts: NDArray[np.int64]
    """Timestamps of key frames, hidden ones included; rising."""
    key_dts: NDArray[np.int64]
    """Decoding times of the same key frames."""
    truncated: str
    """Empty, or how much of what the header declares is missing."""


def probe(path: str | Path, *, sha256: bool = True) -> VideoProbe:
    """Index a video file. Raises VideoError with the reason if nothing in it can be used.

    Args:
        path: a local file.
        sha256: also hash the file (a second reading); else the field stays empty.
    """
    with open_video(path) as (container, stream):
        declared = stream.frames
        time_base = stream.time_base or Fraction(1, 1000)
        pts, durations, keys = [], 0, []
        packets = 0
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                packets += 1
                if packet.pts is None:
                    raise VideoError(
                        "no_timestamps", path, f"packet {packets - 1} of the {stream.name} stream has none"
                    )
                if packet.is_keyframe:
                    keys.append((packet.pts, packet.dts if packet.dts is not None else packet.pts))
                if packet.is_discard:
                    continue
                pts.append(packet.pts)
                durations = packet.duration or durations
        except av.error.FFmpegError as error:
            if not pts:
                raise VideoError("damaged", path, f"no packet can be read: {error}") from error
        if not pts:
            raise VideoError("no_frames", path, f"the {stream.codec_context.name} stream holds no visible frame")
        index = np.unique(np.array(pts, np.int64))
        interval = float(np.median(np.diff(index))) if len(index) > 1 else 0.0
        last = durations if len(index) == 1 and durations else (interval or durations)
        last = last or (float(1 / (stream.average_rate * time_base)) if stream.average_rate else 1)
        pts_ns = _to_ns(index, time_base)
        end_ns = int(pts_ns[-1] + round(last * float(time_base) * NS))
        truncated = ""
        duration_ns = end_ns - int(pts_ns[0])
        if declared and packets < declared:
            truncated = f"the header declares {declared} frames, {packets} are there"
            duration_ns += round(float(declared - packets) * last * float(time_base) * NS)
        context = stream.codec_context
        key_order = sorted(keys)
        return VideoProbe(
            path=str(path),
            codec=context.name,
            container=container.format.name,
            width=context.width,
            height=context.height,
            rotation=0,
            frames=len(index),
            duration_s=duration_ns / NS,
            fps=_mean_rate(index, time_base, last, stream.average_rate),
            pts_ns=pts_ns,
            sha256=_sha256(path) if sha256 else "",
            end_ns=end_ns,
            tolerance_ns=_tolerance_ns(time_base, interval),
            pts=index,
            key_pts=np.array([k[0] for k in key_order], np.int64),
            key_dts=np.array([k[1] for k in key_order], np.int64),
            truncated=truncated,
        )


@contextmanager
def open_video(path: str | Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The container and its video stream, single-threaded; closed at the end. Raises VideoError."""
    _require_regular_file(path)
    try:
        container = av.open("file:" + os.fspath(Path(path).absolute()), options=dict(OPEN_OPTIONS))
    except av.error.FFmpegError as error:
        raise VideoError("not_a_video", path, f"no known container: {error.strerror or error}") from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            raise VideoError("no_video_stream", path, f"a {container.format.name} file without a video stream")
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoError("unsupported_codec", path, "its video codec is unknown to this FFmpeg")
        if not stream.codec_context.width or not stream.codec_context.height:
            raise VideoError("damaged", path, "the size of its pictures cannot be found")
        stream.thread_type = "NONE"  # threads inside a file cost 13 % of a core's work and hide errors
        stream.codec_context.thread_count = 1
        yield container, stream


def _require_regular_file(path: str | Path) -> None:
    """Opening a fifo or a device would hang; a folder or nothing at all deserves a plain answer."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise VideoError("not_found", path, "no such file (or a dangling link)") from error
    except (OSError, ValueError) as error:
        raise VideoError("unreadable", path, str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise VideoError("not_a_file", path, f"expected a regular file, got {kind}")
    if not status.st_size:
        raise VideoError("empty", path, "the file has 0 bytes")
    if not os.access(path, os.R_OK):
        raise VideoError("no_permission", path, "this user may not read it")


def _to_ns(pts: NDArray[np.int64], time_base: Fraction) -> NDArray[np.int64]:
    """Exact to the nanosecond; whole seconds apart, since pts * NS passes 2**63 within a day of a fine time base."""
    whole, rest = np.divmod(pts * time_base.numerator, time_base.denominator)
    return whole * NS + (rest * NS + time_base.denominator // 2) // time_base.denominator


def _tolerance_ns(time_base: Fraction, interval: float) -> int:
    """A time base that is no fine fraction of the frame interval rounds; one that *is* the interval (avi) is exact."""
    if interval <= 2:
        return FINE_TOLERANCE_NS
    return min(round(float(time_base) * NS / 2), COARSE_TOLERANCE_NS) + FINE_TOLERANCE_NS


def _mean_rate(pts: NDArray[np.int64], time_base: Fraction, last: float, declared: Fraction | None) -> Fraction:
    """The declared rate where the timestamps bear it out, else theirs."""
    measured = len(pts) / (float(pts[-1] - pts[0] + last) * float(time_base))
    if declared and abs(float(declared) / measured - 1) < 1e-3:
        return Fraction(declared)
    return Fraction(measured).limit_denominator(1001)


def _sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
