"""Names of keys by their numbers in layouts of the OBS plugin Input Overlay.

Source: the header of the library that it reads keys with (libuiohook, `VC_…`), whose numbers were
scan codes before layouts of version 507, and are those of Java's `KeyEvent` in it.
"""

from __future__ import annotations

from ...datasets.formats.virtual_keys import names_by_code
from ...errors import ConfigError

SCAN_ROWS = {
    0x01: "escape 1 2 3 4 5 6 7 8 9 0 minus equal backspace tab",
    0x10: "q w e r t y u i o p left.bracket right.bracket enter left.control",
    0x1E: "a s d f g h j k l semicolon apostrophe grave.accent left.shift backslash",
    0x2C: "z x c v b n m comma period slash right.shift keypad.multiply left.alt space caps.lock",
    0x3B: "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num.lock scroll.lock",
    0x47: "keypad.7 keypad.8 keypad.9 keypad.subtract keypad.4 keypad.5 keypad.6 keypad.add",
    0x4F: "keypad.1 keypad.2 keypad.3 keypad.0 keypad.decimal",
    0x57: "f11 f12",
    0x0E1C: "keypad.enter right.control",
    0x0E35: "keypad.divide",
    0x0E38: "right.alt",
    0x0E45: "pause",
    0x0E47: "home",
    0x0E49: "page.up",
    0x0E4F: "end",
    0x0E51: "page.down insert delete",
    0x0E5B: "left.win right.win menu",
    0xE048: "up",
    0xE04B: "left",
    0xE04D: "right",
    0xE050: "down",
}
EVENT_ROWS = {
    0x08: "backspace tab enter",
    0x13: "pause caps.lock",
    0x1B: "escape",
    0x20: "space page.up page.down end home left up right down",
    0x2C: "comma minus period slash 0 1 2 3 4 5 6 7 8 9",
    0x3B: "semicolon",
    0x3D: "equal",
    0x41: "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    0x5B: "left.bracket right.bracket backslash",
    0x60: "keypad.0 keypad.1 keypad.2 keypad.3 keypad.4 keypad.5 keypad.6 keypad.7 keypad.8"
    " keypad.9 keypad.multiply keypad.add",
    0x6D: "keypad.subtract keypad.decimal keypad.divide",
    0x70: "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12",
    0x7D: "keypad.enter",
    0x7F: "delete",
    0x90: "num.lock scroll.lock",
    0x9B: "insert",
    0xC0: "grave.accent",
    0xDE: "apostrophe",
    0x020D: "menu",
    0xA010: "left.shift left.control left.alt",
    0xB010: "right.shift right.control right.alt",
    0xA09D: "left.win",
    0xB09D: "right.win",
}
EVENT_VERSION = 507
"""Of the layouts whose numbers are those of events; the newest that is known."""
MOUSE = {1: "mouse.0", 2: "mouse.1", 3: "mouse.2", 4: "mouse.3", 5: "mouse.4"}
"""Buttons of the mouse: libuiohook counts from 1."""
SCAN_CODES, EVENT_CODES = names_by_code(SCAN_ROWS), names_by_code(EVENT_ROWS)


def keys_by_code(version: int, where: str) -> dict[int, str]:
    """Return the names of keys by the numbers of a layout's version.

    Args:
        where: the layout's file, for errors.

    Raises:
        ConfigError: nobody knows what numbers this version has.
    """
    if version > EVENT_VERSION:
        raise ConfigError(
            f"{where}: version {version}: the numbers of keys are known up to version "
            f"{EVENT_VERSION}"
        )
    return EVENT_CODES if version == EVENT_VERSION else SCAN_CODES
