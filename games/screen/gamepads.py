"""Gamepads of Linux: what the kernel says of their buttons, sticks and triggers, by evdev.

Buttons are named by their place as the kernel's driver names it (`gamepad.south`); sticks are in
-1..1, right and down positive, triggers in 0..1. Which of a pad's axes is the right stick, and
which a trigger, follows from what it has (Linux' Documentation/input/gamepad.rst, and the drivers
that are older than it). Only devices that are gamepads are opened for reading: never a keyboard.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from ...datasets.video.timing import NS

EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_DROPPED = 3
BTN_GAMEPAD = 0x130  # BTN_SOUTH: what tells a gamepad from any other device
BUTTONS = {
    0x130: "gamepad.south",
    0x131: "gamepad.east",
    0x133: "gamepad.north",
    0x134: "gamepad.west",
    0x136: "gamepad.left_shoulder",
    0x137: "gamepad.right_shoulder",
    0x13A: "gamepad.select",
    0x13B: "gamepad.start",
    0x13C: "gamepad.guide",
    0x13D: "gamepad.left_thumb",
    0x13E: "gamepad.right_thumb",
    0x220: "gamepad.dpad_up",
    0x221: "gamepad.dpad_down",
    0x222: "gamepad.dpad_left",
    0x223: "gamepad.dpad_right",
}
LOWER = {0x138: "gamepad.left_trigger", 0x139: "gamepad.right_trigger"}  # BTN_TL2, BTN_TR2
X, Y, Z, RX, RY, RZ, GAS, BRAKE = 0, 1, 2, 3, 4, 5, 9, 10
HAT0X, HAT0Y, HAT2X, HAT2Y = 16, 17, 20, 21
HATS = {
    HAT0X: ("gamepad.dpad_left", "gamepad.dpad_right"),
    HAT0Y: ("gamepad.dpad_up", "gamepad.dpad_down"),
}
SET_CLOCK = 0x400445A0  # EVIOCSCLOCKID
LOOK_AGAIN_S = 2.0  # for a pad that is plugged in later
DIGITS = 4  # no pad has finer steps


class PadEvent(NamedTuple):
    """What a pad did."""

    time_ns: int
    """On the clock of `time.monotonic_ns`."""
    name: str
    value: float
    """Of a button 1 or 0, of a stick or trigger where it stands."""


class Device(Protocol):
    """What is used of `evdev.InputDevice`."""

    fd: int
    name: str
    path: Any

    def absinfo(self, axis_num: int) -> Any:
        """Value, min, max, fuzz, flat and resolution of an axis."""

    def capabilities(
        self, verbose: Literal[False] = ..., absinfo: bool = ...
    ) -> dict[int, list[int]]:
        """The codes that it has, by kind of event."""

    def active_keys(self) -> list[int]:
        """The codes of the buttons that are held."""

    def read(self) -> Iterable[Any]:
        """All events that wait; raises BlockingIOError where none does, OSError where it went."""

    def close(self) -> None:
        """Let it go."""


@dataclass(frozen=True, slots=True)
class Way:
    """The way of a stick or trigger, from end to end in the device's own numbers."""

    name: str
    low: int
    high: int
    flat: int

    def share(self, value: int) -> float:
        """Return where it stands; what the kernel takes for rest is 0."""
        least = -1.0
        if self.name.endswith("_trigger"):
            least = 0.0
            found = (value - self.low) / (self.high - self.low)
        else:
            middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
            found = 0.0 if abs(value - middle) <= self.flat else (value - middle) / half
        return round(min(1.0, max(least, found)), DIGITS)


class Pad:
    """One gamepad.

    Args:
        device: of evdev, open.
    """

    def __init__(self, device: Device):
        self.device = device
        able = device.capabilities(absinfo=False)
        self._ways = {}
        for code, name in _axes_of(set(able.get(EV_ABS, ()))).items():
            info = device.absinfo(code)
            if info.max > info.min:  # else it is none
                self._ways[code] = Way(name, info.min, info.max, info.flat)
        told = {way.name for way in self._ways.values()}
        keys = set(able.get(EV_KEY, ()))
        # Triggers that are buttons stand at one of their ends.
        self._lower = {c: name for c, name in LOWER.items() if c in keys and name not in told}
        self._hats = {code: HATS[code] for code in HATS if code in able.get(EV_ABS, ())}

    def now(self) -> dict[str, float]:
        """Return where everything stands: sticks, triggers and the buttons that are held."""
        stands = {
            way.name: way.share(self.device.absinfo(code).value) for code, way in self._ways.items()
        }
        stands |= dict.fromkeys(self._lower.values(), 0.0)
        held = self.device.active_keys()
        stands |= {BUTTONS[code]: 1.0 for code in held if code in BUTTONS}
        stands |= {self._lower[code]: 1.0 for code in held if code in self._lower}
        for code in self._hats:
            stands |= {
                name: value
                for name, value in self._hat(code, self.device.absinfo(code).value)
                if value
            }
        return stands

    def at_rest(self) -> dict[str, float]:
        """Return where everything stands that nobody touches."""
        ways = (way.name for way in self._ways.values())
        return dict.fromkeys((*BUTTONS.values(), *self._lower.values(), *ways), 0.0)

    def events(self) -> Iterator[PadEvent]:
        """Yield what was done since the last look. Raises OSError where the pad has gone."""
        with suppress(BlockingIOError):
            for event in self.device.read():
                time_ns = event.sec * NS + event.usec * 1000
                if event.type == EV_SYN and event.code == SYN_DROPPED:
                    # The kernel's queue was full: what stands now is all that is known.
                    told = dict.fromkeys(BUTTONS.values(), 0.0) | self.now()
                    yield from (PadEvent(time_ns, *one) for one in told.items())
                elif event.type == EV_KEY and event.value in (0, 1):  # 2 is a repeat
                    name = BUTTONS.get(event.code) or self._lower.get(event.code)
                    if name:
                        yield PadEvent(time_ns, name, float(event.value))
                elif event.type == EV_ABS and event.code in self._ways:
                    way = self._ways[event.code]
                    yield PadEvent(time_ns, way.name, way.share(event.value))
                elif event.type == EV_ABS and event.code in self._hats:
                    for one in self._hat(event.code, event.value):
                        yield PadEvent(time_ns, *one)

    def _hat(self, code: int, value: int) -> list[tuple[str, float]]:
        less, more = self._hats[code]
        return [(less, float(value < 0)), (more, float(value > 0))]


def _axes_of(codes: set[int]) -> dict[int, str]:
    """Which axes of a pad are sticks and triggers, by their codes."""
    found = {X: "gamepad.left_x", Y: "gamepad.left_y"}
    triggers: tuple[tuple[int, int], ...]
    if RX in codes and RY in codes:
        right = (RX, RY)
        triggers = ((Z, RZ), (HAT2Y, HAT2X), (BRAKE, GAS))
    else:  # of Bluetooth and of pads before the kernel's convention
        right, triggers = (Z, RZ), ((BRAKE, GAS), (HAT2Y, HAT2X))
    found |= dict(zip(right, ("gamepad.right_x", "gamepad.right_y"), strict=True))
    for pair in triggers:
        if codes.issuperset(pair):
            found |= dict(zip(pair, LOWER.values(), strict=True))
            break
    return {code: name for code, name in found.items() if code in codes}


class Gamepads:
    """The gamepad that is played with: the first one that is found, also if it comes later.

    Args:
        folder: of the devices; where they may not be read there is no gamepad.
        said: is told in words which gamepad it is, and that it has gone.
    """

    def __init__(self, folder: str = "/dev/input", said: Callable[[str], None] = lambda _: None):
        self._folder, self._said = folder, said
        self._looked_s = -LOOK_AGAIN_S
        self.pad: Pad | None = None

    def why_none(self) -> str:
        """Say why there is no gamepad; empty where there is one."""
        if self._found() is not None:
            return ""
        folder = Path(self._folder)
        sticks = sorted(path.name for path in folder.glob("js*"))
        if sticks and not all(os.access(path, os.R_OK | os.W_OK) for path in folder.glob("event*")):
            return (
                f"no gamepad that may be read, though {folder} has {sticks[0]}: put your user "
                "into the group `input`, and log in again"
            )
        return "no gamepad found"

    def now(self) -> dict[str, float]:
        """Return where everything stands; nothing without a gamepad."""
        pad = self._found()
        try:
            return pad.now() if pad else {}
        except OSError:
            self._lose()
            return {}

    def events(self) -> list[PadEvent]:
        """Return what was done since the last look."""
        before = self.pad
        pad = self._found()
        if pad is None:
            return []
        try:
            stands = {} if pad is before else pad.now()  # one that is plugged in may be held
            return [*_at_once(stands), *pad.events()]
        except OSError:  # it was unplugged: programs are told that it is at rest
            self._lose()
            return _at_once(pad.at_rest())

    def close(self) -> None:
        """Let the device go."""
        if self.pad is not None:
            with suppress(OSError):
                self.pad.device.close()
            self.pad = None

    def _lose(self) -> None:
        """Let a device go that was unplugged."""
        self.close()
        self._said("the gamepad has gone: it is recorded as at rest")

    def _found(self) -> Pad | None:
        if self.pad is None and time.monotonic() - self._looked_s >= LOOK_AGAIN_S:
            self._looked_s = time.monotonic()
            self.pad = _first_pad(self._folder)
            if self.pad is not None:
                self._said(f"gamepad: {self.pad.device.name}")
        return self.pad


def _at_once(stands: Mapping[str, float]) -> list[PadEvent]:
    now_ns = time.monotonic_ns()
    return [PadEvent(now_ns, *one) for one in stands.items()]


def _first_pad(folder: str) -> Pad | None:
    try:
        import evdev
    except ImportError:  # of another system than Linux
        return None
    for path in sorted(evdev.list_devices(folder)):
        with suppress(OSError):
            device = evdev.InputDevice(path)
            able = device.capabilities(absinfo=False)
            if BTN_GAMEPAD in able.get(EV_KEY, ()) and X in able.get(EV_ABS, ()):
                fcntl.ioctl(device.fd, SET_CLOCK, struct.pack("i", time.CLOCK_MONOTONIC))
                os.set_blocking(device.fd, False)
                return Pad(device)
            device.close()
    return None
