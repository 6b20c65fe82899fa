"""Presses keys and moves the mouse on an X display, by XTEST: for agents, tests, the flash test."""

from __future__ import annotations

import xcffib.xtest

from ...datasets.actions.devices import DeviceState
from ...datasets.actions.spec import ActionSpec
from ...errors import ConfigError
from .display import Display
from .keys import BUTTONS, keycode_of

KEY_DOWN, KEY_UP, BUTTON_DOWN, BUTTON_UP, MOTION = 2, 3, 4, 5, 6  # the core protocol's events
RELATIVE = 1
X_BUTTONS = {name: number for number, name in BUTTONS.items()}


def not_done(spec: ActionSpec) -> list[str]:
    """Return the buttons and axes of a spec that hands cannot do: a gamepad's, the pointer's place,
    keys that X does not have.
    """
    pressed = {button.name: button.inputs[0] for button in spec.buttons if button.inputs}
    return [
        *(name for name, one in pressed.items() if not _is_mouse(one) and keycode_of(one) is None),
        *(axis.name for axis in spec.axes if axis.kind == "absolute"),
    ]


def _is_mouse(name: str) -> bool:
    return name.removeprefix("mouse.") in map(str, X_BUTTONS)


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
        if (code := keycode_of(name)) is None:
            raise KeyError(name)
        self._give(KEY_DOWN if down else KEY_UP, code)

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
        """Do what leads from one device state to the next: keys, mouse buttons, wheel and motion.

        What keyboard and mouse do not have is left out: see `not_done`.
        """
        was, now = ([k for k in one.keys if keycode_of(k) is not None] for one in (before, state))
        for name in {*was} - {*now}:
            self.key(name, down=False)
        for number in {*before.buttons} - {*state.buttons}:
            self.button(number, down=False)
        for name in now:
            if name not in was:
                self.key(name, down=True)
        for number in state.buttons:
            if number not in before.buttons:
                self.button(number, down=True)
        for _ in range(abs(round(state.wheel))):
            self.wheel(up=state.wheel > 0)
        self.move(round(state.dx), round(state.dy))

    def sync(self) -> None:
        """Wait until the server has done all of it."""
        self._display.core.GetInputFocus().reply()

    def _give(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        self._test.FakeInput(kind, detail, 0, self._display.root, x, y, 0)
        self._display.connection.flush()
