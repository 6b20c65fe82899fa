"""Drafts of action specs, from play whose inputs were chosen."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import SpecInferConfig
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.spec_check import check_spec
from vidact.datasets.spec_infer import _tick_hz, draft_spec, spec_infer
from vidact.errors import ConfigError, RecordingError


def play(stem: Path, states: list[DeviceState], fps: Fraction = Fraction(30)) -> Recording:
    with RecordingWriter(stem, fps=fps, size=(64, 64)) as writer:
        for state in states:
            writer.write(np.zeros((64, 64, 3), np.uint8), state)
    return Recording.open(stem)


def key(*names: str) -> tuple[str, ...]:
    return tuple(f"key.keyboard.{name}" for name in names)


@pytest.mark.parametrize(
    ("fps", "ticks"),
    [(60, 20), (30, 15), (35, "35/2"), (20, 20), (10, 10), ("30000/1001", "15000/1001")],
)
def test_ticks_are_whole_parts_of_frames(fps: str, ticks: str) -> None:
    assert _tick_hz(Fraction(fps)) == Fraction(ticks)


def test_a_shooter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    states = []
    for i in range(600):
        held = key("w") if i % 40 < 30 else key("s")
        held += key("d") if i % 14 < 4 else ()
        held += key("3") if i % 100 < 4 else key("4") if i % 100 > 95 else ()
        held += key("f3") if i == 77 else ()  # once: nothing to learn from
        states.append(
            DeviceState(keys=held, buttons=(0,) if i % 20 < 6 else (), dx=float(rng.normal(0, 30)))
        )
    recording = play(tmp_path / "r", states)
    out = tmp_path / "game.yaml"
    config = SpecInferConfig(recordings=(str(tmp_path),), out=str(out), name="game")
    assert spec_infer(config) == 0
    spec = ActionSpec.load(out)
    assert spec.button_names == ("3", "4", "right", "back", "forward", "mouse_left")
    assert [(group.members, group.conflict) for group in spec.groups] == [
        (("forward", "back"), "none"),
        (("3", "4"), "last"),
        (("right",), "last"),
        (("mouse_left",), "last"),
    ]
    assert (spec.tick_hz, spec.axis_names, spec.axes[0].input) == (15, ("yaw",), "dx")
    text = out.read_text()
    assert "too rarely to be learned: key.keyboard.f3 (1)" in text
    report = check_spec(spec, [recording])
    assert report.axes["yaw"].r2_ceiling >= 0.99
    assert (report.conflicts, report.unmapped_inputs) == ({}, {"key.keyboard.f3": 1})
    with pytest.raises(ConfigError, match="exists already"):
        spec_infer(config)


def test_one_key_at_a_time_is_one_group(tmp_path: Path) -> None:
    keys = ("left", "right", "up", "space")
    states = [DeviceState(keys=key(keys[i // 5 % 4]) if i % 5 < 3 else ()) for i in range(400)]
    draft = draft_spec([play(tmp_path / "r", states, Fraction(10))], name="game")
    assert draft.spec.axes == ()
    (group,) = draft.spec.groups
    assert sorted(group.members) == ["left", "right", "space", "up"]


def test_many_keys_make_no_head_of_millions(tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrst"
    states = [
        DeviceState(keys=key(letters[i // 6 % 20], "a") if i % 6 < 3 else ()) for i in range(960)
    ]
    draft = draft_spec([play(tmp_path / "r", states)], name="game")
    assert np.prod([len(group.members) + 1 for group in draft.spec.groups]) <= 10_000
    (with_a,) = (group for group in draft.spec.groups if "left" in group.members)
    assert set(with_a.members) <= {"left", "right"}  # what is held with others stays apart


def test_a_gamepad_with_a_wheel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pushed = ("left_x", "left_y", "right_trigger")
    states = [
        DeviceState(
            keys=("gamepad.south",) if i % 10 < 3 else (),
            wheel=float(i % 30 == 0) * 2,
            axes={
                f"gamepad.{name}": float(rng.uniform(low, 1))
                for name, low in zip(pushed, LOW, strict=True)
            }
            | {"gamepad.right_x": 0.004, "gamepad.none": 0.0, "cursor.x": (i % 50) / 50},
        )
        for i in range(400)
    ]
    recording = play(tmp_path / "r", states, Fraction(20))
    out = tmp_path / "pad.yaml"
    assert spec_infer(SpecInferConfig(recordings=(str(tmp_path),), out=str(out), name="pad")) == 0
    spec = ActionSpec.load(out)
    assert spec.button_names == ("south",)
    assert [(axis.name, axis.kind, axis.quantiser.bins) for axis in spec.axes] == [
        ("wheel", "wheel", 5),
        ("cursor_x", "absolute", 33),
        ("left_x", "absolute", 21),
        ("left_y", "absolute", 21),
        ("right_trigger", "absolute", 17),
    ]
    assert spec.axis_groups == (("left_x", "left_y"),)  # the resting stick is none
    recording.states = [replace(state, dx=float(i % 7)) for i, state in enumerate(states)]
    turning = draft_spec([recording], name="pad").spec  # whose pointer the game holds
    assert turning.axis_names == ("yaw", "wheel", "left_x", "left_y", "right_trigger")


LOW = (-1.0, -1.0, 0.0)


def test_keys_of_any_name_are_written_and_told_apart(tmp_path: Path) -> None:
    strange = ("p2p.:", "p2p.;", "p2p.a b", "p2p.a\n#b: {é", 'p2p."', "p2p.😀")
    states = [DeviceState(keys=(strange[i // 9 % 6],) if i % 9 < 3 else ()) for i in range(300)]
    states[5] = DeviceState(keys=("p2p.once\nname: other",))  # too rare: told in a comment
    play(tmp_path / "r", states, Fraction(10))
    out = tmp_path / "strange.yaml"
    config = SpecInferConfig(recordings=(str(tmp_path),), out=str(out), name="strange")
    assert spec_infer(config) == 0
    spec = ActionSpec.load(out)
    assert sorted(button.inputs for button in spec.buttons) == sorted((one,) for one in strange)
    assert {"p2p__", "p2p___2", "p2p_a_b"} <= {*spec.button_names}


def test_more_ticks_than_frames_and_a_name_that_is_taken_are_refused(tmp_path: Path) -> None:
    play(tmp_path / "r", [DeviceState(keys=key("w"))] * 30, Fraction(10))
    for wrong, said in (
        ({"tick_hz": 15.0}, r"tick_hz must be at most the 10 frames/s of .*r, got 15"),
        ({"name": "luanti"}, r"name: a built-in spec is called 'luanti'"),
    ):
        with pytest.raises(ConfigError, match=said):
            spec_infer(SpecInferConfig(recordings=(str(tmp_path),), **wrong))


def test_nothing_makes_no_spec(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is nothing to make a spec of"):
        draft_spec([play(tmp_path / "r", [DeviceState()] * 30)], name="game")


def test_play_without_labels_is_told_from_play_in_which_nothing_was_done(tmp_path: Path) -> None:
    late = [DeviceState(keys=key("w"), dx=9.0, valid=False)] * 30
    with pytest.raises(RecordingError, match=r"in the 0 ticks with a label \(15 have none: late"):
        draft_spec([play(tmp_path / "r", late)], name="g")
