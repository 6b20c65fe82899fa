"""Tasks recorded as they are scored: an episode a recording, mortal, from the task's start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.errors import ConfigError
from vidact.games import recorder
from vidact.games.config import RecordDoomConfig
from vidact.games.doom.exploring import turn_between
from vidact.games.doom.game import Situation, Thing
from vidact.games.doom.medikits import MedikitWalker
from vidact.games.doom.navigation import WalkGrid
from vidact.games.doom.tracks import read_track
from vidact.games.doom.wad import Wad
from vidact.games.record_doom import record_doom
from vidact.games.recorder import Wanted, record_episodes

from .conftest import map_lumps, need_vizdoom, write_wad

MAZE = """
name: short_maze
game: doom
description: A second in the maze.
score: a cell
counts: cells
seconds: 1
maps: my_way_home
start: {x: 544, y: -672}
"""
LENGTHS = (30, 10, 50, 20, 40, 50)


def fake_recorder(monkeypatch: pytest.MonkeyPatch, behind: int) -> list[int]:
    """Recordings without a game, of LENGTHS; each ends when `behind` others have been begun."""
    made: list[int] = []

    def in_turn(job: Any, items: Any, processes: int, **_: object) -> Iterator[int]:
        under_way: list[Any] = []

        def finish() -> int:
            stem, number = under_way.pop(0)
            for suffix in (".mp4", ".jsonl"):
                stem.with_name(stem.name + suffix).touch()
            meta = {"number": number, "frames": LENGTHS[number]}
            stem.with_name(stem.name + ".meta.json").write_text(json.dumps(meta))
            made.append(number)
            return LENGTHS[number]

        for item in items:
            if item is None:
                yield finish()
                continue
            under_way.append(item)
            if len(under_way) > behind:
                yield finish()
        while under_way:
            yield finish()

    monkeypatch.setattr(recorder, "record_in_processes", in_turn)
    return made


@pytest.mark.parametrize("behind", [0, 1, 3])
def test_episodes_are_recorded_until_there_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    """30 + 10 + 50 are not 100 frames yet, with 20 more they are: four, however many at a time."""
    made = fake_recorder(monkeypatch, behind)

    def wanted(number: int) -> Wanted:
        stem = tmp_path / f"e{number}"
        return Wanted(stem, 50, {"number": number}, (stem, number))

    def record() -> None:
        job: Any = None  # what it does is faked
        assert record_episodes("x", job, wanted, frames=100, out=tmp_path, jobs=1) == 0

    record()
    assert made == [0, 1, 2, 3]
    (tmp_path / "e1.jsonl").unlink()  # as if it had been stopped there
    record()
    assert made == [0, 1, 2, 3, 1]
    record()
    assert len(made) == 5


def test_a_task_is_recorded_from_its_start_to_its_end(tmp_path: Path) -> None:
    need_vizdoom()
    (tmp_path / "maze.yaml").write_text(MAZE)
    config = RecordDoomConfig(
        out=str(tmp_path / "play"),
        task=str(tmp_path / "maze.yaml"),
        minutes=0.02,
        workers=2,
        mouse_speed=1.5,
    )
    assert record_doom(config) == 0
    recordings = find_recordings([config.out])
    assert [r.num_frames for r in recordings] == [35, 35]  # 42 tics are wanted
    tracks = [read_track(r.stem) for r in recordings]
    for recording, track in zip(recordings, tracks, strict=True):
        assert np.abs(track[0, :2] - (544, -672)).max() < 2
        assert recording.meta["truncated"]
        assert recording.meta["task"] == "short_maze"
        assert recording.varied == {"turn_speed": 1.5}
        # 35 tics are 17 ticks and a half.
        assert recording.actions(ActionSpec.load("doom")).valid[:-1].all()
    assert recordings[0].group != recordings[1].group
    assert not np.array_equal(tracks[0], tracks[1])


def test_what_the_task_decides_cannot_be_set() -> None:
    with pytest.raises(ConfigError, match="skill, immortal: the task 'explore' decides them"):
        RecordDoomConfig(out="x", task="explore", skill=4, immortal=False)
    need_vizdoom()
    with pytest.raises(ConfigError, match="'crafter' is of crafter, and this records Doom"):
        record_doom(RecordDoomConfig(out="x", task="crafter"))


def test_the_walker_turns_to_the_nearest_medikit(tmp_path: Path) -> None:
    room = write_wad(tmp_path / "room.wad", map_lumps("E1M1", [(-600, 600, -600, 600, 0, 128)]))

    def situation(angle: float) -> Situation:
        nothing = (False,) * 8, (0,) * 8
        return Situation(0, 0, 0, angle, 0, 100, 1, *nothing, kills=0, dead=False)

    kits = [
        Thing(i, "Medikit", "Health", x, y, 0.0) for i, (x, y) in enumerate([(500, 0), (0, 90)])
    ]
    walker, angle = MedikitWalker(WalkGrid(Wad(room).map("E1M1")), 1), 0.0
    walked = False
    for _ in range(70):
        given = walker.act(situation(angle), kits if walker.looks else None)
        angle -= given.dx * 0.15
        walked |= "key.keyboard.w" in given.keys
    assert abs(turn_between(angle, 90.0)) < 12
    assert walked
