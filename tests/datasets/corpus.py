"""Small videos of every kind, each frame carrying its number as a bar code, so that a wrong frame
cannot pass.

A code is 12 bits as bright and dark columns in the upper half of the picture and their opposite in
the lower half: it also tells a picture that is upside down, mirrored or mixed with another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

BITS = 12
BRIGHT, DARK = 200, 50
Times = Callable[[int], list[Fraction]]


def draw_code(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """The picture of a number, uint8 [height, width, 3]; a small square runs over it so that
    motion has to be coded.
    """
    edges = np.linspace(0, width, BITS + 1).round().astype(int)
    bits = np.array([number >> b & 1 for b in range(BITS)])
    columns = np.repeat(np.where(bits, BRIGHT, DARK), np.diff(edges))
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2] = columns[None, :, None]
    picture[height // 2 :] = (BRIGHT + DARK - columns)[None, :, None]
    x, y = number * 7 % max(width - 8, 1), number * 3 % max(height - 8, 1)
    picture[y : y + 6, x : x + 6] = (220, 60, 40)
    return picture


def read_code(picture: NDArray[np.uint8]) -> int:
    """The number that a picture [h, w, 3] shows, or -1 if it shows none clearly."""
    height, width = picture.shape[:2]
    grey = picture.astype(np.float32).mean(-1)
    centres = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    reach = max(width // BITS // 4, 1)
    band = np.stack([grey[:, x - reach : x + reach].mean(1) for x in centres])  # (bits, h)
    upper = np.median(band[:, height // 8 : 3 * height // 8], 1)
    lower = np.median(band[:, 5 * height // 8 : 7 * height // 8], 1)
    if np.abs(upper - lower).min() < 40:
        return -1
    return int(sum(1 << b for b in range(BITS) if upper[b] > lower[b]))


def constant(rate: str, start: str = "0") -> Times:
    """Frame times of a constant rate."""
    return lambda frames: [Fraction(start) + i / Fraction(rate) for i in range(frames)]


def variable(seed: int, unit: Fraction = Fraction(1, 1000)) -> Times:
    """Irregular times: intervals of 8 to 60 ms with some rests, in whole units."""

    def times(frames: int) -> list[Fraction]:
        rng = np.random.default_rng(seed)
        steps = rng.integers(8, 60, frames)
        steps[rng.random(frames) < 0.03] = 400
        return [Fraction(int(t)) * unit for t in np.concatenate([[0], np.cumsum(steps[:-1])])]

    return times


@dataclass(frozen=True, kw_only=True)
class Video:
    """One file of the corpus: how it is made."""

    name: str
    suffix: str = ".mp4"
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (192, 108)
    rate: str = "30"
    times: Times | None = None
    """None: constant at `rate`."""
    options: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    rotation: int = 0
    """Counter-clockwise degrees written to the display matrix."""
    mirror: bool = False
    hidden: int = 0
    """Frames at the head that an edit list hides."""
    audio_first: bool = False
    time_base: Fraction | None = None

    def frame_times(self, frames: int) -> list[Fraction]:
        return (self.times or constant(self.rate))(frames)


@dataclass(frozen=True)
class Made:
    """A file of the corpus and its truth."""

    video: Video
    path: Path
    times: NDArray[np.float64]
    """Seconds of each visible frame after the first visible one."""
    codes: NDArray[np.int64]
    """The number that each visible frame shows."""

    def on_screen(self, tick: int, tick_hz: Fraction) -> set[int]:
        """The numbers that may be on screen at a tick: two only if a whole-millisecond stamp
        cannot tell.
        """
        slack = [-5.1e-4, 5.1e-4] if self.path.suffix in (".mkv", ".webm") else [1e-6]
        moments = float(tick / tick_hz) + np.array(slack)
        return {
            int(self.codes[max(i - 1, 0)])
            for i in np.searchsorted(self.times, moments, side="right")
        }


X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=24:pools=none:frame-threads=1"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "g": "40"}
AV1 = {
    "preset": "8",
    "g": "40",
    "crf": "20",
    "svtav1-params": "lp=1",
}  # faster presets blur the bars beyond reading
MPEG2 = {"bf": "2", "g": "12", "flags": "+ildct+ilme", "qscale": "3"}
FAST = {"preset": "veryfast", "g": "25"}

CORPUS: tuple[Video, ...] = (
    # rates, B-frames and groups of pictures, H.264 in mp4
    Video(name="plain", options={"preset": "medium", "g": "250"}),
    Video(name="15fps", rate="15", options=FAST),
    Video(name="24fps_b8", rate="24", options={**FAST, "bf": "8", "b-pyramid": "normal"}),
    Video(name="25fps_no_b", rate="25", options={**FAST, "bf": "0"}),
    Video(name="29.97fps", rate="30000/1001", options=FAST),
    Video(
        name="50fps_strict_pyramid", rate="50", options={**FAST, "bf": "5", "b-pyramid": "strict"}
    ),
    Video(name="59.94fps", rate="60000/1001", options=FAST),
    Video(name="60fps_two_keys", rate="60", options={**FAST, "g": "100"}),
    Video(name="120fps", rate="120", options=FAST),
    Video(name="144fps", rate="144", options=FAST),
    Video(name="open_gop", options={**FAST, "x264-params": "open-gop=1:bframes=3"}),
    Video(name="intra_refresh", options={**FAST, "x264-params": "intra-refresh=1"}),
    Video(name="all_intra", options={**FAST, "g": "1"}),
    Video(name="vfr_mp4", times=variable(1), options=FAST, time_base=Fraction(1, 90000)),
    # where the first frame lies
    Video(name="start_offset", times=constant("30", "1"), time_base=Fraction(1, 30), options=FAST),
    Video(name="edit_list", hidden=19, options=FAST),
    Video(name="edit_list_b_frames", hidden=33, options={**FAST, "bf": "4"}),
    Video(name="audio_first", audio_first=True, options=FAST),
    Video(name="fragmented", options=FAST, muxer={"movflags": "frag_keyframe+empty_moov"}),
    # which way up, and shapes
    Video(name="turned_90", rotation=90, options=FAST),
    Video(name="turned_180", rotation=180, options=FAST, suffix=".mov"),
    Video(name="turned_270_mirrored", rotation=270, mirror=True, options=FAST),
    Video(name="portrait", size=(108, 192), options=FAST),
    Video(name="odd_size", size=(191, 107), pix_fmt="yuv444p", options=FAST),
    # pixel formats
    Video(name="yuv422", pix_fmt="yuv422p", options=FAST),
    Video(name="ten_bit", pix_fmt="yuv420p10le", options=FAST),
    Video(name="grey", pix_fmt="gray", options=FAST),
    Video(name="interlaced", options={**FAST, "x264-params": "interlaced=1:tff=1"}),
    # other codecs and containers
    Video(name="hevc", codec="libx265", options=X265),
    Video(name="hevc_ten_bit", codec="libx265", pix_fmt="yuv420p10le", suffix=".mkv", options=X265),
    Video(name="vp9", codec="libvpx-vp9", suffix=".webm", options=VP9),
    Video(
        name="vp9_vfr_444", codec="libvpx-vp9", suffix=".webm", pix_fmt="yuv444p",
        times=variable(2), options=VP9,
    ),
    Video(name="av1", codec="libsvtav1", options=AV1),
    Video(
        name="av1_ten_bit", codec="libsvtav1", suffix=".webm", pix_fmt="yuv420p10le", options=AV1
    ),
    Video(
        name="mpeg4_avi", codec="mpeg4", suffix=".avi",
        options={"bf": "2", "g": "24", "qscale": "4"},
    ),
    Video(name="h264_avi", suffix=".avi", options={**FAST, "bf": "3"}),
    Video(name="h264_mkv_29.97", suffix=".mkv", rate="30000/1001", options={**FAST, "bf": "3"}),
    Video(name="h264_ts", suffix=".ts", options={**FAST, "bf": "3"}),
    Video(name="mpeg2_ts_interlaced", codec="mpeg2video", suffix=".ts", rate="25", options=MPEG2),
    Video(name="vfr_mkv", suffix=".mkv", times=variable(3), options=FAST),
)  # fmt: skip


def make(video: Video, folder: Path, frames: int) -> Made:
    """Write a video of `frames` visible frames."""
    path = folder / (video.name + video.suffix)
    total = frames + video.hidden
    times = video.frame_times(total)
    time_base = video.time_base or (Fraction(1, 1000) if video.times else 1 / Fraction(video.rate))
    if not video.hidden:
        _encode(video, path, times, time_base)
    else:
        whole = folder / f".{video.name}.whole{video.suffix}"
        _encode(video, whole, times, time_base)
        _hide(whole, path, times[video.hidden])
        whole.unlink()
    visible = np.array([float(t - times[video.hidden]) for t in times[video.hidden :]])
    return Made(video, path, visible, np.arange(video.hidden, total))


def _encode(video: Video, path: Path, times: Sequence[Fraction], time_base: Fraction) -> None:
    width, height = video.size
    with ordinary_scheduling(), av.open(str(path), "w", options=video.muxer) as container:
        sound = container.add_stream("aac", rate=48000) if video.audio_first else None
        stream = container.add_stream(
            video.codec, rate=Fraction(video.rate), options=dict(video.options)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, video.pix_fmt
        stream.codec_context.time_base = time_base
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        reformatter = VideoReformatter()
        if video.rotation or video.mirror:
            stream.set_display_rotation(video.rotation, hflip=video.mirror)
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((2, 48000), np.float32), format="fltp", layout="stereo"
            )
            silence.rate, silence.pts = 48000, 0
            for packet in sound.encode(silence):
                container.mux(packet)
        for i, time in enumerate(times):
            picture = _lay_down(
                draw_code(i, *(video.size if video.rotation % 180 == 0 else (height, width))), video
            )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = reformatter.reformat(
                frame, format=video.pix_fmt, threads=1
            )  # its own threads were seen to hang
            frame.pts, frame.time_base = round(time / time_base), time_base
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
        if sound is not None:
            for packet in sound.encode(None):
                container.mux(packet)


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """SVT-AV1 makes the thread that it encodes for a real-time one, where root runs it, and
    leaves it like that: whatever is started afterwards, browsers with all their threads, would
    fight for the processors without mercy.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _lay_down(picture: NDArray[np.uint8], video: Video) -> NDArray[np.uint8]:
    """The stored picture that is shown as `picture` after the display matrix turned it and then
    mirrored it.
    """
    if video.mirror:
        picture = picture[:, ::-1]
    return np.rot90(picture, -(video.rotation // 90))


def _hide(whole: Path, path: Path, first: Fraction) -> None:
    """Copy packets with the time before `first` pushed below zero, which the muxer hides by an
    edit list.
    """
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        shift = round(first / (stream.time_base or 1))
        for packet in source.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copy
            target.mux(packet)
