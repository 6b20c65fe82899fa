"""Names of keys and buttons, by their virtual key code in Windows: those that our recordings have.

Source: Microsoft, "Virtual-Key Codes" (winuser.h). A code tells what a key means under the player's
layout, not its place; on the keys of a US keyboard the two agree.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

PREFIX = "key.keyboard."
ROWS = {
    0x30: "0 1 2 3 4 5 6 7 8 9",
    0x41: "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    0x08: "backspace tab",
    0x0D: "enter",  # also the keypad's: only a flag that is not recorded tells them apart
    0x10: "left.shift left.control left.alt pause caps.lock",  # 0x10 to 0x12: of either side
    0x1B: "escape",
    0x20: "space page.up page.down end home left up right down",
    0x2C: "print.screen insert delete",
    0x5B: "left.win right.win menu",
    0x60: "keypad.0 keypad.1 keypad.2 keypad.3 keypad.4 keypad.5 keypad.6 keypad.7 keypad.8"
    " keypad.9 keypad.multiply keypad.add",
    0x6D: "keypad.subtract keypad.decimal keypad.divide",
    0x70: "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24",
    0x90: "num.lock scroll.lock",
    0xA0: "left.shift right.shift left.control right.control left.alt right.alt",
    0xBA: "semicolon equal comma minus period slash grave.accent",
    0xDB: "left.bracket backslash right.bracket apostrophe",
    0xE2: "world.1",
}


def names_by_code(rows: Mapping[int, str]) -> dict[int, str]:
    """Return the names of keys, where each row begins at a code and goes on by one."""
    return {
        first + i: PREFIX + name
        for first, names in rows.items()
        for i, name in enumerate(names.split())
    }


NAMES = names_by_code(ROWS)
CODES = {name: code for code, name in NAMES.items()}  # of either side's: the left one's, the last
MOUSE = frozenset({0x01, 0x02, 0x04, 0x05, 0x06})
"""Codes of the mouse's buttons, which states of the keyboard hold, too."""
SIDES = {0x10: {0xA0, 0xA1}, 0x11: {0xA2, 0xA3}, 0x12: {0xA4, 0xA5}}
BUTTONS = {"left": 0, "right": 1, "middle": 2, "x1": 3, "x2": 4}
"""Our numbers of the mouse's buttons."""


def key_name(code: int) -> str:
    """Return the name of a key; one that has none is told by its code."""
    return NAMES.get(code, f"{PREFIX}vk.{code}")


def key_code(name: str) -> int | None:
    """Return the code of a key; None where it has none. The reverse of `key_name`."""
    if name in CODES:
        return CODES[name]
    number = name.removeprefix(f"{PREFIX}vk.")
    return int(number) if name != number and number.isdecimal() and int(number) < 256 else None


def held_names(codes: Collection[int]) -> frozenset[str]:
    """Return the names of the keys that a state of the keyboard holds.

    A state tells shift beside left shift: the code of either side counts where no side is told.
    """
    held = set(codes) - MOUSE
    return frozenset(key_name(c) for c in held if not SIDES.get(c, set()) & held)
