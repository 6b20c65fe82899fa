from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.recordings.recording import find_recordings
from vidact.errors import ConfigError, MissingDependencyError, RecordingError
from vidact.games.config import RecordFreedoomDemosConfig
from vidact.games.doom import demo_engine
from vidact.games.doom.demo_engine import DemoTic
from vidact.games.doom.obeyed import Obedience
from vidact.games.doom.tracks import read_track
from vidact.games.record_freedoom_demos import (
    device_state,
    find_demos,
    is_labelled,
    read_demo,
    record_freedoom_demos,
)

from .conftest import need_vizdoom


def lump(players: int, commands: list[bytes]) -> bytes:
    head = bytes([109, 2, 1, 6, 0, 0, 0, 0, 0]) + bytes(1 if i < players else 0 for i in range(4))
    return head + b"".join(commands) + b"\x80"


def tic(number: int = 5, **changes: object) -> DemoTic:
    values: dict[str, object] = {
        "tic": number,
        "frame": np.zeros((2, 2, 3), np.uint8),
        "forward": 0,
        "side": 0,
        "turn": 0.0,
        "buttons": 0,
        "x": 0.0,
        "y": 0.0,
        "z": 0.0,
        "angle": 0.0,
        "health": 100,
        "alive": True,
        "in_level": True,
    }
    return DemoTic(**(values | changes))  # type: ignore[arg-type]


def test_a_demo_tells_its_map_players_and_length() -> None:
    # 0x80 inside a command is no end mark.
    demo = read_demo("freedoom1.wad", "DEMO1", lump(2, [b"\x32\x80\x00\x00"] * 6))
    assert (demo.map_name, demo.skill, demo.players, demo.tics) == ("E1M6", 3, (0, 1), 3)
    assert demo.group == "freedoom1-DEMO1"
    with pytest.raises(RecordingError, match="no end mark"):
        read_demo("freedoom1.wad", "DEMO1", lump(1, [b"\x32\x00\x00\x00"])[:-1])
    with pytest.raises(RecordingError, match="expected 109"):
        read_demo("freedoom1.wad", "DEMO1", b"\x00" * 20)


def test_the_wheel_has_eight_demos() -> None:
    need_vizdoom()
    found = {(d.group, d.map_name, d.skill, len(d.players), d.tics) for d in find_demos()}
    assert found == {
        ("freedoom1-DEMO1", "E1M6", 3, 1, 7117),
        ("freedoom1-DEMO2", "E2M4", 4, 3, 7089),
        ("freedoom1-DEMO3", "E3M9", 4, 3, 6042),
        ("freedoom1-DEMO4", "E4M6", 4, 3, 3136),
        ("freedoom2-DEMO1", "MAP03", 3, 1, 2664),
        ("freedoom2-DEMO2", "MAP10", 4, 2, 5444),
        ("freedoom2-DEMO3", "MAP22", 4, 1, 2743),
        ("freedoom2-DEMO4", "MAP23", 4, 2, 4662),
    }


def test_commands_become_keys_and_mouse() -> None:
    nothing = DeviceState()
    run = device_state(tic(forward=50, side=-40, turn=1.40625), nothing, valid=True)
    assert run.keys == ("key.keyboard.w", "key.keyboard.a", "key.keyboard.left.shift")
    assert run.dx == pytest.approx(1.40625 / 0.15)
    walk = device_state(tic(forward=-25, side=24, buttons=1 | 2), run, valid=True)
    assert walk.keys == ("key.keyboard.s", "key.keyboard.d", "key.keyboard.e")
    assert walk.buttons == walk.new_buttons == (0,)
    assert device_state(tic(buttons=1), walk, valid=True).new_buttons == ()
    # Shotgun.
    assert device_state(tic(buttons=4 | 2 << 3), nothing, valid=True).keys == ("key.keyboard.3",)
    # Chain saw.
    assert device_state(tic(buttons=4 | 7 << 3), nothing, valid=True).keys == ("key.keyboard.1",)
    # A pause.
    assert device_state(tic(buttons=128 | 1), nothing, valid=True).inputs() == frozenset()


def test_dead_tics_gaps_and_teleports_have_no_label() -> None:
    assert is_labelled(tic(5), tic(6), Obedience())
    assert not is_labelled(tic(5), tic(7), Obedience())
    assert not is_labelled(tic(5), tic(6, alive=False), Obedience())
    assert not is_labelled(tic(5, in_level=False), tic(6), Obedience())
    assert not is_labelled(tic(5), tic(6, x=500.0), Obedience())
    assert not is_labelled(tic(5), tic(6, turn=1.4), Obedience())


def test_a_missing_engine_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo_engine, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"vidact\[demos\].*C compiler"):
        record_freedoom_demos(RecordFreedoomDemosConfig(out=str(tmp_path)))
    with pytest.raises(ConfigError, match=r"must be a multiple of 320x200, .* got '640x480'"):
        RecordFreedoomDemosConfig(out="x", height=480)


@pytest.mark.soak
def test_a_replay_belongs_to_its_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    need_vizdoom()
    if find_spec("cydoomgeneric") is None:
        pytest.skip("cydoomgeneric is not installed")
    monkeypatch.chdir(tmp_path)
    config = RecordFreedoomDemosConfig(
        out="people", demos="MAP03", width=320, height=200, workers=1
    )
    assert record_freedoom_demos(config) == 0
    # The engine leaves nothing beside.
    assert [path.name for path in tmp_path.iterdir()] == ["people"]
    (recording,) = find_recordings(["people"])
    assert recording.num_frames == 2662  # the first picture is that of tic 3
    assert recording.meta["group"] == "freedoom2-DEMO1"
    states, track = recording.states, read_track(recording.stem)
    valid = np.array([s.valid for s in states])
    turned = np.array([s.dx for s in states]) * 0.15
    seen = -((np.diff(track[:, 3]) + 180) % 360 - 180)
    agree = np.abs((seen - turned[:-1] + 180) % 360 - 180) < 0.01
    assert agree[valid[:-1]].all()
    assert 0.9 < valid.mean() < 1
    assert not valid[-1]
