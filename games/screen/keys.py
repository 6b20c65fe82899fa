"""Names of keys and buttons, by their number in X: those that GLFW, and so Minecraft, has.

A name tells a place on the keyboard, by what a US layout has there: games bind places, too.
"""

from __future__ import annotations

# Servers of today number a key by its number in Linux (input-event-codes.h) and 8 more.
X_OFFSET = 8
ROWS = {
    1: "escape 1 2 3 4 5 6 7 8 9 0 minus equal backspace tab",
    16: "q w e r t y u i o p left.bracket right.bracket enter left.control",
    30: "a s d f g h j k l semicolon apostrophe grave.accent left.shift backslash",
    44: "z x c v b n m comma period slash right.shift keypad.multiply left.alt space caps.lock",
    59: "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num.lock scroll.lock",
    71: "keypad.7 keypad.8 keypad.9 keypad.subtract keypad.4 keypad.5 keypad.6 keypad.add",
    79: "keypad.1 keypad.2 keypad.3 keypad.0 keypad.decimal",
    86: "world.1 f11 f12",
    96: "keypad.enter right.control keypad.divide print.screen right.alt",
    102: "home up page.up left right end down page.down insert delete",
    117: "keypad.equal",
    119: "pause",
    125: "left.win right.win menu",
    183: "f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24",
}
PREFIX = "key.keyboard."
NUMBERED = f"{PREFIX}code."
MAX_CODE = 255  # that X has
KEYS = {
    first + i + X_OFFSET: PREFIX + name
    for first, names in ROWS.items()
    for i, name in enumerate(names.split())
}
KEYCODES = {name: code for code, name in KEYS.items()}
# X counts the middle button second, and the wheel's notches as buttons 4 to 7.
BUTTONS = {1: 0, 3: 1, 2: 2, 8: 3, 9: 4}
WHEEL = {4: 1.0, 5: -1.0}


def key_name(keycode: int) -> str:
    """Return the name of a key; one that GLFW has no name for is told by its number in Linux."""
    return KEYS.get(keycode, f"{NUMBERED}{keycode - X_OFFSET}")


def keycode_of(name: str) -> int | None:
    """Return the number of a key in X; None of what is no key of this keyboard."""
    number = name.removeprefix(NUMBERED)
    if number != name and number.isdecimal() and int(number) <= MAX_CODE - X_OFFSET:
        return int(number) + X_OFFSET
    return KEYCODES.get(name)
