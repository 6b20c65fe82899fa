"""Fresh play in a training: what a killed run has made is taken up again, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording, find_recordings
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.games import fresh_play
from vidact.games.doom.simulation import engine_version
from vidact.games.fresh_play import Order, is_made
from vidact.idm.config import TrainIDMConfig
from vidact.idm.fitting import trainer
from vidact.idm.randomizing.fresh import FreshPlay, can_be_simulated, name_of
from vidact.idm.train_idm import train_idm
from vidact.networks.checkpoints import load_checkpoint
from vidact.randomize.config import ADRConfig
from vidact.randomize.log import read_log

from ..toy_training import losses_of, settings, train_until_killed

SUITE = """
name: toy
game: doom
parameters:
  fog: {where: render, nominal: 0, limits: [0, 0.5]}
  haze: {where: pixels, nominal: 0, limits: [0, 0.5]}
"""


class Recorders:
    """Makes toy play at once: as the game would draw it, whiter by its fog."""

    made: list[str] = []  # noqa: RUF012 - over all of them
    core_s = 0.0

    def __init__(self, processes: int):
        pass

    def order(self, orders: Iterable[Order]) -> None:
        for order in orders:
            if not is_made(order):
                self.made.append(order.stem.name)
                draw(order)

    def wait_for(self, stems: Sequence[Path]) -> None:
        assert all(stem.with_name(f"{stem.name}.jsonl").is_file() for stem in stems)

    def close(self) -> None:
        pass


def draw(order: Order) -> None:
    source = Recording.open(order.source)
    size = (source.video.width, source.video.height)
    with RecordingWriter(order.stem, fps=source.fps, size=size) as writer:
        for number, state in enumerate(source.states):
            gray = np.uint8(255 * order.values["fog"] + number % 20)
            writer.write(np.full((size[1], size[0], 3), gray), state)


@pytest.fixture(autouse=True)
def _toy_recorders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_play, "Recorders", Recorders)
    monkeypatch.setattr(Recorders, "made", [])


@pytest.fixture
def play(record_toy: Callable[..., Path], tmp_path: Path) -> Path:
    folder = tmp_path / "play"
    for seed in range(3):
        stem = record_toy(folder, f"toy-{seed}", frames=120, seed=seed)
        say(stem, engine_version())
    return folder


def say(stem: Path, engine: str) -> None:
    """Have a recording say that the game can play it again."""
    simulation = {"map": "E1M1", "seed": 1, "skill": 2, "engine": engine, "lives": [{"frame": 0}]}
    stem.with_name(f"{stem.name}.meta.json").write_text(json.dumps({"simulation": simulation}))


@pytest.fixture
def randomized(play: Path, spec_file: str, tmp_path: Path) -> Callable[..., TrainIDMConfig]:
    (tmp_path / "suite.yaml").write_text(SUITE)
    values = {
        "randomize": "adr",
        "suite": str(tmp_path / "suite.yaml"),
        # Every test widens, from the first one on.
        "adr": ADRConfig(samples=2, test_every=2, margin=0.0, widen=1e-9, narrow=0.0),
        "steps": 12,
        "save_every": 1e-6,
    }
    return lambda name, **more: settings(play, tmp_path / name, spec_file, **{**values, **more})


def outcome(config: TrainIDMConfig) -> tuple[Any, ...]:
    checkpoint = load_checkpoint(config.out)
    rows = [{**row, "elapsed_s": 0} for row in read_log(Path(config.out))[2]]
    return checkpoint.config["randomize"], rows, losses_of(Path(config.out))


def test_a_killed_run_with_fresh_play_goes_on_to_the_last_bit(
    randomized: Callable[..., TrainIDMConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = randomized("whole"), randomized("killed")
    assert train_idm(whole) == 0
    assert any(name.startswith("play-") for name in Recorders.made)
    assert any(name.startswith("test-") for name in Recorders.made)
    train_until_killed(killed, monkeypatch, step=9)
    fresh = Path(killed.out) / "fresh"
    held = {path.name for path in fresh.glob("play-*.jsonl")}
    assert held
    # Some is lost, and some was made for rounds that are going to be done again.
    next(fresh.glob("play-*.jsonl")).unlink()
    (fresh / "play-000099-0123456789ab.jsonl").write_text("{}\n")
    (fresh / ".play-000098-0123456789ab.77.partial.mp4").write_bytes(b"half")
    (fresh / "cache" / "0123456789abcdef-0123456789abcdef-0.frames").write_bytes(b"old")
    left: set[str] = set()
    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "train_step", watched(fresh, left))
        assert train_idm(killed) == 0
    assert held <= left
    assert not any("000099" in name or "000098" in name or "0123456789ab" in name for name in left)
    assert outcome(killed) == outcome(whole)
    one, other = (load_checkpoint(config.out).state for config in (whole, killed))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert not fresh.exists()


def watched(folder: Path, left: set[str]) -> Callable[..., Any]:
    """The step of a training, which first notes what lies in a folder."""
    step = trainer.Trainer.train_step

    def first_looks(*args: Any) -> Any:
        if not left:
            left.update(path.name for path in folder.rglob("*"))
        return step(*args)

    return first_looks


def test_what_another_run_left_under_a_number_is_not_taken(
    randomized: Callable[..., TrainIDMConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, apart = (randomized(name, randomize="fixed:1", steps=4) for name in ("out", "apart"))

    def dies(*args: Any) -> float:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "clip_gradients", dies)
        with pytest.raises(RuntimeError, match="killed"):
            train_idm(replace(config, seed=1))
    assert list((Path(config.out) / "fresh").glob("play-000000-*.jsonl"))
    # It left no snapshot, so that nobody knows of it.
    assert train_idm(config) == 0
    assert train_idm(apart) == 0
    assert losses_of(Path(config.out)) == losses_of(Path(apart.out))


def test_what_is_being_made_is_not_removed(
    randomized: Callable[..., TrainIDMConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Recorders):
        def order(self, orders: Iterable[Order]) -> None:
            for order in orders:
                order.stem.with_name(f".{order.stem.name}.1.partial.mp4").write_bytes(b"half")
                super().order([order])

    monkeypatch.setattr(fresh_play, "Recorders", Slow)
    config, left = randomized("out", randomize="fixed:1", steps=1), set[str]()
    monkeypatch.setattr(trainer.Trainer, "train_step", watched(Path(config.out) / "fresh", left))
    assert train_idm(config) == 0
    assert any(name.startswith(".play-000000-") for name in left)


def test_a_recording_that_lacks_a_file_is_not_made(tmp_path: Path) -> None:
    order = Order(tmp_path / "play", tmp_path, {}, 1, 0)
    for name in ("play.jsonl", "play.mp4"):
        (tmp_path / name).touch()
        assert not is_made(order)
    (tmp_path / "play.meta.json").touch()
    assert is_made(order)


def test_names_tell_recordings_apart() -> None:
    one = {"source": "a", "values": {"fog": 0.1}}
    assert name_of("play-1", one) == name_of("play-1", dict(reversed(one.items())))
    assert name_of("play-1", one) != name_of("play-1", {**one, "values": {"fog": 0.2}})


def test_play_of_another_engine_is_not_simulated(play: Path) -> None:
    say(play / "toy-1", "vizdoom 0.0.1")
    recordings = find_recordings([str(play)])
    assert [one.name for one in can_be_simulated(recordings)] == ["toy-0", "toy-2"]


def test_what_is_kept_of_a_folder_is_what_is_named(tmp_path: Path, toy_spec: ActionSpec) -> None:
    fresh = FreshPlay(tmp_path, toy_spec, [], 1)
    (tmp_path / "cache").mkdir()
    for name in ("a.mp4", "a.meta.json", "b.mp4", ".a.1.partial.mp4", "cache/0f.frames"):
        (tmp_path / name).write_bytes(b"")
    fresh.keep(["a"])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "a.meta.json",
        "a.mp4",
    ]
