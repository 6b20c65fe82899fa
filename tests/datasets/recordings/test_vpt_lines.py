"""The quirks of OpenAI's recorder, each on a few lines whose true actions are written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vidact.datasets.actions.devices import actions_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.vpt_lines import fix_lines

SPEC = ActionSpec.load("minecraft")


def line(**fields: Any) -> dict[str, Any]:
    """A line in which nothing is done, except for `fields` (those of mouse and keyboard go
    there).
    """
    mouse = {
        "x": 640.0,
        "y": 360.0,
        "dx": 0.0,
        "dy": 0.0,
        "dwheel": 0.0,
        "buttons": [],
        "newButtons": [],
    }
    keyboard: dict[str, Any] = {"keys": [], "newKeys": [], "chars": ""}
    content: dict[str, Any] = {
        "mouse": mouse,
        "keyboard": keyboard,
        "isGuiOpen": False,
        "hotbar": 0,
    }
    for name, value in fields.items():
        target = next((part for part in (mouse, keyboard) if name in part), content)
        target[name] = value
    return content


def held(lines: list[dict[str, Any]], version: str = "7.6") -> list[list[str]]:
    """The buttons of each line after mending, by name."""
    states = fix_lines(lines, version).states
    buttons = actions_of(SPEC, states, np.arange(len(states) + 1)).buttons
    return [[SPEC.button_names[k] for k in np.flatnonzero(row)] for row in buttons]


def camera(lines: list[dict[str, Any]], version: str = "7.6") -> list[list[float]]:
    states = fix_lines(lines, version).states
    return (
        actions_of(SPEC, states, np.arange(len(states) + 1)).camera.astype(float).round(4).tolist()
    )


def test_camera_keeps_fractions_of_a_degree() -> None:
    # Whole degrees, as in the published code, would make all of these "no camera".
    lines = [line(dx=2.0), line(dx=6.0), line(dy=-3.0)]
    assert camera(lines) == [[0, 0.3], [0, 0.9], [-0.45, 0]]
    states = fix_lines(lines).states
    actions = actions_of(SPEC, states, np.arange(4))
    assert SPEC.quantise(actions.camera).tolist() == [[5, 6], [5, 6], [4, 5]]


def test_no_hotbar_key_at_the_start_of_a_segment() -> None:
    assert held([line(hotbar=4), line(hotbar=4)]) == [[], []]


def test_scrolling_is_a_hotbar_key_even_alone() -> None:
    lines = [line(hotbar=0), line(hotbar=3, dwheel=-1.0), line(hotbar=3), line(hotbar=8)]
    assert held(lines) == [[], ["hotbar.4"], [], ["hotbar.9"]]
    assert fix_lines(lines).fixed == {"hotbar_by_wheel": 2}


def test_a_pressed_slot_key_is_not_counted_again() -> None:
    key = "key.keyboard.4"
    same_line = [line(hotbar=0), line(hotbar=3, keys=[key], newKeys=[key]), line(hotbar=3)]
    line_before = [line(hotbar=0), line(hotbar=0, newKeys=[key]), line(hotbar=3)]
    assert held(same_line) == [[], ["hotbar.4"], []]
    assert held(line_before) == [[], ["hotbar.4"], []]
    assert fix_lines(line_before).fixed == {}


def test_recorders_without_slots() -> None:
    lines = [{"mouse": {"dwheel": 1.0}}, line(keys=["key.keyboard.w"])]
    lines[1].pop("hotbar")
    assert held(lines, "6.9") == [[], ["forward"]]


def test_stuck_attack_is_released_until_the_next_press() -> None:
    lines = [line(buttons=[0], newButtons=[0])] + [line(buttons=[0])] * 3
    lines += [line(buttons=[0], newButtons=[0]), line(buttons=[0]), line()]
    assert held(lines) == [[], [], [], [], ["attack"], ["attack"], []]
    assert fix_lines(lines).fixed == {"stuck_attack": 4}


def test_stuck_attack_leaves_other_buttons_alone() -> None:
    lines = [line(buttons=[0, 1], newButtons=[0, 1]), line(buttons=[0, 1]), line(buttons=[1])]
    assert held(lines) == [["use"], ["use"], ["use"]]


def test_attack_that_starts_later_is_a_press() -> None:
    lines = [line(), line(buttons=[0], newButtons=[0]), line(buttons=[0])]
    assert held(lines) == [[], ["attack"], ["attack"]]


@pytest.mark.parametrize(
    ("version", "scale"),
    [("5.7", 0.5), ("6.8", 2.0), ("6.9", 2.0), ("6.10", 1.0), ("10.0", 1.0), ("", 1.0)],
)
def test_gui_motion_has_the_recorder_s_scale(version: str, scale: float) -> None:
    lines = [line(dx=10.0, dy=-4.0, isGuiOpen=True), line(dx=10.0)]
    assert camera(lines, version) == [[-0.6 * scale, 1.5 * scale], [0, 1.5]]


def test_escape_in_a_gui_is_the_inventory_key() -> None:
    escape = "key.keyboard.escape"
    lines = [
        line(keys=[escape], newKeys=[escape], isGuiOpen=True),
        line(keys=[escape], newKeys=[escape]),
    ]
    assert held(lines) == [["inventory"], []]
    assert fix_lines(lines).states[0].keys == ("key.keyboard.e",)


def test_null_devices_and_strange_buttons() -> None:
    lines = [{"mouse": None, "keyboard": None}, line(buttons=[4, 1], newButtons=[4])]
    assert held(lines, "6.9") == [[], ["use"]]
    assert fix_lines(lines).fixed == {"strange_buttons": 1}


def test_a_jump_of_the_pointer_has_no_label() -> None:
    fixed = fix_lines([line(dx=1201.0), line(dx=1199.0)])
    assert [state.valid for state in fixed.states] == [False, True]
    assert [state.dx for state in fixed.states] == [0.0, 1199.0]


def test_basalt_has_nothing_but_devices() -> None:
    lines = [
        {
            "mouse": line(dx=20.0)["mouse"],
            "keyboard": line(keys=["key.keyboard.space"])["keyboard"],
            "isGuiOpen": False,
        }
    ]
    assert held(lines) == [["jump"]]
    assert camera(lines) == [[0, 3.0]]
