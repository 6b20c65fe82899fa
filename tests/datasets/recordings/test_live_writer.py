"""What is written while play goes on is there however its process ends."""

from __future__ import annotations

import json
import os
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.recordings.live_writer import LiveWriter, abandoned, finish_abandoned
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.video.frames import decode_frames
from vidact.errors import RecordingError

SIZE = (64, 48)


def picture(number: int) -> np.ndarray:
    """BGRX, of a shade that grows with its number."""
    return np.full((SIZE[1], SIZE[0], 4), 4 * number, np.uint8)


def begin(stem: Path, frames: int, lines: int) -> LiveWriter:
    writer = LiveWriter(stem, fps=Fraction(20), size=SIZE, meta={"spec": "minecraft"})
    for number in range(frames):
        writer.add_picture(picture(number))
    for number in range(lines):
        writer.add_line(DeviceState(dx=number))
    return writer


def shades(recording: Recording) -> list[int]:
    frames = decode_frames(recording.video, FrameSpec(*SIZE), np.arange(recording.num_frames))
    return [round(float(frame.mean()) / 4) for _, frame in frames]


def test_a_closed_one_is_an_ordinary_recording(tmp_path: Path) -> None:
    writer = begin(tmp_path / "a", 5, 3)
    writer.repeat_picture()
    assert not list(tmp_path.glob("[!.]*"))  # hidden until it is whole
    assert abandoned(tmp_path) == []  # it is being written
    with pytest.raises(RecordingError, match="another process"):
        LiveWriter(tmp_path / "a", fps=Fraction(20), size=SIZE)
    writer.close()
    recording = Recording.open(tmp_path / "a")
    assert shades(recording) == [0, 1, 2, 3, 4, 4]
    assert [state.dx for state in recording.states] == [0, 1, 2, 0, 0, 0]
    assert [state.valid for state in recording.states] == [True] * 3 + [False] * 3
    assert (recording.fps, recording.meta["frames"]) == (20, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.meta.json", "a.mp4"]


def test_a_death_costs_what_was_not_written(tmp_path: Path) -> None:
    if (child := os.fork()) == 0:
        begin(tmp_path / "a", 9, 8)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert abandoned(tmp_path) == [tmp_path / "a"]
    # The muxer waits with a picture until it knows how long it stands.
    assert finish_abandoned(tmp_path) == {tmp_path / "a": 8}
    recording = Recording.open(tmp_path / "a")
    assert shades(recording) == list(range(8))
    assert recording.meta["cut_off"] is True
    assert recording.meta["spec"] == "minecraft"
    assert finish_abandoned(tmp_path) == {}
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("bytes_lost", [1, 40, 300])
def test_files_that_end_anywhere_are_read_up_to_there(tmp_path: Path, bytes_lost: int) -> None:
    writer = begin(tmp_path / "a", 12, 12)
    writer.leave()
    for suffix in (".mp4", ".jsonl"):
        live = tmp_path / f".a.live{suffix}"
        os.truncate(live, live.stat().st_size - bytes_lost)
    (frames,) = finish_abandoned(tmp_path).values()
    assert 9 <= frames <= 11
    assert shades(Recording.open(tmp_path / "a")) == list(range(frames))


def test_of_what_holds_no_frame_nothing_is_left(tmp_path: Path) -> None:
    begin(tmp_path / "a", 0, 0).leave()
    begin(tmp_path / "b", 3, 0).leave()
    assert finish_abandoned(tmp_path) == {tmp_path / "a": 0, tmp_path / "b": 0}
    assert list(tmp_path.iterdir()) == []


def test_latency_moves_what_was_done_to_where_it_is_seen(tmp_path: Path) -> None:
    writer = begin(tmp_path / "a", 6, 5)
    writer.close()
    raw = Recording.open(tmp_path / "a")
    meta = tmp_path / "a.meta.json"
    meta.write_text(json.dumps({"latency_ms": 95}))  # 1.9 frames of 50 ms
    moved = Recording.open(tmp_path / "a")
    assert [state.dx for state in moved.states] == [0, 0, 0, 1, 2, 3]
    assert [state.valid for state in moved.states] == [False, False, True, True, True, False]
    assert moved.labels_sha256 != raw.labels_sha256
    meta.write_text(json.dumps({"latency_ms": -95}))
    moved = Recording.open(tmp_path / "a")
    assert [state.dx for state in moved.states] == [2, 3, 4, 0, 0, 0]
    assert [state.valid for state in moved.states] == [True, True, True, False, False, False]
    meta.write_text(json.dumps({"latency_ms": 20}))
    assert Recording.open(tmp_path / "a").labels_sha256 == raw.labels_sha256
    meta.write_text(json.dumps({"latency_ms": "long"}))
    with pytest.raises(
        RecordingError, match=r"latency_ms must be a number from -5000 to 5000, got 'long'"
    ):
        Recording.open(tmp_path / "a")
