"""Files as odd recorders write them: several tracks, dropped frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.datasets.video.probe import probe
from vidact.datasets.video.ticks import decode_ticks

from ..corpus import draw_code, read_code

HZ = Fraction(20)


def write_tracks(path: Path, sizes: list[tuple[int, int]], default: int | None) -> Path:
    """Tracks of 60 frames; those of track `i` are numbered from `1000 * i`."""
    with av.open(str(path), "w") as box:
        tracks = []
        for i, (width, height) in enumerate(sizes):
            stream = box.add_stream("libx264", rate=30, options={"preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            flag = av.stream.Disposition.default if i == default else av.stream.Disposition(0)
            stream.disposition = flag
            tracks.append(stream)
        for number in range(60):
            for i, stream in enumerate(tracks):
                code = draw_code(1000 * i + number, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(code, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 30)
                box.mux(stream.encode(frame))
        for stream in tracks:
            box.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("sizes", "default", "chosen"),
    [
        ([(64, 48), (192, 108)], 1, 1),
        ([(192, 108), (64, 48)], 1, 1),  # what is flagged, though it is the smaller one
        ([(64, 48), (192, 108)], None, 1),
        ([(96, 54), (96, 54)], None, 0),
    ],
)
def test_the_track_that_players_show(
    tmp_path: Path, sizes: list[tuple[int, int]], default: int | None, chosen: int
) -> None:
    path = write_tracks(tmp_path / "two.mkv", sizes, default)
    found = probe(path)
    assert (found.width, found.height) == sizes[chosen]
    frames = np.concatenate([b.frames for b in decode_ticks(path, FrameSpec(128, 128), HZ)])
    assert read_code(frames[2]) == 1000 * chosen + 3  # tick 2 is frame 3 of 30 a second


def test_frames_that_a_recorder_dropped_are_no_lost_play(tmp_path: Path) -> None:
    path = tmp_path / "drops.avi"
    stamps = [0]
    for i in range(1, 90):
        stamps.append(stamps[-1] + (1 if i % 3 else 3))
    with av.open(str(path), "w") as box:
        stream = box.add_stream("mjpeg", rate=30, options={"qscale": "3"})
        stream.width, stream.height, stream.pix_fmt = 192, 108, "yuvj420p"
        for number, pts in enumerate(stamps):
            code = draw_code(number, 192, 108)
            frame = av.VideoFrame.from_ndarray(code, format="rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = pts, Fraction(1, 30)
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    facts = InProcessDecoder().probe(path, HZ)
    assert (facts.frames, facts.ticks, facts.lost_ticks, facts.truncated) == (90, 99, 0, "")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])  # but a file that was cut is cut
    cut = InProcessDecoder().probe(path, HZ)
    assert cut.truncated
    assert cut.ticks + cut.lost_ticks > 90
