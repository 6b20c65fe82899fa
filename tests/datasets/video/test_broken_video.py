"""Broken inputs: each is read rightly as far as it goes, or refused with its reason; no hang,
no made-up frame.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.probe import probe
from vidact.datasets.video.ticks import TickFrames, decode_ticks, num_ticks
from vidact.errors import VideoError

from ..corpus import Video, draw_code, make, read_code

FRAME, HZ = FrameSpec(128, 128), Fraction(30)
FRAMES = 90
OPTIONS = {"preset": "veryfast", "g": "30", "bf": "2"}
HEVC_OPTIONS = "log-level=none:keyint=30:pools=none:frame-threads=1"
SOURCES = {
    "mp4": Video(name="front", options=OPTIONS, muxer={"movflags": "faststart"}),
    "mp4_index_last": Video(name="last", options=OPTIONS),
    "fragmented": Video(
        name="fragments", options=OPTIONS, muxer={"movflags": "frag_keyframe+empty_moov"}
    ),
    "mkv": Video(name="mkv", suffix=".mkv", options=OPTIONS),
    "ts": Video(name="ts", suffix=".ts", options=OPTIONS),
    "avi": Video(name="avi", codec="mpeg4", suffix=".avi", options={"g": "30", "qscale": "4"}),
    "vp9": Video(
        name="vp9",
        codec="libvpx-vp9",
        suffix=".webm",
        options={"deadline": "realtime", "cpu-used": "8"},
    ),
    "hevc": Video(
        name="hevc",
        codec="libx265",
        muxer={"movflags": "faststart"},
        options={"preset": "ultrafast", "x265-params": HEVC_OPTIONS},
    ),
}


@dataclass(frozen=True)
class Result:
    """What reading a file came to."""

    good: int
    """Ticks that were given out."""
    wrong: list[int]
    """Those that show another number than their own."""
    reason: str
    tick: int | None


def read(path: Path) -> Result:
    shown: list[int] = []
    reason, tick = "", None
    try:
        video = probe(path)
        for batch in decode_ticks(path, FRAME, HZ, probe=video):
            assert batch.start_tick == len(shown)
            shown += [read_code(picture) for picture in batch.frames]
        assert len(shown) == num_ticks(video, HZ)
    except VideoError as error:
        reason, tick = error.reason, error.tick
    return Result(len(shown), [k for k, code in enumerate(shown) if code != k], reason, tick)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return {name: make(video, folder, FRAMES).path for name, video in SOURCES.items()}


@pytest.mark.parametrize("name", SOURCES)
def test_whole_files_are_read_whole(whole: dict[str, Path], name: str) -> None:
    assert read(whole[name]) == Result(FRAMES, [], "", None)


@pytest.mark.parametrize("name", SOURCES)
def test_cut_at_twenty_places(whole: dict[str, Path], name: str, tmp_path: Path) -> None:
    content = whole[name].read_bytes()
    path = tmp_path / whole[name].name
    good = []
    for place in range(20):
        path.write_bytes(content[: len(content) * (2 * place + 1) // 40])
        result = read(path)
        assert result.wrong == [], f"cut at {place}/20"
        if (
            name != "ts" or result.reason
        ):  # a transport stream has no length: cut between packets it is a shorter one
            assert result.reason in (
                "truncated",
                "damaged",
                "not_a_video",
                "no_frames",
                "no_video_stream",
            )
            assert result.tick in (None, result.good)
        good.append(result.good)
    if name != "fragmented":  # cut within the header of a fragment it cannot be opened at all
        assert sorted(good) == good
    if name != "mp4_index_last":  # without its index an mp4 tells nothing
        assert good[-1] > FRAMES * 0.8
        assert good[12] > FRAMES * 0.2


@pytest.mark.parametrize("name", SOURCES)
def test_a_hole_of_zeros(whole: dict[str, Path], name: str, tmp_path: Path) -> None:
    content = bytearray(whole[name].read_bytes())
    start, length = len(content) // 2, len(content) // 12
    content[start : start + length] = bytes(length)
    path = tmp_path / whole[name].name
    path.write_bytes(content)
    result = read(path)
    assert result.wrong == []
    assert result.reason
    assert result.tick == result.good
    assert 0 < result.good < FRAMES


@pytest.mark.parametrize("name", ["mp4", "fragmented", "vp9"])
@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits(whole: dict[str, Path], name: str, seed: int, tmp_path: Path) -> None:
    # Codecs that notice at once: H.264 with arithmetic coding, and VP9. MPEG-4 notices pictures
    # later, and HEVC has no redundancy that would tell.
    rng = np.random.default_rng(seed)
    content = bytearray(whole[name].read_bytes())
    for place in rng.integers(len(content) // 4, len(content) * 9 // 10, 6):
        content[place : place + 16] = rng.bytes(16)
    path = tmp_path / whole[name].name
    path.write_bytes(content)
    result = read(path)
    assert result.wrong == []
    assert result.reason in ("damaged", "truncated")


@pytest.mark.soak
@pytest.mark.parametrize("name", ["mp4", "fragmented", "mkv"])
def test_random_mutations_give_no_wrong_picture(
    whole: dict[str, Path], name: str, tmp_path: Path
) -> None:
    # H.264, in containers that tell where a picture is missing. Known limits of the others: MPEG-4
    # and HEVC decode some flipped bits, and a picture lost from a transport stream looks like one
    # that was never there.
    path = tmp_path / whole[name].name
    wrong = {}
    for seed in range(40):
        path.write_bytes(mutated(whole[name].read_bytes(), np.random.default_rng(seed)))
        if found := read(path).wrong:
            wrong[seed] = found
    assert wrong == {}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Bits flipped, or a stretch of noise, of zeros, cut out, put in, or copied from elsewhere."""
    data, size = bytearray(content), len(content)
    kind = int(rng.integers(6))
    at, length = int(rng.integers(size // 10, size - 100)), int(rng.integers(1, size // 20))
    hit = slice(at, min(at + length, size))
    if kind == 0:
        for place in rng.integers(size // 10, size, int(rng.integers(1, 20))):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[hit] = rng.bytes(hit.stop - at)
    elif kind == 2:
        data[hit] = bytes(hit.stop - at)
    elif kind == 3:
        del data[hit]
    elif kind == 4:
        data[at:at] = rng.bytes(length)
    else:
        start = int(rng.integers(size // 10, size - length))
        data[hit] = data[start : start + length]
    return bytes(data)


def test_a_damaged_length_in_avi_ends_what_can_be_trusted(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    # Later pictures are found again, but nobody knows how many lie between.
    data = bytearray(whole["avi"].read_bytes())
    chunk = [
        match.start()
        for match in re.finditer(b"00dc", bytes(data))
        if match.start() > data.find(b"movi")
    ][16]
    data[chunk + 7] = 0x7F
    path = tmp_path / "length.avi"
    path.write_bytes(data)
    result = read(path)
    assert (result.wrong, result.reason, result.good) == ([], "truncated", 16)


def test_what_lies_behind_the_damage_can_still_be_read(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    # Segments are read one by one: only those that the damage touches are lost.
    content = bytearray(whole["mp4"].read_bytes())
    place = len(content) * 6 // 10  # in the second of three groups of pictures
    content[place : place + 64] = bytes(64)
    path = tmp_path / "hit.mp4"
    path.write_bytes(content)
    lost = read(path)
    assert 30 <= lost.good < 60
    video = probe(path)
    later = [
        read_code(f)
        for batch in decode_ticks(path, FRAME, HZ, start_tick=61, probe=video)
        for f in batch.frames
    ]
    assert later == list(range(61, FRAMES))
    with pytest.raises(VideoError) as raised:
        list(
            decode_ticks(path, FRAME, HZ, start_tick=lost.good, end_tick=lost.good + 1, probe=video)
        )
    assert raised.value.tick == lost.good


def test_lost_reference_picture_in_matroska(whole: dict[str, Path], tmp_path: Path) -> None:
    # The packet is gone without a trace; only the frame numbers inside the pictures tell.
    path = tmp_path / "lost.mkv"
    with av.open(str(whole["mp4"])) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [p for p in source.demux(stream) if p.size]
        dropped = next(
            p for p in packets[12:] if bytes(p)[4] >> 5 & 3
        )  # nal_ref_idc: others lean on it
        index = round(float(dropped.pts * dropped.time_base) * 30)
        for packet in packets:
            if packet is not dropped:
                packet.stream = copy
                target.mux(packet)
    shown = [
        (b.start_tick + i, read_code(f)) for b in until_error(path) for i, f in enumerate(b.frames)
    ]
    assert all(code == tick for tick, code in shown)
    assert 5 <= len(shown) <= index


def until_error(path: Path) -> list[TickFrames]:
    batches: list[TickFrames] = []
    with pytest.raises(VideoError):
        batches.extend(decode_ticks(path, FRAME, HZ))
    return batches


def picture_file(
    path: Path, codec: str, pix_fmt: str, *, frames: int = 1, size: tuple[int, int] = (64, 48)
) -> None:
    with av.open(str(path), "w", format="image2" if codec == "png" else None) as container:
        stream = container.add_stream(codec, rate=20)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(draw_code(i, *size), format="rgb24").reformat(
                format=pix_fmt, threads=1
            )
            frame.pts = i
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 48000), np.float32), format="fltp", layout="stereo"
        )
        frame.rate, frame.pts = 48000, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def words(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.mp4": (lambda path: path.write_bytes(b""), "empty"),
    "garbage.mp4": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(50_000)),
        "not_a_video",
    ),
    "zeros.mkv": (lambda path: path.write_bytes(bytes(50_000)), "not_a_video"),
    "sound.mp4": (sound, "no_video_stream"),
    "no_index.mp4": (
        words("\0\0\0\x10ftypisom" + "\0\0\0\0" + "\0\0\x7f\x7fmdat" + "\0" * 30_000),
        "truncated",
    ),
    "text.mp4": (words("This is no video.\n" * 1000), "not_a_video"),
    "text.txt": (words("\x1b[31mEven this has been taken for one.\n" * 1000), "not_a_video"),
    "playlist.m3u8": (
        words("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        "not_a_video",
    ),
    "playlist.mp4": (words("ffconcat version 1.0\nfile /etc/passwd\n"), "not_a_video"),
    "page.html": (words("<html><body>404</body></html>"), "not_a_video"),
    "picture.png": (lambda path: picture_file(path, "png", "rgb24"), "not_a_video"),
    "folder.mp4": (lambda path: path.mkdir(), "not_a_file"),
    "fifo.mp4": (os.mkfifo, "not_a_file"),
    "dangling.mp4": (lambda path: path.symlink_to("nowhere.mp4"), "not_found"),
    "loop.mp4": (lambda path: path.symlink_to("loop.mp4"), "not_found"),
    "device.mp4": (lambda path: path.symlink_to("/dev/zero"), "not_a_file"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    create, reason = REFUSED[name]
    create(tmp_path / name)
    with pytest.raises(VideoError) as raised:
        list(decode_ticks(tmp_path / name, FRAME, HZ))
    assert raised.value.reason == reason
    assert name in str(raised.value)


def test_missing_file() -> None:
    with pytest.raises(VideoError, match="not found"):
        probe("/nowhere/at/all.mp4")
    with pytest.raises(VideoError, match="not found"):
        probe("a\0b.mp4")


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "quote'and\"quote.mp4",
        "späße 游戏 🎮.mp4",
        "line\nbreak.mp4",
        "http:colon.mp4",
        "-dash.mp4",
        "100%.mp4",
        "a::b#c?d=e.mp4",
        "star*[1].mp4",
        "back\\slash.mp4",
        os.fsdecode(b"not-utf8-\xff.mp4"),
        ".mp4",
        "no-suffix",
        "x" * 240 + ".mp4",
    ],
)
def test_any_name(whole: dict[str, Path], name: str, tmp_path: Path) -> None:
    shutil.copyfile(whole["mp4"], tmp_path / name)
    assert read(tmp_path / name) == Result(FRAMES, [], "", None)
    inside = tmp_path / (name.removesuffix(".mp4") + "-dir")
    inside.mkdir()
    shutil.copyfile(whole["mkv"], inside / "x.mkv")
    assert read(inside / "x.mkv").good == FRAMES


def test_a_link_to_a_video_is_a_video(whole: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(whole["mp4"])
    assert read(tmp_path / "link.mp4").good == FRAMES


def test_wrong_suffix_does_not_matter(whole: dict[str, Path], tmp_path: Path) -> None:
    for name, suffix in (("mkv", ".mp4"), ("mp4", ".avi"), ("ts", ".mkv"), ("avi", ".txt")):
        shutil.copyfile(whole[name], tmp_path / f"x{suffix}")
        assert read(tmp_path / f"x{suffix}").good == FRAMES


@pytest.mark.parametrize(
    ("frames", "size"), [(1, (64, 48)), (2, (64, 48)), (30, (16, 16)), (3, (3840, 2160))]
)
def test_extreme_but_whole(frames: int, size: tuple[int, int], tmp_path: Path) -> None:
    made = make(
        Video(name="extreme", size=size, rate="30", options={"preset": "ultrafast"}),
        tmp_path,
        frames,
    )
    video = probe(made.path)
    assert (video.frames, video.width, video.height) == (frames, *size)
    pictures = np.concatenate([batch.frames for batch in decode_ticks(made.path, FRAME, HZ)])
    assert pictures.shape == (frames, 128, 128, 3)


def test_a_moving_gif_is_a_video(tmp_path: Path) -> None:
    picture_file(tmp_path / "x.gif", "gif", "rgb8", frames=20, size=(96, 64))
    assert probe(tmp_path / "x.gif").codec == "gif"
    shown = [
        read_code(f)
        for batch in decode_ticks(tmp_path / "x.gif", FRAME, Fraction(20))
        for f in batch.frames
    ]
    assert shown == list(range(20))


def test_too_slow(tmp_path: Path) -> None:
    made = make(Video(name="slow", rate="9", options=OPTIONS), tmp_path, 20)
    with pytest.raises(VideoError) as raised:
        next(decode_ticks(made.path, FRAME, Fraction(20)))
    assert raised.value.reason == "too_slow"
    assert "9.00 frames/s cannot carry 20 ticks/s; at least 10 are needed" in raised.value.detail
    made = make(Video(name="enough", rate="10", options=OPTIONS), tmp_path, 20)
    shown = [
        read_code(f) for batch in decode_ticks(made.path, FRAME, Fraction(20)) for f in batch.frames
    ]
    assert shown == [k // 2 for k in range(40)]


def test_timestamps_that_jump(whole: dict[str, Path], tmp_path: Path) -> None:
    # Two transport streams, one behind the other, as recorders that restart leave them: the second
    # starts at 0 again.
    path = tmp_path / "twice.ts"
    path.write_bytes(whole["ts"].read_bytes() * 2)
    result = read(path)
    assert (result.wrong, result.reason) == ([], "truncated")
    assert FRAMES - 4 <= result.good <= FRAMES


def test_ticks_out_of_range(whole: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"ticks \[95, 90\) are not within its 90 ticks"):
        list(decode_ticks(whole["mp4"], FRAME, HZ, start_tick=95))
    assert list(decode_ticks(whole["mp4"], FRAME, HZ, start_tick=90)) == []
