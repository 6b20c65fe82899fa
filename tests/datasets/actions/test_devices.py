"""Device states: the jsonl line, summing up to ticks, and the way back from actions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.actions.devices import (
    DeviceState,
    actions_of,
    device_state_of,
    read_device_states,
)
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import RecordingError

DOOM = ActionSpec.load("doom")
FORWARD, RUN, ATTACK = (DOOM.button_names.index(name) for name in ("forward", "run", "attack"))
PITCH, YAW = 0, 1


def test_a_line_of_vpt_s_recorder() -> None:
    # As in a 7.x recording: more fields than are read.
    line = json.dumps(
        {
            "mouse": {
                "x": 640.0,
                "y": 360.5,
                "dx": 3.0,
                "dy": -2.0,
                "scaledX": 1.5,
                "scaledY": 0.2,
                "dwheel": -1.0,
                "buttons": [0, 1],
                "newButtons": [1],
            },
            "keyboard": {"keys": ["key.keyboard.w"], "newKeys": ["key.keyboard.w"], "chars": "w"},
            "isGuiOpen": True,
            "isGuiInventory": False,
            "hotbar": 4,
            "yaw": 12.0,
            "tick": 7,
            "inventory": [],
        }
    )
    assert DeviceState.from_json(line) == DeviceState(
        keys=("key.keyboard.w",),
        new_keys=("key.keyboard.w",),
        buttons=(0, 1),
        new_buttons=(1,),
        dx=3.0,
        dy=-2.0,
        wheel=-1.0,
        cursor_x=640.0,
        cursor_y=360.5,
        gui_open=True,
    )


def test_absent_and_null_mean_nothing_done() -> None:
    assert DeviceState.from_json('{"mouse": null, "tick": 3}') == DeviceState()
    assert (
        DeviceState.from_json('{"mouse": {"dx": null}, "keyboard": {"keys": null}}')
        == DeviceState()
    )
    assert DeviceState.from_json('{"mouse": {"dx": -1e6}, "isGuiOpen": null}') == DeviceState(
        dx=-1e6
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"hello": "world"}', "neither mouse nor keyboard"),
        ("[1, 2]", "neither mouse nor keyboard"),
        ('{"keyboard": {"keys": "key.keyboard.w"}}', "keys must be a list of str"),
        ('{"keyboard": {"keys": [{}]}}', "keys must be a list of str"),
        ('{"mouse": {"buttons": ["left"]}}', "buttons must be a list of int"),
        ('{"mouse": {"dx": NaN}}', "dx must be a number from -1,000,000 to 1,000,000, got nan"),
        (
            '{"mouse": {"dx": 1' + "0" * 400 + "}}",
            "dx must be a number from -1,000,000 to 1,000,000, got 1000",
        ),
        ('{"mouse": {"dy": -1e300}}', "dy must be a number from -1,000,000 to 1,000,000, got -1e"),
        ('{"mouse": {"dx": 1e15}}', "dx must be a number from"),
        ('{"mouse": {"x": 1e300}}', "x must be a number from"),
        ('{"mouse": {"dx": "3"}}', "dx must be a number from .*, got '3'"),
        ('{"mouse": {}, "valid": "false"}', "valid must be true or false, got 'false'"),
        ('{"mouse": {}, "isGuiOpen": 1}', "isGuiOpen must be true or false, got 1"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_device_state_is_not_taken_for_nothing_pressed(
    tmp_path: Path, line: str, reason: str
) -> None:
    (tmp_path / "a.jsonl").write_text(DeviceState().to_json(0) + "\n" + line + "\n")
    with pytest.raises(RecordingError, match=rf"a\.jsonl: line 2 is no device state: {reason}"):
        read_device_states(str(tmp_path / "a.jsonl"))


states = st.builds(
    DeviceState,
    keys=st.lists(
        st.sampled_from(["key.keyboard.w", "key.keyboard.s", "key.keyboard.é"]), max_size=3
    ).map(tuple),
    new_buttons=st.lists(st.integers(0, 5), max_size=2).map(tuple),
    dx=st.floats(-1e4, 1e4),
    dy=st.floats(-1e4, 1e4),
    wheel=st.sampled_from([-1.0, 0.0, 1.0]),
    gui_open=st.booleans(),
    valid=st.booleans(),
    label_source=st.sampled_from(["human", "idm", "corrected"]),
)


@given(states, st.integers(0, 10**6))
def test_lines_survive_writing(state: DeviceState, tick: int) -> None:
    line = state.to_json(tick)
    assert "\n" not in line
    assert DeviceState.from_json(line) == state
    assert json.loads(line)["tick"] == tick


def test_summing_up() -> None:
    recorded = [
        DeviceState(keys=("key.keyboard.w",), dx=10, dy=-4.5),
        DeviceState(dx=-3, new_buttons=(0,)),  # a click shorter than a tick
        DeviceState(keys=("key.keyboard.left.shift", "key.keyboard.o"), dx=0.5),
        DeviceState(valid=False),
        DeviceState(dx=100),
    ]
    actions = actions_of(DOOM, recorded, [0, 2, 4])
    assert actions.buttons.shape == (2, 14)
    assert np.flatnonzero(actions.buttons[0]).tolist() == [FORWARD, ATTACK]
    assert np.flatnonzero(actions.buttons[1]).tolist() == [RUN]
    np.testing.assert_allclose(
        actions.camera, [[-4.5 * 0.15, 7 * 0.15], [0, 0.5 * 0.15]], rtol=1e-6
    )
    assert actions.valid.tolist() == [True, False]
    assert (actions.buttons.dtype, actions.camera.dtype, actions.valid.dtype) == (
        np.uint8,
        np.float32,
        bool,
    )


@given(st.lists(states, min_size=1, max_size=30), st.data())
def test_nothing_is_lost_or_counted_twice(recorded: list[DeviceState], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(1, len(recorded)), max_size=10))
    starts = sorted({0, len(recorded)} | cuts)
    actions = actions_of(DOOM, recorded, starts)
    assert len(actions.buttons) == len(starts) - 1
    total = [sum(s.dy for s in recorded) * 0.15, sum(s.dx for s in recorded) * 0.15]
    np.testing.assert_allclose(actions.camera.astype(np.float64).sum(0), total, rtol=1e-4, atol=0.1)
    for tick in range(len(starts) - 1):
        part = recorded[starts[tick] : starts[tick + 1]]
        assert bool(actions.buttons[tick, ATTACK]) == any(0 in s.new_buttons for s in part)
        assert bool(actions.valid[tick]) == all(s.valid for s in part)


def test_refuses_ticks_without_a_state() -> None:
    with pytest.raises(ValueError, match="one of the 2 states"):
        actions_of(DOOM, [DeviceState(), DeviceState()], [0, 1, 1])
    with pytest.raises(ValueError, match="one of the 2 states"):
        actions_of(DOOM, [DeviceState(), DeviceState()], [0, 3])
    assert actions_of(DOOM, [], []).camera.shape == (0, 2)


@given(st.integers(0, 2**14 - 1), st.floats(-60, 60), st.floats(-15, 15), states)
def test_actions_survive_the_devices(
    held: int, yaw: float, pitch: float, before: DeviceState
) -> None:
    buttons = np.array([held >> k & 1 for k in range(14)], np.uint8)
    camera = np.array([pitch, yaw], np.float32)
    state = device_state_of(DOOM, buttons, camera, previous=before)
    again = actions_of(DOOM, [state], [0, 1])
    np.testing.assert_array_equal(again.buttons[0], buttons)
    np.testing.assert_allclose(again.camera[0], camera, rtol=1e-5, atol=1e-5)
    assert set(state.new_keys) == set(state.keys) - set(before.keys)


def test_positive_is_right_and_down() -> None:
    state = device_state_of(DOOM, np.zeros(14), np.array([1.5, 3.0]))
    assert (round(state.dx, 6), round(state.dy, 6)) == (20.0, 10.0)


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(DeviceState().to_json(0) + "\n\n{broken\n")
    with pytest.raises(RecordingError, match=r"x\.jsonl: line 3 is no device state"):
        read_device_states(str(path))
    path.write_text("[1, 2]\n")
    with pytest.raises(RecordingError, match="line 1 "):
        read_device_states(str(path))
    with pytest.raises(RecordingError, match="cannot be read"):
        read_device_states(str(tmp_path / "none.jsonl"))


STICK, PLACE = {"low": -1, "high": 1, "bins": 5}, {"low": 0, "high": 1, "bins": 11}
STANDING = ActionSpec.from_dict(
    {
        "name": "standing",
        "version": 1,
        "tick_hz": 10,
        "frame": {"width": 32, "height": 32},
        "buttons": {"fire": "gamepad.south"},
        "groups": [{"members": ["fire"]}],
        "axes": [
            {"name": "stick", "kind": "absolute", "input": "gamepad.left_x", "quantiser": STICK},
            {"name": "x", "kind": "absolute", "input": "cursor.x", "quantiser": PLACE},
            {"name": "wheel", "kind": "wheel", "input": "wheel", "quantiser": STICK},
        ],
    }
)


def test_sticks_stand_on_average_the_pointer_at_last_and_the_wheel_adds_up() -> None:
    states = [
        DeviceState(axes={"gamepad.left_x": 0.5, "cursor.x": 0.1}, wheel=1),
        DeviceState(
            axes={"gamepad.left_x": 1.0, "cursor.x": 0.7}, keys=("gamepad.south",), wheel=1
        ),
        DeviceState(axes={"gamepad.left_x": -1.0, "cursor.x": 0.2}),
        DeviceState(axes={"gamepad.left_x": -1.0}),  # nobody knows where the pointer was
    ]
    actions = actions_of(STANDING, states, [0, 2, 3, 4])
    np.testing.assert_allclose(actions.camera[:2], [[0.75, 0.7, 2], [-1, 0.2, 0]], atol=1e-6)
    assert actions.buttons[:, 0].tolist() == [1, 0, 0]
    assert actions.valid.all()
    assert actions.known[2].tolist() == [True, True, False, True]
    assert actions.known[:2].all()


def test_an_input_presses_every_button_that_names_it() -> None:
    spec = ActionSpec.from_dict(
        STANDING.to_dict()
        | {"buttons": {"use": "key.keyboard.e", "open": "key.keyboard.e"}}
        | {"groups": [{"members": ["use"]}, {"members": ["open"]}]}
    )
    actions = actions_of(spec, [DeviceState(keys=("key.keyboard.e",)), DeviceState()], [0, 1, 2])
    assert actions.buttons.tolist() == [[1, 1], [0, 0]]


def test_lines_carry_axes_and_those_of_before_have_none() -> None:
    state = device_state_of(STANDING, [1], [0.25, 0.75, -2])
    assert state.axes == {"gamepad.left_x": 0.25, "cursor.x": 0.75}
    assert (state.keys, state.wheel) == (("gamepad.south",), -2)
    assert DeviceState.from_json(state.to_json(0)) == state
    assert "axes" not in DeviceState().to_json(0)
    line = '{"mouse": {}, "axes": {"gamepad.left_x": %s}}'
    assert DeviceState.from_json(line % "null").axes == {}
    with pytest.raises(ValueError, match=r"gamepad.left_x must be a number"):
        DeviceState.from_json(line % '"left"')
    with pytest.raises(ValueError, match="axes must be an object"):
        DeviceState.from_json('{"mouse": {}, "axes": [1]}')
