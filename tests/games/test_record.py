from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.video.resize import FrameResizer
from vidact.errors import ConfigError, RecordingError
from vidact.games.config import RecordDoomConfig
from vidact.games.doom.look import DoomLook
from vidact.games.doom.simulation import simulate, simulation_of
from vidact.games.doom.tracks import read_track
from vidact.games.fresh_play import Order, make
from vidact.games.record_doom import lay_out, record_doom
from vidact.games.workers import Worker, record_in_processes, working

from .conftest import need_vizdoom


def test_minutes_are_dealt_out_over_the_maps() -> None:
    chunks = lay_out(RecordDoomConfig(out="x", minutes=67.0))
    assert sum(c.tics for c in chunks) == 67 * 2100
    assert len(chunks) == 67
    assert len({c.map_name for c in chunks}) == 60
    assert len({c.name for c in chunks}) == 67
    assert max(c.tics for c in chunks) == 2100
    short = lay_out(RecordDoomConfig(out="x", minutes=10.0, maps="heldout"))
    assert len({c.map_name for c in short}) == 8
    assert [c.tics for c in lay_out(RecordDoomConfig(out="x", minutes=0.1, maps="E1M1"))] == [210]


def test_a_seed_draws_the_order_of_maps() -> None:
    def names(seed: int) -> list[str]:
        return [c.map_name for c in lay_out(RecordDoomConfig(out="x", minutes=5, seed=seed))]

    assert names(1) == names(1)
    assert names(1) != names(2)


@pytest.mark.parametrize(
    "field", [{"minutes": 0}, {"skill": 6}, {"width": 321}, {"maps": "E9M9"}, {"workers": -1}]
)
def test_wrong_settings_are_named(field: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(field))):
        RecordDoomConfig(out="x", **field)  # type: ignore[arg-type]


def test_recordings_are_complete_deterministic_and_reused(tmp_path: Path) -> None:
    need_vizdoom()

    def record(folder: str, jobs: int) -> dict[str, str]:
        config = RecordDoomConfig(
            out=str(tmp_path / folder),
            minutes=0.12,
            chunk_minutes=0.06,
            maps="E1M1,MAP01",
            workers=jobs,
        )
        assert record_doom(config) == 0
        return {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted((tmp_path / folder).iterdir())
        }

    first = record("a", 1)
    assert len(first) == 8  # two recordings of mp4, jsonl, meta and track
    assert record("b", 2) == first

    spec = ActionSpec.load("doom")
    for recording in find_recordings([str(tmp_path / "a")]):
        assert recording.num_frames == 126
        assert recording.fps == 35
        assert recording.meta["player"].startswith("scripted-")
        assert recording.meta["map"] in ("E1M1", "MAP01")
        assert {state.label_source for state in recording.states} == {"scripted"}
        actions = recording.actions(spec)
        assert actions.valid.all()
        assert actions.buttons[:, spec.button_names.index("forward")].mean() > 0.2
        track = read_track(recording.stem)
        assert track.shape == (126, 6)
        # The turn of line i happens between frames i and i + 1.
        turned = np.array([state.dx for state in recording.states]) * 0.15
        seen = -(np.diff(track[:, 3]) + 180) % 360 - 180
        assert np.abs(np.remainder(seen - turned[:-1] + 180, 360) - 180).max() < 0.05
    simulation = simulation_of(recording.meta, recording.stem)
    assert simulation is not None
    again = [one.frame.copy() for one in simulate(simulation, recording.states, DoomLook())]
    resizer = FrameResizer(spec.frame)
    played = np.stack([resizer.from_rgb(frame) for frame in again[::2]]).astype(int)
    filmed = np.concatenate([batch.frames for batch in recording.frames(spec)])
    assert np.abs(played - filmed).mean() < 3  # H.264 lies between them, and nothing else

    order = Order(tmp_path / "again", recording.stem, {"field_of_view": 110.0}, tics=30, seed=0)
    make(order)
    wider = Recording.open(order.stem)
    assert wider.states == recording.states[:30]
    assert (wider.meta["made_of"], wider.group) == (recording.sha256, recording.group)
    assert wider.varied == {"field_of_view": 110.0}
    seen = next(iter(wider.frames(spec))).frames.astype(int)
    assert np.abs(seen - filmed[: len(seen)]).mean() > 5

    kept = tmp_path / "a" / "doom-MAP01-s0-00.mp4"
    touched = kept.stat().st_mtime_ns
    (
        tmp_path / "a" / "doom-E1M1-s0-00.jsonl"
    ).unlink()  # as if the run had been stopped before it was finished
    assert record("a", 1) == first
    assert kept.stat().st_mtime_ns == touched
    with pytest.raises(ConfigError, match=r"recorded otherwise \(settings\)"):
        record_doom(
            RecordDoomConfig(
                out=str(tmp_path / "a"),
                minutes=0.12,
                chunk_minutes=0.06,
                maps="E1M1,MAP01",
                width=160,
                height=120,
            )
        )
    meta = json.loads((tmp_path / "a" / "doom-MAP01-s0-00.meta.json").read_text())
    assert (meta["game"], meta["spec"], meta["settings"]["skill"]) == ("doom", "doom", 2)


def test_fresh_play_is_decided_by_its_order(tmp_path: Path) -> None:
    need_vizdoom()
    size = {"width": 160, "height": 120}
    source = RecordDoomConfig(
        out=str(tmp_path), minutes=0.02, maps="E1M1", light=12, skill=3, workers=1, **size
    )
    assert record_doom(source) == 0
    stem = tmp_path / "doom-E1M1-s0-00"
    assert Recording.open(stem).varied == {"light": 12.0}

    def made(name: str, values: dict[str, float]) -> tuple[Recording, list[bytes]]:
        order = Order(tmp_path / name / "play", stem, values, tics=20, seed=3)
        make(order)
        files = (f"play{suffix}" for suffix in (".mp4", ".jsonl", ".meta.json"))
        return Recording.open(order.stem), [(tmp_path / name / one).read_bytes() for one in files]

    looks, speed = {"field_of_view": 70.0, "fog": 0.2}, {"fog": 0.2, "turn_speed": 1.5}
    for number, values in enumerate((looks, speed)):
        one, files = made(f"{number}-one", values)
        assert made(f"{number}-other", values)[1] == files
        # What is not varied stays as it was recorded.
        assert one.varied == {"light": 12.0, **values}
        assert (one.video.width, one.video.height) == (160, 120)
        assert simulation_of(Recording.open(stem).meta, stem).skill == 3
    assert one.meta["settings"]["skill"] == 3


JOBS = """
import os
from vidact.errors import RecordingError

def count(item):
    for _ in range(item):
        yield 1

def fail(item):
    yield 1
    if item == 2:
        raise RecordingError("the map fell over")

def die(item):
    yield 1
    os._exit(9)

def full(item):
    yield 1
    raise OSError(28, "No space left on device", "/play/a.mp4")
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Jobs in a module that worker processes can import."""
    (tmp_path / "recording_jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("recording_jobs_of_a_test")


def test_workers_report_all_frames(jobs: ModuleType) -> None:
    assert sum(record_in_processes(jobs.count, [3, 1, 2], 2, where="here")) == 6


def test_a_failing_recording_stops_the_run_with_its_reason(jobs: ModuleType) -> None:
    with pytest.raises(RecordingError, match="here: the map fell over"):
        list(record_in_processes(jobs.fail, [1, 2], 1, where="here"))


def test_a_full_disk_is_told_as_such(jobs: ModuleType) -> None:
    with pytest.raises(OSError, match=r"No space left on device: '/play/a\.mp4'"):
        list(record_in_processes(jobs.full, [1], 1, where="here"))


def test_a_dead_worker_is_noticed(jobs: ModuleType) -> None:
    with pytest.raises(RecordingError, match=r"recording 1 died \(exit code 9\)"):
        list(record_in_processes(jobs.die, [1], 1, where="here"))


ANSWERS = """
import os, time

def pid_and_echo(connection):
    connection.send(os.getpid())
    while (message := connection.recv()) is not None:
        connection.send(message)

def works_for_ever(connection, mark):
    try:
        connection.send(os.getpid())
        while True:
            time.sleep(0.01)
    finally:
        open(mark, "w").close()
"""


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What workers can run."""
    (tmp_path / "answers_of_a_test.py").write_text(ANSWERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("answers_of_a_test")


def test_signals_to_the_group_are_the_parents_to_answer(
    answers: ModuleType, tmp_path: Path
) -> None:
    echo = Worker(answers.pid_and_echo)
    busy = Worker(answers.works_for_ever, str(tmp_path / "cleaned-up"))
    with working([echo, busy]):
        for number in (signal.SIGTERM, signal.SIGINT):
            for process in (echo._process.pid, busy._process.pid):
                assert process is not None
                os.kill(process, number)  # also before it runs anything
        assert isinstance(echo.receive(), int)
        echo.send("still there")
        assert echo.receive() == "still there"
        assert isinstance(busy.receive(), int)
        assert busy._process.is_alive()
        busy.terminate()
        busy._process.join(10)
        assert (tmp_path / "cleaned-up").exists()


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "pass"])
def test_children_leave_with_their_parent(answers: ModuleType, tmp_path: Path, end: str) -> None:
    """One that is killed, and one that ends without having closed them."""
    parent = (
        "import os, sys, answers_of_a_test as answers\n"
        "from vidact.games.workers import Worker\n"
        "if __name__ == '__main__':\n"
        "    worker = Worker(answers.works_for_ever, sys.argv[1])\n"
        "    worker.receive()\n"
        f"    {end}\n"
    )
    (tmp_path / "parent.py").write_text(parent)
    mark = tmp_path / "cleaned-up"
    subprocess.run(
        [sys.executable, str(tmp_path / "parent.py"), str(mark)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )
    for _ in range(100):
        if mark.exists():
            return
        time.sleep(0.1)
    pytest.fail("the child works on without a parent")
