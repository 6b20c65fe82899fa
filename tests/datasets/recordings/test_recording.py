"""Recordings: written and read back, phases, what belongs to which tick, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording, find_recordings, find_stems, spec_of
from vidact.datasets.recordings.writer import RecordingWriter, make_folder
from vidact.errors import ConfigError, RecordingError, VideoError

from ..corpus import draw_code, read_code

DOOM = ActionSpec.load("doom")
FORWARD = DOOM.button_names.index("forward")


def record(stem: Path, frames: int = 71, fps: str = "35", **meta: object) -> Recording:
    """Frame i shows the number i; then the mouse moves i pixels right, and forward is held
    after odd frames.
    """
    with RecordingWriter(stem, fps=Fraction(fps), size=(192, 108), meta=meta) as writer:
        for i in range(frames):
            keys = ("key.keyboard.w",) if i % 2 else ()
            writer.write(
                draw_code(i, 192, 108), DeviceState(keys=keys, dx=i, dy=-0.5, valid=i != 10)
            )
    return Recording.open(stem)


def numbers(recording: Recording, phase: int, **options: int) -> list[int]:
    return [
        read_code(f) for batch in recording.frames(DOOM, phase, **options) for f in batch.frames
    ]


def test_written_and_read(tmp_path: Path) -> None:
    recording = record(tmp_path / "deep" / "e1m1.seed-3", game="doom", seed=3)
    assert (recording.name, recording.num_frames, recording.fps) == (
        "e1m1.seed-3",
        71,
        Fraction(35),
    )
    assert recording.meta == {
        "game": "doom",
        "seed": 3,
        "fps": "35",
        "width": 192,
        "height": 108,
        "frames": 71,
    }
    assert len(recording.sha256) == 64
    assert [state.dx for state in recording.states] == list(range(71))
    assert sorted(p.name for p in recording.path.parent.iterdir()) == [
        "e1m1.seed-3.jsonl",
        "e1m1.seed-3.meta.json",
        "e1m1.seed-3.mp4",
    ]


def test_phases(tmp_path: Path) -> None:
    recording = record(tmp_path / "r")
    assert recording.phases(DOOM) == 2
    for phase in (0, 1):
        shown, actions = numbers(recording, phase), recording.actions(DOOM, phase)
        ticks = 36 - phase  # 71 frames: phase 0 has a last tick of which only half was recorded
        assert shown == list(range(phase, 71, 2))
        assert len(actions.buttons) == recording.num_ticks(DOOM, phase) == ticks
        pixels = [sum(range(i, min(i + 2, 71))) for i in range(phase, 71, 2)]
        np.testing.assert_allclose(actions.camera[:, 1], np.array(pixels) * 0.15, rtol=1e-5)
        np.testing.assert_allclose(actions.camera[:35, 0], -0.15, rtol=1e-5)
        held = actions.buttons[:, FORWARD]
        assert held[:35].all()  # one of the two frames of a tick is enough
        # Frame 10 is invalid and lies in tick 5 or 4; the half recorded last tick of phase 0 is
        # invalid too.
        assert np.flatnonzero(~actions.valid).tolist() == ([4] if phase else [5, 35])


def test_any_tick_can_be_reached(tmp_path: Path) -> None:
    recording = record(tmp_path / "r", frames=300)
    assert numbers(recording, 1, start_tick=97, end_tick=103) == list(range(195, 207, 2))


@pytest.mark.parametrize("fps", ["17.5", "30", "30000/1001", "60", "35"])
def test_other_rates_keep_every_pixel(tmp_path: Path, fps: str) -> None:
    recording = record(tmp_path / "r", frames=90, fps=fps)
    assert abs(recording.fps - Fraction(fps)) < Fraction(1, 1000)
    actions = recording.actions(DOOM)
    assert actions.camera[:, 1].sum() == pytest.approx(sum(range(90)) * 0.15, rel=1e-5)
    # A tick holds what was done from its frame on: frame numbers shown are the sums of states
    # before them.
    before = np.concatenate([[0], np.cumsum(actions.camera[:, 1])[:-1]]) / 0.15
    for shown, pixels in zip(numbers(recording, 0), before, strict=True):
        assert sum(range(shown)) == pytest.approx(pixels, abs=0.05)


def test_slower_than_the_ticks(tmp_path: Path) -> None:
    recording = record(tmp_path / "r", fps="10")
    with pytest.raises(RecordingError, match=r"10 frames/s is slower than the 17\.5 ticks/s"):
        recording.actions(DOOM)


def test_a_failed_recording_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with RecordingWriter(tmp_path / "r", fps=Fraction(35), size=(64, 64)) as writer:
            writer.write(np.zeros((64, 64, 3), np.uint8), DeviceState())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with pytest.raises(RecordingError, match="no frames"):
        RecordingWriter(tmp_path / "r", fps=Fraction(35), size=(64, 64)).close()
    assert list(tmp_path.iterdir()) == []


def test_writer_refuses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="even"):
        RecordingWriter(tmp_path / "r", fps=Fraction(35), size=(63, 64))
    with pytest.raises(ConfigError, match="fps"):
        RecordingWriter(tmp_path / "r", fps=Fraction(0), size=(64, 64))
    with pytest.raises(ConfigError, match="terms are at most 2147483647"):
        RecordingWriter(tmp_path / "r", fps=Fraction("29.97002997002997"), size=(64, 64))
    with pytest.raises(ConfigError, match="16 to 16384 pixels a side, got 20000x64"):
        RecordingWriter(tmp_path / "r", fps=Fraction(20), size=(20_000, 64))
    writer = RecordingWriter(tmp_path / "r", fps=Fraction(35), size=(64, 64))
    with pytest.raises(
        RecordingError, match=r"frame 0: expected uint8 \[64, 64, 3\], got uint8 \[64, 65, 3\]"
    ):
        writer.write(np.zeros((64, 65, 3), np.uint8), DeviceState())
    writer.discard()


@pytest.mark.parametrize("late", [False, True])
def test_a_full_disk_leaves_no_halves(tmp_path: Path, late: bool) -> None:
    def write() -> None:
        with RecordingWriter(tmp_path / "r", fps=Fraction(35), size=(64, 64)) as writer:
            writer._lines.close()
            writer._lines = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
            writer.write(np.zeros((64, 64, 3), np.uint8), DeviceState())
            if not late:
                raise RecordingError("the video is full")

    expected = (OSError, "No space left") if late else (RecordingError, "the video is full")
    with pytest.raises(expected[0], match=expected[1]):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writers_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "deep/r", fps=Fraction(35), size=(64, 64))
    alive = {path.name for path in (tmp_path / "deep").iterdir()}
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in alive:
        killed = name.replace(f"-{os.getpid()}-", f"-{dead.pid}-")
        (tmp_path / "deep" / killed).write_bytes(b"half")
    assert make_folder(tmp_path) == tmp_path
    assert {path.name for path in (tmp_path / "deep").iterdir()} == alive
    writer.discard()


def test_finding(tmp_path: Path) -> None:
    for name in ("b", "a", "deep/c"):
        record(tmp_path / name, frames=20)
    (tmp_path / "lonely.mp4").write_bytes(b"")
    assert [r.name for r in find_recordings([tmp_path])] == ["a", "b", "c"]
    assert [r.name for r in find_recordings([tmp_path / "b.mp4", tmp_path / "a"])] == ["a", "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="no recordings"):
        find_recordings([tmp_path / "empty"])
    with pytest.raises(RecordingError, match="no folder and no recording of this name"):
        find_recordings([tmp_path / "nothing"])


def test_half_written_and_dotted_names(tmp_path: Path) -> None:
    record(tmp_path / "8.0-run", frames=20)
    for suffix in (".mp4", ".jsonl", ".meta.json"):
        path = tmp_path / f"8.0-run{suffix}"
        (tmp_path / f".doom-x{suffix}.host-123-01234567.tmp").write_bytes(path.read_bytes())
    assert find_stems([tmp_path]) == [tmp_path / "8.0-run"]
    for name in ("8.0-run", "8.0-run.mp4", "8.0-run.jsonl", "8.0-run.meta.json"):
        assert find_stems([tmp_path / name]) == [tmp_path / "8.0-run"]
    assert [r.name for r in find_recordings([tmp_path / "8.0-run"])] == ["8.0-run"]


def test_frames_and_lines_must_match(tmp_path: Path) -> None:
    record(tmp_path / "r", frames=20)
    lines = (tmp_path / "r.jsonl").read_text().splitlines()
    (tmp_path / "r.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(RecordingError, match="20 frames in the mp4 but 19 lines"):
        Recording.open(tmp_path / "r")


@pytest.mark.parametrize("content", [b"{nope", b"", b"\xff\xfe\x00", b"[1, 2]", b"[" * 100_000])
def test_a_damaged_meta_file(tmp_path: Path, content: bytes) -> None:
    record(tmp_path / "r", frames=20)
    (tmp_path / "r.meta.json").write_bytes(content)
    with pytest.raises(
        RecordingError, match=r"r\.meta\.json: is damaged \(.*\); fix it, or delete it"
    ):
        Recording.open(tmp_path / "r")
    (tmp_path / "r.meta.json").unlink()
    assert Recording.open(tmp_path / "r").meta == {}


def test_labels_have_a_hash_of_their_own(tmp_path: Path) -> None:
    before = record(tmp_path / "r", frames=20)
    lines = (tmp_path / "r.jsonl").read_text()
    assert before.labels_sha256 == hashlib.sha256(lines.encode()).hexdigest()
    (tmp_path / "r.jsonl").write_text(lines.replace('"dx":3', '"dx":4'))
    after = Recording.open(tmp_path / "r")
    assert after.sha256 == before.sha256
    assert after.labels_sha256 != before.labels_sha256


def test_a_file_cut_short_is_no_recording(tmp_path: Path) -> None:
    record(tmp_path / "r", frames=200)
    content = (tmp_path / "r.mp4").read_bytes()
    (tmp_path / "r.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError):
        Recording.open(tmp_path / "r")


def test_lines_are_vpt_s(tmp_path: Path) -> None:
    record(tmp_path / "r", frames=20)
    line = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[3])
    assert line["mouse"]["dx"] == 3
    assert line["keyboard"]["keys"] == ["key.keyboard.w"]
    assert line["isGuiOpen"] is False
    assert line["tick"] == 3


def test_the_spec_is_the_one_that_the_recordings_name(tmp_path: Path) -> None:
    crafter, doom = (
        record(tmp_path / "c", frames=20, spec="crafter"),
        record(tmp_path / "d", frames=20, spec="doom"),
    )
    nameless = record(tmp_path / "n", frames=20)
    assert spec_of([crafter, nameless]).name == "crafter"
    assert spec_of([nameless]).name == "doom"
    of_a_screen = record(tmp_path / "s", frames=20, recorder="screen-1")
    with pytest.raises(RecordingError, match=r"give one with --spec \(`vidact spec infer`"):
        spec_of([of_a_screen])
    assert spec_of([of_a_screen], "doom").name == "doom"
    assert spec_of([crafter, doom], "minecraft").name == "minecraft"
    with pytest.raises(RecordingError, match=r"2 specs \(crafter, doom\): choose one with --spec"):
        spec_of([crafter, doom])
