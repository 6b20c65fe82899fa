"""Gamepads: a recorded stream of the kernel's events becomes lines, whatever pad it came from."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from vidact.games.screen import gamepads
from vidact.games.screen.gamepads import EV_ABS, EV_KEY, EV_SYN, SYN_DROPPED, Gamepads, Pad
from vidact.games.screen.inputs import Inputs

SYN, KEY, ABS = EV_SYN, EV_KEY, EV_ABS
MS = 1_000_000
STICK, TRIGGER, HAT = (-32768, 32767, 128), (0, 1023, 0), (-1, 1, 0)
XPAD = {0: STICK, 1: STICK, 2: TRIGGER, 3: STICK, 4: STICK, 5: TRIGGER, 16: HAT, 17: HAT}
OLD = {0: (0, 255, 15), 1: (0, 255, 15), 2: (0, 255, 15), 5: (0, 255, 15)}
INPUT_EVENT = struct.Struct("llHHi")  # the kernel's, on 64 bits: seconds, microseconds, kind …


def stream(*events: tuple[int, int, int, int]) -> bytes:
    """Events (ms, kind, code, value) as the kernel writes them, each with its end of report."""
    packed = [(ms // 1000, ms % 1000 * 1000, *rest) for ms, *rest in events]
    return b"".join(INPUT_EVENT.pack(*e) + INPUT_EVENT.pack(*e[:2], SYN, 0, 0) for e in packed)


@dataclass
class Recorded:
    """A pad whose events were recorded: a stand-in for `evdev.InputDevice`."""

    axes: dict[int, tuple[int, int, int]]
    keys: list[int]
    waiting: bytes = b""
    values: dict[int, int] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)
    gone: bool = False
    fd: int = -1
    name: str = "recorded"
    path: str = ""

    def absinfo(self, axis_num: int) -> Any:
        low, high, flat = self.axes[axis_num]
        value = self.values.get(axis_num, 0 if low < 0 else low)
        return SimpleNamespace(value=value, min=low, max=high, flat=flat)

    def capabilities(self, verbose: bool = False, absinfo: bool = True) -> dict[int, list[int]]:
        return {KEY: self.keys, ABS: list(self.axes)}

    def active_keys(self) -> list[int]:
        return self.held

    def read(self) -> Iterator[Any]:
        if self.gone:
            raise OSError(19, "No such device")
        if not self.waiting:
            raise BlockingIOError
        told, self.waiting = self.waiting, b""
        for sec, usec, kind, code, value in INPUT_EVENT.iter_unpack(told):
            yield SimpleNamespace(sec=sec, usec=usec, type=kind, code=code, value=value)

    def close(self) -> None:
        self.fd = -2


def played(device: Recorded, *events: tuple[int, int, int, int]) -> Inputs:
    pad, inputs = Pad(device), Inputs()
    inputs.restart([], [], pad.now())
    device.waiting = stream(*events)
    for event in pad.events():
        inputs.add_pad(event)
    return inputs


def test_sticks_triggers_and_buttons_of_an_xpad() -> None:
    device = Recorded(XPAD, [0x130, 0x131, 0x136])
    inputs = played(
        device,
        (1, ABS, 0, 16384),
        (2, ABS, 4, -32768),
        (3, ABS, 5, 1023),
        (4, KEY, 0x130, 1),
        (5, KEY, 0x130, 0),  # a tap
        (6, KEY, 0x136, 1),
        (7, ABS, 16, -1),
        (8, KEY, 0x136, 2),  # no pad should, but it is a repeat
        (12, ABS, 0, 100),  # within what the kernel takes for rest
        (13, ABS, 16, 0),
        (14, KEY, 0x136, 0),
    )
    first, second = inputs.take(10 * MS), inputs.take(20 * MS)
    assert first.axes == {
        "gamepad.left_x": pytest.approx(0.5, abs=1e-4),
        "gamepad.left_y": 0.0,
        "gamepad.left_trigger": 0.0,
        "gamepad.right_x": 0.0,
        "gamepad.right_y": -1.0,
        "gamepad.right_trigger": 1.0,
    }
    assert first.keys == ("gamepad.left_shoulder", "gamepad.dpad_left")
    assert first.new_keys == ("gamepad.south", "gamepad.left_shoulder", "gamepad.dpad_left")
    assert (second.keys, second.new_keys, second.axes["gamepad.left_x"]) == ((), (), 0.0)
    assert second.axes["gamepad.right_trigger"] == 1.0  # where it stood it stands


def test_an_old_pad_has_its_right_stick_elsewhere_and_triggers_that_are_buttons() -> None:
    inputs = played(
        Recorded(OLD, [0x130, 0x138, 0x139], values=dict.fromkeys(OLD, 127), held=[0x138]),
        (1, ABS, 2, 255),
        (2, ABS, 5, 0),
        (3, KEY, 0x139, 1),
    )
    state = inputs.take(10 * MS)
    assert state.axes == {
        "gamepad.left_x": 0.0,
        "gamepad.left_y": 0.0,
        "gamepad.right_x": 1.0,
        "gamepad.right_y": -1.0,
        "gamepad.left_trigger": 1.0,
        "gamepad.right_trigger": 1.0,
    }
    assert state.keys == ()


def test_after_lost_events_what_stands_now_counts() -> None:
    device = Recorded(XPAD, [0x130, 0x131], held=[0x130])
    pad, inputs = Pad(device), Inputs()
    inputs.restart([], [], pad.now())
    device.held, device.values = [0x131], {1: 32767}
    device.waiting = stream((1, SYN, SYN_DROPPED, 0))
    for event in pad.events():
        inputs.add_pad(event)
    state = inputs.take(10 * MS)
    assert (state.keys, state.axes["gamepad.left_y"]) == (("gamepad.east",), 1.0)


def test_a_pad_that_is_unplugged_is_at_rest_and_says_nothing_more() -> None:
    said: list[str] = []
    pads = Gamepads("/nowhere", said.append)
    assert (pads.now(), pads.events()) == ({}, [])
    device = Recorded(XPAD, [0x130], held=[0x130], values={0: 32767})
    pads.pad, inputs = Pad(device), Inputs()
    inputs.restart([], [], pads.now())
    before = inputs.take(0)
    assert (before.keys, before.axes["gamepad.left_x"]) == (("gamepad.south",), 1.0)
    device.gone = True
    for event in pads.events():
        inputs.add_pad(event)
    after = inputs.take(time.monotonic_ns() + 1)
    assert (after.keys, {*after.axes.values()}) == ((), {0.0})
    assert (pads.pad, device.fd, pads.events()) == (None, -2, [])
    assert said == ["the gamepad has gone: it is recorded as at rest"]


def test_why_there_is_no_gamepad_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Gamepads(str(tmp_path)).why_none() == "no gamepad found"
    for name in ("js0", "event7"):
        (tmp_path / name).touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "js0: put your user into the group `input`" in Gamepads(str(tmp_path)).why_none()


def test_of_a_pad_that_comes_later_is_told_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Recorded(XPAD, [0x130], held=[0x130], values={0: -32768, 2: -5})
    monkeypatch.setattr(gamepads, "_first_pad", lambda folder: Pad(device))
    said: list[str] = []
    told = {event.name: event.value for event in Gamepads("/nowhere", said.append).events()}
    assert said == ["gamepad: recorded"]
    assert (told["gamepad.south"], told["gamepad.left_x"]) == (1.0, -1.0)
    assert told["gamepad.left_trigger"] == 0.0  # no trigger stands before its end


def test_without_a_pad_lines_are_as_they_were() -> None:
    inputs = Inputs()
    inputs.restart([], [])
    assert "axes" not in inputs.take(MS).to_json(0)
