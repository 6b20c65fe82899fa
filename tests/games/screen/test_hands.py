"""What hands do to get from one device state to the next."""

from __future__ import annotations

import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec

pytest.importorskip("xcffib")
from vidact.games.screen.hands import Hands, not_done

W, A = "key.keyboard.w", "key.keyboard.a"


class Told(Hands):
    """Hands without a display."""

    def __init__(self) -> None:
        self.did: list[tuple[object, ...]] = []

    def key(self, name: str, *, down: bool) -> None:
        self.did.append((name, down))

    def button(self, number: int, *, down: bool) -> None:
        self.did.append((number, down))

    def wheel(self, *, up: bool) -> None:
        self.did.append(("wheel", up))

    def move(self, dx: int, dy: int) -> None:
        self.did.append((dx, dy))


def test_only_what_changes_is_pressed_and_released() -> None:
    hands = Told()
    before = DeviceState(keys=(W,), buttons=(0,))
    hands.follow(DeviceState(keys=(A,), buttons=(0, 1), dx=2.6, dy=-1.0), before)
    assert hands.did == [(W, False), (A, True), (1, True), (3, -1)]
    hands.did.clear()
    hands.follow(DeviceState(), DeviceState(keys=(A,), buttons=(1,)))
    assert hands.did == [(A, False), (1, False), (0, 0)]


def test_the_wheel_is_turned_and_what_no_keyboard_has_is_left_out() -> None:
    hands = Told()
    told = ("gamepad.south", "key.keyboard.vk.7", "key.keyboard.code.85")
    hands.follow(DeviceState(keys=told, wheel=-2.0), DeviceState(keys=("gamepad.east",)))
    assert hands.did == [("key.keyboard.code.85", True), ("wheel", False), ("wheel", False), (0, 0)]
    assert not_done(ActionSpec.load("desktop")) == []
    assert not_done(ActionSpec.load("desktop_pointer")) == ["pointer_x", "pointer_y"]
    spec = ActionSpec.load("gamepad")
    assert not_done(spec) == [*spec.button_names, *spec.axis_names]
