"""The lines of a recording from the annotations of open-p2p, one a frame.

Annotation i holds what is done while frame i is shown: as in our recordings. What a model did (its
`system_action`) is what happened in the game, and counts as played by a script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..actions.devices import MAX_NUMBER, NO_LABEL, DeviceState
from .virtual_keys import PREFIX

KEYS = {
    "Space": "space",
    "Escape": "escape",
    "Tab": "tab",
    "Enter": "enter",
    "Backspace": "backspace",
    "Delete": "delete",
    "Insert": "insert",
    "Home": "home",
    "End": "end",
    "PageUp": "page.up",
    "PageDown": "page.down",
    "UpArrow": "up",
    "DownArrow": "down",
    "LeftArrow": "left",
    "RightArrow": "right",
    "LeftShift": "left.shift",
    "RightShift": "right.shift",
    "LeftControl": "left.control",
    "RightControl": "right.control",
    "LeftAlt": "left.alt",
    "RightAlt": "right.alt",
    "LeftWin": "left.win",
    "RightWin": "right.win",
    "Menu": "menu",
    "CapsLock": "caps.lock",
    "NumLock": "num.lock",
    "ScrollLock": "scroll.lock",
    "PrintScreen": "print.screen",
    "Pause": "pause",
    "GraveAccent": "grave.accent",
    "BackQuote": "grave.accent",
    "Minus": "minus",
    "Equal": "equal",
    "LeftBracket": "left.bracket",
    "RightBracket": "right.bracket",
    "Backslash": "backslash",
    "Semicolon": "semicolon",
    "Apostrophe": "apostrophe",
    "Comma": "comma",
    "Period": "period",
    "Slash": "slash",
    "Add": "keypad.add",
    "Subtract": "keypad.subtract",
    "Multiply": "keypad.multiply",
    "Divide": "keypad.divide",
    "Decimal": "keypad.decimal",
}
"""Names in the project's own list (`action_mapping.py`); letters and digits are themselves."""
FUNCTION_KEYS = {f"F{number}": f"f{number}" for number in range(1, 25)}
BUTTONS = {"0": 0, "1": 1, "2": 2}  # left, right, middle, as ours
PAD_BUTTONS = {
    name: f"gamepad.{name}"
    for name in (
        *("south", "north", "east", "west", "start", "select"),
        *("dpad_up", "dpad_down", "dpad_left", "dpad_right"),
    )
} | {"left_bumper": "gamepad.left_shoulder", "right_bumper": "gamepad.right_shoulder"}
STICKS = {
    "left_stick": ("gamepad.left_x", "gamepad.left_y", "gamepad.left_thumb"),
    "right_stick": ("gamepad.right_x", "gamepad.right_y", "gamepad.right_thumb"),
}
TRIGGERS = {"left_trigger": "gamepad.left_trigger", "right_trigger": "gamepad.right_trigger"}
DIGITS = 4  # no pad has finer steps
BEYOND = 0.01  # of an end: by so much may a stick or trigger stand further than it can


class Lines:
    """Turns annotations into device states, in order; quirks are counted."""

    def __init__(self, counts: Counter[str]):
        self.counts = counts
        self._keys: frozenset[str] = frozenset()
        self._buttons: frozenset[int] = frozenset()

    def state(self, annotation: Any) -> DeviceState:
        """Return what was done while a frame was shown."""
        action, source = annotation.user_action, "human"
        if annotation.system_action.is_known:  # the project's own loader believes it, too
            self.counts["both_known"] += action.is_known
            action, source = annotation.system_action, "scripted"
        if not action.is_known:
            self._keys, self._buttons = frozenset(), frozenset()
            return NO_LABEL
        held_on_pad, axes = _pad(action.game_pad) if action.HasField("game_pad") else ([], {})
        keys = self._names(action.keyboard.keys) | frozenset(held_on_pad)
        old = not action.HasField("mouse") and action.HasField("mouse_deprecated")
        mouse = action.mouse_deprecated if old else action.mouse
        self.counts["old_mouse"] += old
        if old:
            buttons = frozenset(number for number in mouse.buttons if 0 <= number <= 4)
            moved, wheel, place = (mouse.dx, mouse.dy), 0.0, (mouse.x, mouse.y)
        else:
            buttons = self._numbers(mouse.buttons_down)
            moved = (mouse.mouse_delta_px.x, mouse.mouse_delta_px.y)
            place = (mouse.mouse_absolute_px.x, mouse.mouse_absolute_px.y)
            wheel = float(mouse.scroll_delta_px.y)
        # A tap shorter than a frame is in its events alone.
        events = annotation.input_events
        typed = [e.keyboard_event.key for e in events if e.keyboard_event.pressed]
        clicked = [e.mouse_event.button for e in events if e.mouse_event.pressed]
        on_pad = [e.game_pad_button_event for e in events if e.game_pad_button_event.pressed]
        new_keys = (keys | self._names(typed) | self._pad_names(on_pad)) - self._keys
        new_buttons = (buttons | self._numbers(clicked)) - self._buttons
        self._keys, self._buttons = keys, buttons
        if not all(abs(number) <= MAX_NUMBER for number in (*moved, *place, wheel)):  # NaN neither
            self.counts["damaged_motion"] += 1
            return NO_LABEL
        if not all(_possible(name, at) for name, at in axes.items()):
            self.counts["damaged_sticks"] += 1
            return NO_LABEL
        return DeviceState(
            keys=tuple(sorted(keys)),
            new_keys=tuple(sorted(new_keys)),
            buttons=tuple(sorted(buttons)),
            new_buttons=tuple(sorted(new_buttons)),
            dx=float(moved[0]),
            dy=float(moved[1]),
            wheel=wheel,
            cursor_x=float(place[0]),
            cursor_y=float(place[1]),
            label_source=source,
            axes={name: round(min(1.0, max(-1.0, at)), DIGITS) for name, at in axes.items()},
        )

    def _names(self, keys: Iterable[str]) -> frozenset[str]:
        return frozenset(PREFIX + self._name(key) for key in keys)

    def _name(self, key: str) -> str:
        if len(key) == 1 and key.isascii() and key.isalnum():
            return key.lower()
        if (name := KEYS.get(key) or FUNCTION_KEYS.get(key)) is not None:
            return name
        self.counts["unknown_keys"] += 1
        return f"p2p.{key:.40}"

    def _pad_names(self, events: Iterable[Any]) -> frozenset[str]:
        """The schema does not say what its events call buttons: as its fields do, is assumed."""
        names = [event.button.lower() for event in events]
        self.counts["unknown_buttons"] += sum(name not in PAD_BUTTONS for name in names)
        return frozenset(PAD_BUTTONS[name] for name in names if name in PAD_BUTTONS)

    def _numbers(self, buttons: Iterable[str]) -> frozenset[int]:
        buttons = list(buttons)
        self.counts["unknown_buttons"] += sum(button not in BUTTONS for button in buttons)
        return frozenset(BUTTONS[button] for button in buttons if button in BUTTONS)


def _pad(pad: Any) -> tuple[list[str], dict[str, float]]:
    """Return what is held of a gamepad, and where its sticks and triggers stand, as it says."""
    held = [name for field, name in PAD_BUTTONS.items() if getattr(pad.buttons, field)]
    axes = {}
    for field, (x, y, thumb) in STICKS.items():
        stick = getattr(pad, field)
        axes[x], axes[y] = stick.x, stick.y
        held += [thumb] if stick.pressed else []
    return held, axes | {name: getattr(pad, field) for field, name in TRIGGERS.items()}


def _possible(name: str, at: float) -> bool:
    least = 0.0 if name in TRIGGERS.values() else -1.0
    return least - BEYOND <= at <= 1.0 + BEYOND  # NaN neither
