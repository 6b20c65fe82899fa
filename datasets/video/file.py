"""Opening strangers' files: regular files and containers of play only, never what a file names."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av

from ...errors import VideoError
from .structure import walk

# Names by which videos are found in folders; a file that is named itself may have any name.
VIDEO_NAMES = "mp4 m4v mov mkv webm avi flv wmv mpg mpeg ts m2ts mts ogv 3gp f4v vob y4m ivf mjpeg"
VIDEO_SUFFIXES = frozenset(f".{name}" for name in VIDEO_NAMES.split())

# Only demuxers that read the file they are given: playlists (hls, concat, dash) name other files
# and addresses, and "videos" of text or single pictures (tty, image2, *_pipe) hold no play.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,ogg,asf,mpeg,mpegvideo,m4v,h264,hevc,"
    "obu,ivf,gif,mxf,nut,rm,wtv,dv,yuv4mpegpipe"
)
# 67 megapixels, 8K twice over: a header that asks for more asks for gigabytes. `limits.MAX_PIXELS`
# is what the sandbox grants; this holds for everybody who opens a file.
MAX_PIXELS = 16384 * 16384 // 4
DECODER_OPTIONS = {"max_pixels": str(MAX_PIXELS)}  # the size may change in mid-stream
# FFmpeg's own VP8 and VP9 decoders take damaged data for pictures; libvpx notices, and is as fast.
CAREFUL_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@contextmanager
def open_video(
    path: str | Path, *, uncut: bool = False
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open a container and its video stream, single-threaded, for a block.

    Args:
        path: a local file.
        uncut: read the whole track of an mp4, whatever its edit list hides.

    Raises:
        VideoError: it cannot be opened, or holds no video.
    """
    _require_regular_file(path)
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    if uncut:
        options["ignore_editlist"] = "1"
    try:
        # `file:` keeps FFmpeg from reading a name with a colon as an address.
        container = av.open("file:" + os.path.abspath(path), options=options)
    except av.error.FFmpegError as error:
        if walk(path).no_index:
            raise VideoError(
                "truncated", path, "an mp4 without its index: cut short, or still being written"
            ) from error
        raise VideoError(
            "not_a_video", path, f"no known container: {error.strerror or error}"
        ) from error
    with container:
        stream = _play_stream(path, container)
        # Threads inside a file cost 13 % of a core's work and hide errors.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = dict(DECODER_OPTIONS)
        yield container, stream


def decoder_of(
    stream: av.VideoStream, *, strict: bool = True
) -> Callable[[av.Packet], list[av.VideoFrame]]:
    """Return what decodes the stream's packets, the empty one at the end included.

    It raises FFmpegError on damage.

    Args:
        stream: of an open container.
        strict: raise at the packet that is wrong. Else some errors are only told by a frame's
            `is_corrupt`: for starts after which pictures refer to what was not decoded.
    """
    options = DECODER_OPTIONS | ({"err_detect": "explode"} if strict else {})
    name = CAREFUL_DECODERS.get(canonical_codec(stream))
    if name is None or name not in av.codecs_available:
        stream.codec_context.options = options
        return av.Packet.decode  # type: ignore[return-value]
    context = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
    context.extradata = stream.codec_context.extradata
    context.thread_count = 1
    context.options = options
    return lambda packet: context.decode(packet if packet.size else None)


def canonical_codec(stream: av.VideoStream) -> str:
    """Return the name of the format, not of the decoder: `av1` for `libdav1d`."""
    return stream.codec_context.codec.canonical_name


def track_in_words(container: av.container.InputContainer, stream: av.VideoStream) -> str:
    """Say which of several video tracks is read; empty where there is only one."""
    tracks = _video_tracks(container)
    if len(tracks) == 1:
        return ""
    flagged = stream.disposition & av.stream.Disposition.default
    others = ", ".join(_size_in_words(s) for s in tracks if s.index != stream.index)
    return (
        f"video track {tracks.index(stream) + 1} of {len(tracks)}, {_size_in_words(stream)}"
        f"{', flagged as default' if flagged else ''}; not read: {others}"
    )


def _size_in_words(stream: av.VideoStream) -> str:
    return f"{stream.width or 0}x{stream.height or 0}" if stream.codec_context else "unknown"


def _video_tracks(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Return the video streams of a file; cover pictures are none."""
    cover = av.stream.Disposition.attached_pic
    return [s for s in container.streams.video if not s.disposition & cover]


def _play_stream(path: str | Path, container: av.container.InputContainer) -> av.VideoStream:
    """Return the video stream that players show: the one that is flagged as default, else FFmpeg's
    choice, the largest.
    """
    streams = _video_tracks(container)
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise VideoError(
            "no_video_stream", path, f"a {container.format.name} file with {kinds} only"
        )
    flagged = [s for s in streams if s.disposition & av.stream.Disposition.default]
    if len(flagged) == 1:
        stream = flagged[0]
    else:  # of equally large ones the first
        stream = max(
            streams, key=lambda s: (s.width or 0) * (s.height or 0) if s.codec_context else 0
        )
    context = stream.codec_context
    if context is None:
        raise VideoError("unsupported_codec", path, "its video codec is unknown to this FFmpeg")
    if not context.width or not context.height:
        raise VideoError("damaged", path, "the size of its pictures cannot be found")
    if context.width * context.height > MAX_PIXELS:
        raise VideoError(
            "too_large",
            path,
            f"pictures of {context.width}x{context.height}, at most {MAX_PIXELS:,} pixels",
        )
    return stream


def _require_regular_file(path: str | Path) -> None:
    """Refuse what is no regular file with a plain answer: to open a fifo or a device would hang."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise VideoError("not_found", path, "no such file, or a dangling link") from error
    except PermissionError as error:
        raise VideoError("no_permission", path, "this user may not enter its folder") from error
    except (OSError, ValueError) as error:
        raise VideoError("not_found", path, str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise VideoError("not_a_file", path, f"expected a regular file, got {kind}")
    if not status.st_size:
        raise VideoError("empty", path, "the file has 0 bytes")
    if not os.access(path, os.R_OK):
        raise VideoError("no_permission", path, "this user may not read it")
