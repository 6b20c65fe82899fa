"""The three files of a clip in a shard, written and read.

    mp4   the frames at the spec's size and tick rate
    npz   the labels, an array per field
    json  the lineage: where the frames came from and who labeled them

The same clip gives the same bytes in the same environment: one encoder thread, fixed options, no
dates.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import ShardError
from .clip import ARRAY_DTYPES, LATER_DTYPES, MEMBERS, Clip

GOP = 32
CHROMAS = {"420": "yuv420p", "444": "yuv444p"}
# crf 17 keeps 35 dB at 2 kB a frame; fastdecode (no CABAC, no deblocking) doubles decoding speed
# for 7 % more bytes.
ENCODER_OPTIONS = {"preset": "veryfast", "tune": "fastdecode", "crf": "17", "g": str(GOP)}
MACROBLOCK = 16
# x264's AVX-512 code for macroblock trees reads past the last row where the number of macroblocks
# is no multiple of 16, so that the bytes depend on what the memory held before; such sizes go
# without the tree (20 % more bytes).
TREE_STRIDE = 16

_LOCAL_HEADER = struct.Struct("<HHHHLLLHH")  # of a zip member, from its flags on
_UTF8_NAME, _IN_ZIP64 = 0x800, 0xFFFFFFFF
# What damaged bytes raise, here and in NumPy.
NPZ_ERRORS = (
    *(OSError, EOFError, ValueError, KeyError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
# The earliest date that a zip can hold: the present one would make every run's bytes differ.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def encode_video(frames: np.ndarray, fps: Fraction, *, chroma: str = "420") -> bytes:
    """Encode uint8 [T, H, W, 3] RGB frames as an H.264 mp4.

    `chroma` "420" is what GPU decoders and players want; "444" keeps colored edges (2 dB more for
    6 % more bytes and 30 % slower decoding).
    """
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    from ..video.resize import as_video_frame

    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(
            f"frames must be uint8 [T > 0, H, W, 3], got {frames.dtype} {list(frames.shape)}"
        )
    pix_fmt = CHROMAS[chroma]
    buffer = io.BytesIO()
    # One for the whole stream: to make one per frame costs more than the encoding.
    reformatter = VideoReformatter()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        height, width = frames.shape[1:3]
        stream: Any = container.add_stream(
            "libx264", rate=fps, options=_encoder_options(height, width)
        )
        stream.height, stream.width = height, width
        stream.pix_fmt = pix_fmt
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1  # x264's output depends on its number of threads
        for index, image in enumerate(frames):
            frame = reformatter.reformat(
                as_video_frame(image),
                format=pix_fmt,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
                threads=1,
            )
            frame.pts = index
            frame.time_base = 1 / fps
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return buffer.getvalue()


def _encoder_options(height: int, width: int) -> dict[str, str]:
    macroblocks = -(-height // MACROBLOCK) * -(-width // MACROBLOCK)
    return ENCODER_OPTIONS | ({"mbtree": "0"} if macroblocks % TREE_STRIDE else {})


def decode_video(data: bytes, *, start: int = 0, out: np.ndarray | None = None) -> np.ndarray:
    """Decode an mp4 of `encode_video` to uint8 [T, H, W, 3].

    Args:
        data: the file's bytes.
        start: the first frame wanted; decoding begins at the key frame before it.
        out: decode into this array, `len(out)` frames, and return it; otherwise all frames from
            `start` on.

    Raises:
        ShardError: the bytes are no whole video, or hold fewer frames than wanted.
    """
    import av
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    try:
        with av.open(io.BytesIO(data), "r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # the caller decodes several clips at a time instead
            if out is None:
                shape = (max(stream.frames - start, 0), stream.height, stream.width, 3)
                out = np.empty(shape, np.uint8)
            if start:
                container.seek(_pts_of(stream, start), stream=stream)
            count = 0
            for frame in container.decode(stream):
                if frame.pts is None or frame.pts < _pts_of(stream, start):
                    continue
                if count == len(out):
                    break
                height, width = frame.height, frame.width
                plane = reformatter.reformat(frame, format="rgb24", threads=1).planes[0]
                pixels = np.frombuffer(memoryview(plane), np.uint8)
                rows = pixels.reshape(height, plane.line_size)  # (H, padded 3 * W)
                out[count] = rows[:, : width * 3].reshape(height, width, 3)  # (H, W, 3)
                count += 1
    except (av.error.FFmpegError, IndexError) as error:
        raise ShardError(f"the mp4 member cannot be decoded: {error}") from error
    if count != len(out):
        raise ShardError(
            f"the mp4 member holds {start + count} frames, expected {start + len(out)}"
        )
    return out


def _pts_of(stream: Any, index: int) -> int:
    """The time stamp of frame `index`: our clips have a constant rate and begin at 0."""
    return round(index / (stream.average_rate * stream.time_base))


def encode_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A compressed npz with no dates in it: the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(
                member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False
            )
            info = zipfile.ZipInfo(f"{name}.npy", _ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # else it says which system wrote it
            info.external_attr = 0o644 << 16
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def decode_arrays(
    data: bytes, names: tuple[str, ...] = tuple(ARRAY_DTYPES), later: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """The named arrays of an npz member, read-only, and those of `later` that it has.

    Raises ShardError where the member is damaged or lacks an array. What `encode_arrays` wrote is
    read without `numpy.load`, which takes ten times as long (half a frame's decoding) over the
    zip's directory and over evaluating each header; other npz files go to `numpy.load`.
    """
    try:
        arrays = _plain_arrays(data, names, later)
        if arrays is None:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                there = [name for name in later if name in archive]
                arrays = {name: archive[name] for name in (*names, *there)}
        return arrays
    except NPZ_ERRORS as error:
        raise ShardError(f"the npz member cannot be read: {error}") from error


def _plain_arrays(
    data: bytes, names: tuple[str, ...], later: tuple[str, ...]
) -> dict[str, np.ndarray] | None:
    """Walk the zip's local headers; None where it is not as `encode_arrays` writes it."""
    arrays: dict[str, np.ndarray] = {}
    position = 0
    while data[position : position + 4] == b"PK\x03\x04":
        flags, method, _, _, _, packed, size, name_length, extra = _LOCAL_HEADER.unpack_from(
            data, position + 6
        )
        if flags & ~_UTF8_NAME or method != zipfile.ZIP_DEFLATED or packed == _IN_ZIP64:
            return None
        begin = position + 30 + name_length
        name = data[position + 30 : begin].decode().removesuffix(".npy")
        position = begin + extra + packed
        if name in names or name in later:
            member = zlib.decompress(data[begin + extra : position], -15, size)
            length = 10 + int.from_bytes(member[8:10], "little")
            dtype, shape = _npy_header(member[:length])
            arrays[name] = np.frombuffer(member, dtype, offset=length).reshape(shape)
    return arrays if arrays.keys() >= set(names) else None


@lru_cache(maxsize=256)
def _npy_header(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Dtype and shape in a version 1.0 npy header; kept, for clips have few different lengths."""
    stream = io.BytesIO(header)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("not an npy file of version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran or dtype.hasobject:
        raise ValueError(f"an array of {dtype} in this order is not one of ours")
    return dtype, shape


def encode_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces; NaN is refused, since other languages cannot read it."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def encode_clip(clip: Clip, fps: Fraction, *, chroma: str = "420") -> dict[str, bytes]:
    """The members of a clip by extension: `mp4`, `npz`, `json`."""
    if clip.frames is None:
        raise ValueError(f"clip {clip.key} has no frames")
    if len(clip.frames) != clip.ticks:
        raise ValueError(f"clip {clip.key} has {len(clip.frames)} frames and {clip.ticks} labels")
    return {
        "json": encode_json(clip.meta),
        "mp4": encode_video(clip.frames, fps, chroma=chroma),
        "npz": encode_arrays(clip.arrays()),
    }


def decode_clip(key: str, members: Mapping[str, bytes], frames: bool = True) -> Clip:
    """Decode the clip behind a sample's members.

    Raises ShardError, naming the key, where a member is missing or damaged.
    """
    missing = [name for name in MEMBERS if name not in members and (frames or name != "mp4")]
    if missing:
        has = ", ".join(sorted(members))
        raise ShardError(f"sample {key}: lacks the member {', '.join(missing)}; it has {has}")
    try:
        arrays = decode_arrays(members["npz"], later=tuple(LATER_DTYPES))
        meta = json.loads(members["json"])
        video = decode_video(members["mp4"]) if frames else None
    except (ShardError, ValueError) as error:
        raise ShardError(f"sample {key}: {error}") from error
    return Clip(key=key, frames=video, meta=meta, **arrays)
