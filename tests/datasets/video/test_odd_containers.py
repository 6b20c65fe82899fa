"""Containers that say odd things of their pictures: keys that are none, pieces of a track, rests,
pictures that are never shown.

Every file is read as a whole and from starts all over it: each tick shows its own picture.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.datasets.video.probe import probe
from vidact.datasets.video.ticks import decode_ticks, num_ticks
from vidact.errors import VideoError

from ..corpus import X265, Video, draw_code, make, read_code

HZ = Fraction(30)
FRAME = FrameSpec(128, 128)
SIZE = (176, 144)  # H.263 knows no other
X264 = {"preset": "veryfast", "g": "20", "bf": "2"}
PIECES = [
    [(0, 30), (60, 90)],
    [(7, 40), (7, 40)],
    [(50, 83), None, (11, 33), (70, 90)],
]
Packets = Iterator[av.Packet]


def shown(path: Path, start: int = 0, end: int | None = None, hz: Fraction = HZ) -> list[int]:
    """The numbers that ticks show."""
    batches = decode_ticks(path, FRAME, hz, start_tick=start, end_tick=end)
    return [read_code(frame) for batch in batches for frame in batch.frames]


def assert_shows(path: Path, expected: Sequence[int]) -> None:
    """Each tick shows its number, read from the beginning and from every eleventh tick."""
    assert shown(path) == list(expected)
    for start in range(0, len(expected), 11):
        end = min(start + 2, len(expected))
        assert shown(path, start, end) == list(expected[start:end]), start


def write(
    path: Path,
    codec: str,
    options: dict[str, str],
    change: Callable[[av.Packet], Sequence[av.Packet]],
    *,
    pts: Sequence[int] = range(80),
    clock: Fraction = 1 / HZ,
) -> Path:
    """A video of numbered frames whose packets are changed on their way."""
    with av.open(str(path), "w") as box:
        stream = box.add_stream(codec, rate=30, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        stream.codec_context.time_base = clock

        def packets() -> Packets:
            for number, stamp in enumerate(pts):
                code = draw_code(number, *SIZE)
                frame = av.VideoFrame.from_ndarray(code, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = stamp, clock
                yield from stream.encode(frame)
            yield from stream.encode(None)

        for packet in packets():
            for one in change(packet):
                one.stream = stream
                box.mux(one)
    return path


def call_it_a_key(packet: av.Packet) -> list[av.Packet]:
    packet.is_keyframe = True
    return [packet]


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("mpeg4", "avi", {"g": "25", "qscale": "4", "bf": "2"}),
        ("mpeg4", "mkv", {"g": "25", "qscale": "4", "bf": "2"}),
        ("msmpeg4", "avi", {"g": "25", "qscale": "4"}),
        ("flv", "flv", {"g": "25", "qscale": "4"}),
        ("mpeg2video", "mkv", {"g": "15", "bf": "2", "qscale": "4"}),
        ("libvpx", "webm", {"deadline": "realtime", "cpu-used": "8", "g": "25", "b": "400k"}),
        ("libx265", "mp4", X265),
    ],
)
def test_an_index_that_calls_every_picture_a_key_frame(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    path = write(tmp_path / f"keys.{suffix}", codec, options, call_it_a_key)
    assert_shows(path, range(80))


def test_an_mp4_without_a_list_of_key_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.mp4", "mpeg4", {"g": "25", "qscale": "4"}, lambda p: [p])
    path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    assert len(probe(path).key_pts) == 4  # as many as there are, not 80
    assert_shows(path, range(80))


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", X264 | {"x264-params": "open-gop=1:bframes=3"}),
        ("mpeg4", {"g": "20", "bf": "2", "qscale": "4"}),
    ],
)
def test_an_edit_list_of_several_pieces(
    tmp_path: Path, codec: str, options: dict[str, str], pieces: list[tuple[int, int] | None]
) -> None:
    video = Video(name="cut", codec=codec, options=options)
    path = make(video, tmp_path, 90).path
    edit(path, pieces)
    expected: list[int] = []
    for piece in pieces:  # where nothing is shown, the picture before it stands for a second
        expected += range(*piece) if piece else [expected[-1]] * 30
    assert_shows(path, expected)
    facts = InProcessDecoder().probe(path, HZ)
    assert (facts.ticks, facts.lost_ticks, facts.truncated) == (len(expected), 0, "")


def test_a_cut_recording_that_is_cut_short(tmp_path: Path) -> None:
    path = make(Video(name="cut", options=X264), tmp_path, 90).path
    edit(path, [(0, 30), (60, 90)])
    data = bytearray(path.read_bytes())
    at, length = box_in(data, [b"mdat"])
    data[at + length * 3 // 4 : at + length] = bytes(length - length * 3 // 4)
    path.write_bytes(data)
    stream, read = decode_ticks(path, FRAME, HZ), []

    def read_on() -> None:
        for batch in stream:
            read.extend(read_code(frame) for frame in batch.frames)

    with pytest.raises(VideoError) as raised:
        read_on()
    assert raised.value.tick == len(read) >= 30
    assert read == [*range(30), *range(60, 90)][: len(read)]


def edit(path: Path, pieces: Sequence[tuple[int, int] | None]) -> None:
    """Write an edit list into an mp4 of 30 frames a second: frames [first, end) of each piece, or
    nothing for a second. The index lies behind the pictures, so that none of them moves.
    """
    data, chain = bytearray(path.read_bytes()), [b"moov", b"trak", b"edts", b"elst"]
    at, length = box_in(data, chain)
    delay = int.from_bytes(data[at + 20 : at + 24], "big")  # of the first picture
    movie, media = (
        int.from_bytes(data[box_in(data, names)[0] + 20 :][:4], "big")
        for names in ([b"moov", b"mvhd"], [b"moov", b"trak", b"mdia", b"mdhd"])
    )
    rows = [
        (movie, -1)
        if piece is None
        else (round((piece[1] - piece[0]) / 30 * movie), delay + round(piece[0] / 30 * media))
        for piece in pieces
    ]
    new = struct.pack(">I4sII", 16 + 12 * len(rows), b"elst", 0, len(rows))
    new += b"".join(struct.pack(">IiI", *row, 0x10000) for row in rows)
    for depth in range(1, 4):
        outer, size = box_in(data, chain[:depth])
        data[outer : outer + 4] = (size + len(new) - length).to_bytes(4, "big")
    data[at : at + length] = new
    path.write_bytes(data)


def box_in(data: bytes, chain: Sequence[bytes]) -> tuple[int, int]:
    """Where a box of an mp4 begins, and how long it is."""
    at, end = 0, len(data)
    for depth, name in enumerate(chain):
        while data[at + 4 : at + 8] != name:
            at += int.from_bytes(data[at : at + 4], "big")
            assert at < end, f"no {name!r}"
        length = int.from_bytes(data[at : at + 4], "big")
        if depth == len(chain) - 1:
            break
        at, end = at + 8, at + length
    return at, length


def test_rests_do_not_make_a_recording_slow(tmp_path: Path) -> None:
    """Two seconds of play, twenty in which nothing moves, two seconds of play."""
    milliseconds = [round(i * 1000 / 30) for i in range(60)]
    stamps = milliseconds + [22_000 + stamp for stamp in milliseconds]
    path = write(
        tmp_path / "rest.mp4", "libx264", X264, lambda p: [p], pts=stamps, clock=Fraction(1, 1000)
    )
    facts = InProcessDecoder().probe(path, Fraction(20))
    assert (facts.ticks, facts.lost_ticks) == (480, 0)
    assert facts.fps < 6
    numbers = shown(path, hz=Fraction(20))
    assert numbers[:4] == [0, 1, 3, 4]
    assert numbers[40:440] == [59] * 400
    assert numbers[440:] == [60 + number for number in numbers[:40]]
    assert shown(path, 441, 444, Fraction(20)) == [61, 63, 64]


@pytest.mark.parametrize("rate", [1, 9])
def test_what_is_slow_where_it_moves_is_refused(tmp_path: Path, rate: int) -> None:
    clock = Fraction(1, 9)
    pts = [i * 9 // rate + (450 if i > 20 else 0) for i in range(40)]  # with a rest of 50 s
    path = write(tmp_path / "slow.mp4", "mpeg4", {}, lambda p: [p], pts=pts, clock=clock)
    with pytest.raises(VideoError, match="at least 10 are needed") as raised:
        InProcessDecoder().probe(path, Fraction(20))
    assert raised.value.reason == "too_slow"


@pytest.mark.parametrize(("codec", "show_bit"), [("libvpx", 0x10), ("libvpx-vp9", 0x02)])
def test_pictures_that_are_never_shown(tmp_path: Path, codec: str, show_bit: int) -> None:
    options = {"deadline": "realtime", "cpu-used": "8", "g": "20", "b": "400k"}

    def with_a_hidden_one_before(packet: av.Packet) -> list[av.Packet]:
        if not packet.is_keyframe or not packet.pts:
            return [packet]
        data = bytearray(bytes(packet))
        data[0] &= ~show_bit
        hidden = av.Packet(bytes(data))
        hidden.pts = hidden.dts = packet.pts - 20
        hidden.time_base, hidden.is_keyframe = packet.time_base, True
        return [hidden, packet]

    made = write(tmp_path / "plain.webm", codec, options, lambda p: [p])
    path = tmp_path / "hidden.webm"
    with av.open(str(made)) as source, av.open(str(path), "w") as box:
        stream = box.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            for one in with_a_hidden_one_before(packet) if packet.size else []:
                one.stream = stream
                box.mux(one)
    assert probe(path).frames == 80
    assert num_ticks(probe(path), HZ) == 80
    assert_shows(path, range(80))
