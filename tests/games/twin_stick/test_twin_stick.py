"""Twin Stick: what is done is seen, it is recorded as it was done, and the player scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.bc_policy.scoring.overlay import ActionOverlay
from vidact.datasets.actions.devices import device_state_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording
from vidact.errors import ConfigError
from vidact.games.random_play import RandomPlay
from vidact.games.record_twin_stick import Game, record_game
from vidact.games.task import task_of
from vidact.games.tasks import TASKS, make_env
from vidact.games.twin_stick.game import BUTTONS, MIDDLE, STICKS, TwinStickGame
from vidact.games.twin_stick.player import TwinStickPlayer
from vidact.games.twin_stick.task import TwinStickEnv

SPEC = ActionSpec.load("twin_stick")
TASK = {
    "name": "moment",
    "game": "twin_stick",
    "description": "A moment of it.",
    "score": "a point",
    "counts": "points",
    "seconds": 2,
}


def test_the_spec_is_the_pads() -> None:
    assert [button.inputs[0] for button in SPEC.buttons] == list(BUTTONS)
    assert [axis.input for axis in SPEC.axes][:4] == list(STICKS)


def test_everything_that_is_done_is_seen() -> None:
    rest = {axis.input: 0.0 for axis in SPEC.axes}
    shown = []
    doings = [((), {}), *(((button,), {}) for button in BUTTONS)]
    doings += [((), {axis.input: 1.0}) for axis in SPEC.axes]
    for held, axes in doings:
        game = TwinStickGame(5)
        game.step(held, {**rest, **axes})
        shown.append(game.frame)
    alike = [np.array_equal(a, b) for i, a in enumerate(shown) for b in shown[:i]]
    assert not any(alike)
    game.step((), {**rest, "gamepad.right_x": 0.5, "gamepad.right_y": -1.0})
    assert game.frame[MIDDLE - 20, MIDDLE + 10].tolist() == [255, 255, 255]  # the sight


def test_the_player_scores_and_chance_does_not() -> None:
    game, player = TwinStickGame(0), TwinStickPlayer(0)
    for _ in range(150):
        state = player.act(game)
        game.step(state.keys, state.axes)
    assert min(game.counts.values()) > 2
    env = make_env("twin_stick", 0)
    env.reset(0)
    random = RandomPlay(SPEC, 0)
    acts = [random.act() for _ in range(150)]
    assert np.abs([axes for _, axes in acts]).max() <= 1
    score = [env.step(*act)[3]["score"] for act in acts][-1]
    assert game.points > 3 * max(score, 3)


def test_a_recording_has_true_sticks(tmp_path: Path) -> None:
    wanted = Game(number=1, seed=4, frames=40)
    assert sum(record_game(wanted, tmp_path)) == 40
    recording = Recording.open(tmp_path / wanted.name)
    assert (recording.meta["spec"], recording.meta["frames"]) == ("twin_stick", 40)
    actions = recording.actions(SPEC)
    assert actions.valid.tolist() == [True] * 39 + [False]
    assert actions.camera[:39].std(0).min() > 0.05
    np.testing.assert_allclose(
        actions.camera[7], [recording.states[7].axes[axis.input] for axis in SPEC.axes], atol=1e-6
    )
    again = tmp_path / "again"
    sum(record_game(wanted, again))
    assert Recording.open(again / wanted.name).labels_sha256 == recording.labels_sha256


def test_the_task_asks_for_sticks_and_plays_what_was_recorded() -> None:
    with pytest.raises(ConfigError, match=r"`doom` has no axis|'doom' has no axis"):
        make_env("twin_stick", 0, ActionSpec.load("doom"))
    env = TwinStickEnv(TASKS["twin_stick"], 0, SPEC)
    first = env.reset(3)
    for _ in range(3):
        env.step(np.ones(12, np.uint8), np.ones(6, np.float32))
    assert np.array_equal(env.reset(3), first)
    short = task_of({**TASK, "seconds": 0.2})
    env = TwinStickEnv(short, 0, SPEC)
    env.reset(0)
    still = (np.zeros(12, np.uint8), np.zeros(6, np.float32))
    assert [env.step(*still)[2] for _ in range(2)] == [False, True]


def test_the_overlay_shows_sticks_and_triggers() -> None:
    overlay, frame = ActionOverlay(SPEC), np.zeros((64, 64, 3), np.uint8)
    still = overlay.draw(frame, np.zeros(12, np.uint8), np.zeros(6, np.float32))
    for a in range(6):
        moved = np.eye(6, dtype=np.float32)[a]
        assert (overlay.draw(frame, np.zeros(12, np.uint8), moved) != still).any()


def test_device_states_of_the_spec_come_back() -> None:
    values = np.array([0.1, -0.2, 0.3, -0.4, 0.5, 0.6], np.float32)
    state = device_state_of(SPEC, np.eye(12, dtype=np.uint8)[2], values)
    assert state.keys == ("gamepad.west",)
    assert list(state.axes.values()) == pytest.approx(values.tolist())
