"""Lives in a recording: no clip holds two of them, and a memory is empty where one begins."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import PackConfig
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.loading.recordings import RecordingLoader
from vidact.datasets.pack import pack
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.errors import DatasetError

# At two frames a tick. A life that begins within tick 80 has its first own tick after that; the
# last one, of 20 ticks, is too short for a clip.
STARTS = (161, 360)
FRAMES = 400
LIVES = [(0, 81), (81, 180), (180, 200)]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("play")
    with RecordingWriter(folder / "lives", fps=Fraction(35), size=(64, 48)) as writer:
        for number in range(FRAMES):
            grey = np.full((48, 64, 3), 20 + number % 200, np.uint8)
            writer.write(grey, DeviceState(first=number in STARTS))
    return folder


def test_the_start_of_a_life_is_in_its_line(play: Path) -> None:
    recording = Recording.open(play / "lives")
    assert [n for n, state in enumerate(recording.states) if state.first] == list(STARTS)
    assert recording.episodes(ActionSpec.load("doom")) == LIVES
    assert '"first"' not in DeviceState().to_json(0)  # as recordings of before are


def test_packed_lives_are_episodes(
    play: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = PackConfig(recordings=(str(play),), out=str(tmp_path), val_fraction=0, test_fraction=0)
    assert pack(config) == 0
    assert "1 episodes are shorter than 32 ticks and give no clip" in capsys.readouterr().err
    assert check_dataset(Dataset(str(tmp_path))).problems == []
    rows = sorted(Dataset(str(tmp_path)).manifest().to_pylist(), key=lambda row: row["start_tick"])
    ranges = [(row["start_tick"], row["start_tick"] + row["frames"]) for row in rows]
    assert ranges == LIVES[:2]
    assert len({row["episode_id"] for row in rows}) == 2
    loader = ClipLoader([str(tmp_path)], batch_size=1, ticks=27, order="episodes")
    starts = [(int(batch.keys[0][-9:]), bool(batch.first[0, 0])) for batch in loader]
    # 81 ticks are three pieces, 99 are four: each life begins anew, and goes on.
    by_life = {begin: [first for at, first in starts if at == begin] for begin in (0, 81)}
    assert by_life == {0: [True, False, False], 81: [True, False, False, False]}


def unmarked(folder: Path, player: str) -> Path:
    """Play of two lives at the ticks' rate, as recorders wrote it that did not mark them."""
    meta = {"player": player, "spec": "crafter"}
    with RecordingWriter(folder / "play", fps=Fraction(10), size=(72, 72), meta=meta) as writer:
        for number in range(120):
            state = DeviceState(keys=("key.keyboard.w",), label_source="scripted")
            if number == 49:  # the last picture of a life
                state = DeviceState(valid=False, label_source="scripted")
            elif number == 80:  # the game did not obey
                state = replace(state, valid=False)
            writer.write(np.full((72, 72, 3), number, np.uint8), state)
    return folder


def test_lives_of_unmarked_recordings_are_derived(tmp_path: Path) -> None:
    config = PackConfig(
        recordings=(str(unmarked(tmp_path / "old", "scripted-1")),),
        out=str(tmp_path / "data"),
        val_fraction=0,
        test_fraction=0,
    )
    assert pack(config) == 0
    rows = sorted(Dataset(config.out).manifest().to_pylist(), key=lambda row: row["start_tick"])
    found = [(row["start_tick"], row["start_tick"] + row["frames"]) for row in rows]
    assert found == [(0, 50), (50, 120)]
    loader = ClipLoader([config.out], batch_size=1, ticks=32, order="episodes", drop_last=False)
    begun = {int(batch.keys[0][-9:]) for batch in loader if batch.first[0, 0]}
    assert begun == {0, 50}
    spec = ActionSpec.load("crafter")
    people = Recording.open(unmarked(tmp_path / "people", "someone") / "play")
    assert people.episodes(spec, derived=True) == [(0, 120)]


def test_a_dataset_that_joined_lives_goes_on_as_it_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PackConfig(
        recordings=(str(unmarked(tmp_path / "old", "scripted-1")),),
        out=str(tmp_path / "data"),
        val_fraction=0,
        test_fraction=0,
        shard_clips=1,
    )
    with monkeypatch.context() as before:
        before.setattr(Recording, "_after_deaths", lambda recording: [])
        assert pack(config) == 0
    rows = Dataset(config.out).manifest().to_pylist()
    assert pack(config) == 0
    assert Dataset(config.out).manifest().to_pylist() == rows
    with pytest.raises(DatasetError, match="made from other recordings or options"):
        pack(replace(config, chroma="444"))


def test_recordings_are_played_life_by_life(play: Path) -> None:
    spec = ActionSpec.load("doom")
    loader = RecordingLoader([play], spec, batch_size=1, ticks=64, drop_last=False)
    found = [
        (int(batch.keys[0].split(":")[-1]), int(batch.ticks[0]), bool(batch.first[0, 0]))
        for batch in loader
    ]
    first_life, second_life = [(0, 64, True), (64, 17, False)], [(81, 64, True), (145, 35, False)]
    assert found == [*first_life, *second_life, (180, 20, True)]
