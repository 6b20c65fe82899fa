"""Presses keys and moves the mouse on an X display, by XTEST: for agents, tests, the flash test."""

from __future__ import annotations

import xcffib.xtest

from ...datasets.actions.devices import DeviceState
from ...errors import ConfigError
from .display import Display
from .keys import BUTTONS, KEYCODES

KEY_DOWN, KEY_UP, BUTTON_DOWN, BUTTON_UP, MOTION = 2, 3, 4, 5, 6  # the core protocol's events
RELATIVE = 1
X_BUTTONS = {name: number for number, name in BUTTONS.items()}


class Hands:
    """What a person does, as far as programs can tell.

    Args:
        display: whose keyboard and mouse; best a connection of its own.

    Raises:
        ConfigError: it cannot be told what to do.
    """

    def __init__(self, display: Display):
        self._display = display
        if not display.has("XTEST"):
            raise ConfigError("display: it lacks the extension XTEST, which presses keys")
        self._test = display.connection(xcffib.xtest.key)
        self._test.GetVersion(2, 2).reply()

    def key(self, name: str, *, down: bool) -> None:
        """Press or release a key, such as `key.keyboard.w`."""
        self._give(KEY_DOWN if down else KEY_UP, KEYCODES[name])

    def button(self, number: int, *, down: bool) -> None:
        """Press or release a mouse button: 0 left, 1 right, 2 middle."""
        self._give(BUTTON_DOWN if down else BUTTON_UP, X_BUTTONS[number])

    def wheel(self, *, up: bool) -> None:
        """Turn the wheel by a notch."""
        for kind in (BUTTON_DOWN, BUTTON_UP):
            self._give(kind, 4 if up else 5)

    def move(self, dx: int, dy: int) -> None:
        """Move the mouse."""
        self._give(MOTION, RELATIVE, dx, dy)

    def follow(self, state: DeviceState, before: DeviceState) -> None:
        """Do what leads from one device state to the next: keys, mouse buttons and motion."""
        for name in {*before.keys} - {*state.keys}:
            self.key(name, down=False)
        for number in {*before.buttons} - {*state.buttons}:
            self.button(number, down=False)
        for name in state.keys:
            if name not in before.keys:
                self.key(name, down=True)
        for number in state.buttons:
            if number not in before.buttons:
                self.button(number, down=True)
        self.move(round(state.dx), round(state.dy))

    def sync(self) -> None:
        """Wait until the server has done all of it."""
        self._display.core.GetInputFocus().reply()

    def _give(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        self._test.FakeInput(kind, detail, 0, self._display.root, x, y, 0)
        self._display.connection.flush()
