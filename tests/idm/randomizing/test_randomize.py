"""`train-idm --randomize`: ranges grow by tests on validation play, and a killed run goes on
exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.errors import ConfigError
from vidact.idm.config import TrainIDMConfig
from vidact.idm.play.frame_cache import open_tracks
from vidact.idm.play.look import ClipLook
from vidact.idm.randomizing.exam import share_right
from vidact.idm.randomizing.randomization import usable
from vidact.idm.scores.metrics import Truth
from vidact.idm.train_idm import train_idm
from vidact.networks.checkpoints import load_checkpoint
from vidact.randomize.config import ADRConfig
from vidact.randomize.log import read_log
from vidact.randomize.parameters import load_suite

from ..toy_training import losses_of, settings, train_until_killed

SUITE = """
name: toy
parameters:
  gamma: {where: pixels, nominal: 1, limits: [0.5, 2], scale: log}
  haze: {where: pixels, nominal: 0, limits: [0, 0.5]}
  source_fps: {where: capture, nominal: 144, limits: [8, 144], scale: log}
"""


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "toy-suite.yaml"
    path.write_text(SUITE)
    return str(path)


Randomized = Callable[..., TrainIDMConfig]


@pytest.fixture
def randomized(toy_folder: Path, spec_file: str, suite: str, tmp_path: Path) -> Randomized:
    # Decisions from the first test on, though the toy can do nothing after ten steps.
    adr = ADRConfig(samples=3, test_every=2, margin=0.0)

    def config(name: str, **changes: Any) -> TrainIDMConfig:
        values = {"randomize": "adr", "suite": suite, "adr": adr, "steps": 6, **changes}
        return settings(toy_folder, tmp_path / name, spec_file, **values)

    return config


def rows(out: Path) -> list[dict[str, Any]]:
    return [{**row, "elapsed_s": 0} for row in read_log(out)[2]]


def test_a_killed_run_goes_on_to_the_last_bit(
    randomized: Randomized, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = (randomized(name, save_every=1e-6) for name in ("whole", "killed"))
    assert train_idm(whole) == 0
    train_until_killed(killed, monkeypatch, step=3)  # in the middle of a round
    assert train_idm(killed) == 0
    one, other = (load_checkpoint(config.out) for config in (whole, killed))
    assert all(torch.equal(tensor, other.state[name]) for name, tensor in one.state.items())
    assert one.config["randomize"] == other.config["randomize"]
    assert rows(Path(whole.out)) == rows(Path(killed.out))
    assert losses_of(Path(whole.out)) == losses_of(Path(killed.out))
    state = one.config["randomize"]
    assert state["adr"]["tests"] == 3
    assert state["suite"]["parameters"]["gamma"]["limits"] == [0.5, 2.0]
    assert {row["outcome"] for row in rows(Path(whole.out))} <= {"widened", "narrowed", "kept"}
    assert rows(Path(whole.out))


def test_fixed_ranges_stay_and_training_goes_on_from_them(randomized: Randomized) -> None:
    config = randomized("out", randomize="fixed:0.5", steps=1)
    assert train_idm(config) == 0
    entry = load_checkpoint(config.out).config["randomize"]
    assert entry["adr"]["ranges"] == {
        "gamma": [-0.5, 0.5],
        "haze": [0, 0.5],
        "source_fps": [-0.5, 0],
    }
    assert not (Path(config.out) / "adr.jsonl").exists()
    with pytest.raises(ConfigError, match="other settings or play"):
        train_idm(replace(config, randomize="fixed:0.6"))
    on = randomized("on", init=config.out, steps=1)
    assert train_idm(on) == 0
    assert load_checkpoint(on.out).config["randomize"]["adr"]["ranges"] == entry["adr"]["ranges"]


@pytest.mark.parametrize("mode", ["adrr", "fixed", "fixed:0", "fixed:2", "fixed:x"])
def test_a_mode_that_there_is_not_is_refused(randomized: Randomized, mode: str) -> None:
    with pytest.raises(ConfigError, match=r"randomize must be none, fixed:SHARE .* or adr, got"):
        randomized("out", randomize=mode)


def test_what_this_play_cannot_vary_is_left_out_and_said(
    toy_folder: Path, toy_spec: ActionSpec, tmp_path: Path
) -> None:
    recordings = find_recordings([toy_folder])
    suite, said = usable(load_suite("doom"), (recordings, recordings), toy_spec)
    assert "field_of_view" not in suite.parameters
    assert "source_fps" in suite.parameters
    assert "cannot simulate this play again" in said[0]
    only = tmp_path / "render.yaml"
    only.write_text(
        "name: r\ngame: doom\nparameters: {fog: {where: render, nominal: 0, limits: [0, 0.4]}}\n"
    )
    with pytest.raises(ConfigError, match="nothing of it can be varied: fog: the engine that is"):
        usable(load_suite(only), (recordings,), toy_spec)


def test_a_look_changes_the_frames_of_the_recording_and_none_beyond(
    toy_folder: Path, toy_spec: ActionSpec, tmp_path: Path
) -> None:
    even, odd = open_tracks(find_recordings([toy_folder])[:1], toy_spec, tmp_path)
    look = ClipLook({"haze": 0.5}, (1, 2))
    seen, plain = even.frames(-3, 20, look=look), even.frames(-3, 20)
    assert not seen[:3].any()
    assert np.abs(seen[3:].astype(int) - plain[3:]).mean() > 5
    np.testing.assert_array_equal(seen, even.frames(-3, 20, look=look))
    late = even.frames(0, 40, look=ClipLook({"source_fps": 11.0}, (1, 2)))
    own = np.stack([even.frames(0, 40), odd.frames(0, 40)], axis=1).reshape(80, *late.shape[1:])
    found = [int(np.flatnonzero((own == frame).all((1, 2, 3)))[-1]) for frame in late]
    assert {1, 0} & set(2 * np.arange(40) - np.array(found))


def test_the_share_that_is_right_by_hand() -> None:
    truth = Truth(
        buttons=np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.uint8),
        camera=np.array([[0.0], [20.0], [0.0], [9.0]], np.float32),
        valid=np.array([True, True, True, False]),
    )
    said = np.array([[1, 1], [1, 0], [0, 1], [1, 1]], np.uint8)
    camera = np.array([[0.7], [21.9], [0.8], [0.0]], np.float32)
    # The second button is rare; the third tick turns too far; the last one has no label.
    frequent = np.array([True, False])
    assert share_right(said, camera, truth, frequent) == pytest.approx(2 / 3)
    assert share_right(said, camera, truth, ~frequent) == pytest.approx(1 / 3)
