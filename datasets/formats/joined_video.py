"""One mp4 of many clips, their packets copied as they are: no picture is decoded or encoded.

Every clip begins with a key frame, so that its pictures depend on no other clip; what changes is
only when each is shown.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from ...errors import DISK_FULL, ShardError
from ...progress import log
from ..shards.codec import decode_video, encode_video

Written = TypeVar("Written")


class OtherParametersError(ShardError):
    """A clip's stream has other parameters than those before it, so they cannot share a file."""


def written_one_way(place: Path, write: Callable[[bool], Written]) -> Written:
    """Return what `write` does, which is called again where its clips cannot share a file.

    Args:
        place: of the video, for people.
        write: makes the file; whether it encodes every clip anew is what it is told.
    """
    try:
        return write(False)
    except OtherParametersError:
        log(
            f"{place}: its clips were encoded in different ways; they are encoded again, since a "
            "file is of one way"
        )
    return write(True)


class JoinedVideo:
    """Writes clips one after the other, until `close`.

    Args:
        path: the mp4 to write.
        fps: of all clips.
        anew: encode every clip again, since they cannot be joined as they are.
    """

    def __init__(self, path: Path, fps: Fraction, *, anew: bool = False):
        import av

        self.frames = 0
        """How many were written."""
        self._fps, self._anew = fps, anew
        self._container: Any = av.open(
            str(path), "w", format="mp4", options={"fflags": "+bitexact"}
        )
        self._stream: Any = None
        self._parameters: tuple[object, ...] = ()

    def close(self) -> None:
        """End the file."""
        self._container.close()

    def add(self, mp4: bytes, frames: int) -> None:
        """Append a clip of `encode_video`.

        Raises:
            OtherParametersError: it cannot share the file; nothing of it was written.
            ShardError: the bytes are no whole video of so many frames.
            OSError: the disk is full.
        """
        import av

        if self._anew:
            mp4 = encode_video(decode_video(mp4), self._fps)

        try:
            with av.open(io.BytesIO(mp4), "r", format="mp4") as container:
                stream = container.streams.video[0]
                self._require_same(stream)
                written = 0
                for packet in container.demux(stream):
                    if packet.pts is None or packet.dts is None:  # the flush at the end
                        continue
                    packet.pts = self.frames + _index(packet.pts, packet.time_base, self._fps)
                    packet.dts = self.frames + _index(packet.dts, packet.time_base, self._fps)
                    packet.duration = 1
                    packet.time_base = 1 / self._fps
                    packet.stream = self._stream
                    self._container.mux(packet)
                    written += 1
        except (av.error.FFmpegError, IndexError) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise  # nothing is wrong with the clip
            raise ShardError(f"the mp4 member cannot be copied: {error}") from error
        self.frames += written
        if written != frames:
            raise ShardError(f"the mp4 member holds {written} frames, expected {frames}")

    def _require_same(self, stream: Any) -> None:
        """Open the file's stream like the first clip's, and see that others are like it.

        A file says once, for all of its frames, how they are to be decoded.
        """
        codec = stream.codec_context
        parameters = (codec.name, codec.extradata, codec.width, codec.height, codec.pix_fmt)
        if self._stream is None:
            self._stream = self._container.add_stream_from_template(stream)
            self._stream.time_base = 1 / self._fps
            self._parameters = parameters
        elif parameters != self._parameters:
            raise OtherParametersError("was encoded in another way than the clips before it")


def _index(time: int, time_base: Fraction, fps: Fraction) -> int:
    """The number of the frame that is shown (or decoded) at a time."""
    return round(time * time_base * fps)


def pixel_format(path: Path) -> str:
    """The pixel format of a file's frames, such as `yuv420p`."""
    import av

    with av.open(str(path)) as container:
        return str(container.streams.video[0].codec_context.pix_fmt)
