"""Recordings of Doom that are played again: the same play, drawn otherwise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.errors import ConfigError, RecordingError
from vidact.games.config import RecordDoomConfig
from vidact.games.doom.look import RENDER, DoomLook
from vidact.games.doom.simulation import Life, Simulation, simulate, simulation_of
from vidact.randomize.parameters import load_suite

from ..conftest import need_vizdoom


def test_the_suite_varies_what_the_game_can_draw() -> None:
    suite = load_suite("doom")
    assert suite.acting("render") == RENDER.keys()
    nominal = suite.values(dict.fromkeys(RENDER, 0.0))
    assert DoomLook().apply(nominal).commands() == []
    assert DoomLook().apply({"fog": 0.5, "gamma": 2.0}).commands() == ["testfade 808080"]
    assert DoomLook(aspect=1.7).commands() == ["vid_aspect 1"]  # 16:9 is nearer than 16:10
    assert DoomLook(aspect=1.7, fog=0.1).varied() == {"aspect": 16 / 9, "fog": 0.1}
    assert DoomLook(aspect=1.35).varied() == {}  # drawn for 4:3, as usual


def test_another_look_is_the_same_play_through_two_lives() -> None:
    need_vizdoom()
    simulation = Simulation(
        map="MAP01",
        seed=5,
        skill=2,
        engine="",
        lives=(Life(frame=0), Life(frame=40, commands=("god", "give shotgun"))),
    )
    walk = [DeviceState(keys=("key.keyboard.w",), buttons=(0,), dx=3.0)] * 60

    def frames(look: DoomLook) -> np.ndarray:
        return np.stack([one.frame.copy() for one in simulate(simulation, walk, look)])

    usual = frames(DoomLook())
    np.testing.assert_array_equal(frames(DoomLook()), usual)
    looks = [{"field_of_view": 110.0}, {"light": 20.0}, {"fog": 0.5}, {"aspect": 16 / 9}]
    for look in (DoomLook().apply(values) for values in looks):
        other = frames(look)
        changed = np.abs(other.astype(int) - usual).mean((1, 2, 3))
        assert min(changed[0], changed[40]) > 3  # from the first frame of each life on
        # The status bar tells of the game's state, not of its look.
        np.testing.assert_array_equal(other[:, 212:], usual[:, 212:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lives": [{"frame": 0, "commands": ["exec evil.cfg"]}]}, "commands must be `god`"),
        ({"lives": [{"frame": 4}]}, "lives must begin at frame 0"),
        ({"map": "../../etc/passwd"}, "map must be one of Doom's"),
        ({"skill": 9}, r"skill must be within 1\.\.5, got 9"),
        ({"lives": None}, "is damaged"),
        ({"more": 1}, "unknown field `more`"),
    ],
)
def test_of_a_strangers_recording_only_play_is_played(change: dict[str, object], said: str) -> None:
    good = {"map": "E1M1", "seed": 1, "skill": 2, "engine": "", "lives": [{"frame": 0}]}
    assert simulation_of({}, "here") is None
    assert simulation_of({"simulation": json.loads(json.dumps(good))}, "here") is not None
    with pytest.raises(RecordingError, match=f"here: simulation of the meta file.* {said}"):
        simulation_of({"simulation": good | change}, "here")


def test_a_task_is_recorded_as_it_looks() -> None:
    with pytest.raises(ConfigError, match="field_of_view: the task 'my_way_home' decides them"):
        RecordDoomConfig(out="x", task="my_way_home", field_of_view=80)
