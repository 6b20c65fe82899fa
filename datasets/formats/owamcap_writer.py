"""Writes OWAMcap: what devices did at each tick, as the messages that a recorder would have logged.

Source of the layout: `mcap-owa-support` and `owa-msgs` 0.6.6 (MIT), whose reader takes these files.
`owamcap_lines.py` reads the same lines back. What was done after a picture was shown has its time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from ..actions.devices import DeviceState
from ..actions.spec import ActionSpec
from ..video.timing import NS, tick_times_ns
from .owamcap_lines import RAW_BUTTONS
from .owamcap_messages import METADATA, TOPICS
from .owamcap_survey import WHEEL
from .virtual_keys import BUTTONS, key_code

# Nobody knows when it was played: the clock begins at 0, and the first picture a second later, so
# that what stood before it has a time, too.
BEGIN_NS = NS
JUST_BEFORE_NS = 1000
STATES_S = 1  # states and the window come once a second, as recorders tell them
NOTCH = 120  # WHEEL_DELTA
MAX_TURN = 273 * NOTCH  # of a message: more does not fit into 16 bits
# What differs from a whole pixel by less is rounding of float32: it is that pixel.
PIXEL_TOLERANCE = 1e-3
PLAY, NO_LABEL = ("vidact: play", 1), ("vidact: no label", 2)  # title and handle of windows
MOUSE_NAMES = {number: name for name, number in BUTTONS.items()}
RAW_FLAGS = {number: (down, up) for number, down, up in RAW_BUTTONS}
RELATIVE = ("dx", "dy", "wheel")


def not_carried(spec: ActionSpec) -> list[str]:
    """Return the buttons and axes that OWAMcap has no messages for: gamepads, rare keys."""
    buttons = [b.name for b in spec.buttons if b.inputs and not _is_carried(b.inputs[0])]
    return buttons + [axis.name for axis in spec.axes if axis.input not in RELATIVE]


def _is_carried(name: str) -> bool:
    if name.startswith("mouse."):
        return int(name.removeprefix("mouse.")) in RAW_FLAGS
    return key_code(name) is not None


class OwamcapWriter:
    """Writes one recording, tick by tick, until `close`.

    Args:
        file: the mcap to write.
        video: the name of the video beside it.
        fps: ticks per second.
        size: width and height of its frames.
    """

    def __init__(self, file: BinaryIO, *, video: str, fps: Fraction, size: tuple[int, int]):
        from mcap.writer import CompressionType, Writer

        self._writer = Writer(file, compression=CompressionType.ZSTD)
        self._writer.start(profile="owa", library=f"vidact {version('vidact')}")
        self._channels = {topic: self._register(topic, kind) for topic, kind in TOPICS.items()}
        self._video, self._fps, self._size = video, fps, size
        self.ticks = 0
        """How many were written."""
        self._keys: frozenset[int] = frozenset()
        self._buttons: frozenset[int] = frozenset()
        self._focused = True
        self._rest = dict.fromkeys(RELATIVE, 0.0)

    def add(self, state: DeviceState) -> None:
        """Write the next tick: its picture, and what the devices did after it was shown.

        Where there is no label, nothing is held and the window has no focus: that is how a recorder
        says that what was done then is not known.
        """
        start = self._time(self.ticks)
        before = start - JUST_BEFORE_NS
        if self.ticks % max(1, round(STATES_S * self._fps)) == 0:
            self._tell_states(before)
        if state.valid and not self._focused:
            self._tell_window(before, PLAY)
        # Rounded up: readers show the last picture whose time has come.
        picture = {"uri": self._video, "pts_ns": math.ceil(self.ticks * NS / self._fps)}
        shape = list(self._size)
        self._write(start, "screen", source_shape=shape, shape=shape, media_ref=picture)
        if self._focused and not state.valid:
            self._tell_window(start, PLAY)  # up to here it had the focus
        codes = (key_code(name) for name in state.keys)
        self._turn(start, frozenset(code for code in codes if code is not None))
        self._use_mouse(start, state)
        if self._focused and not state.valid:
            self._tell_window(start + 1, NO_LABEL)
        self._focused = state.valid
        self.ticks += 1

    def close(self, metadata: Mapping[str, str]) -> None:
        """End the file. `metadata` says where the play comes from."""
        self._writer.add_metadata(METADATA, dict(metadata))
        self._writer.finish()

    def _time(self, tick: int) -> int:
        return BEGIN_NS + int(tick_times_ns(tick, tick + 1, self._fps)[0])

    def _turn(self, time_ns: int, codes: frozenset[int]) -> None:
        for code in sorted(self._keys - codes):
            self._write(time_ns, "keyboard", event_type="release", vk=code)
        for code in sorted(codes - self._keys):
            self._write(time_ns, "keyboard", event_type="press", vk=code)
        self._keys = codes

    def _use_mouse(self, time_ns: int, state: DeviceState) -> None:
        held = frozenset(button for button in state.buttons if button in RAW_FLAGS)
        flags = sum(RAW_FLAGS[b][0] for b in held - self._buttons)
        flags += sum(RAW_FLAGS[b][1] for b in self._buttons - held)
        self._buttons = held
        dx, dy = self._whole("dx", state.dx), self._whole("dy", state.dy)
        wheel = self._whole("wheel", state.wheel * NOTCH)
        if not (dx or dy or wheel or flags):
            return
        while True:
            turned = max(-MAX_TURN, min(MAX_TURN, wheel))
            self._write(
                time_ns,
                "mouse/raw",
                us_flags=0,
                last_x=dx,
                last_y=dy,
                button_flags=flags | (WHEEL if turned else 0),
                button_data=turned % 0x10000,  # a signed 16-bit number, written without its sign
            )
            wheel -= turned
            if not wheel:
                return
            dx = dy = flags = 0

    def _whole(self, axis: str, amount: float) -> int:
        """Return whole units; what they lack is kept for the next tick, so that the sum is right.

        Whole amounts stay what they are: they carry nothing, and take nothing.
        """
        nearest = round(amount)
        if abs(amount - nearest) < PIXEL_TOLERANCE:
            return nearest
        whole = round(amount + self._rest[axis])
        self._rest[axis] += amount - whole
        return whole

    def _tell_states(self, time_ns: int) -> None:
        self._tell_window(time_ns, PLAY if self._focused else NO_LABEL)
        names = [MOUSE_NAMES[button] for button in sorted(self._buttons)]
        self._write(time_ns, "keyboard/state", buttons=sorted(self._keys))
        self._write(time_ns, "mouse/state", x=0, y=0, buttons=names)

    def _tell_window(self, time_ns: int, window: tuple[str, int]) -> None:
        title, handle = window
        self._write(time_ns, "window", title=title, rect=[0, 0, *self._size], hWnd=handle)

    def _write(self, time_ns: int, topic: str, **content: Any) -> None:
        data = json.dumps(content, separators=(",", ":")).encode()
        self._writer.add_message(self._channels[topic], time_ns, data, time_ns)

    def _register(self, topic: str, kind: str) -> int:
        schema = json.dumps({"title": kind, "type": "object"}).encode()
        number = self._writer.register_schema(f"desktop/{kind}", "jsonschema", schema)
        return int(self._writer.register_channel(topic, "json", number))


def read_metadata(path: Path) -> dict[str, str]:
    """Return what `close` was told, by the file's index; empty where the file has none of it."""
    from mcap.reader import make_reader

    with open(path, "rb") as file:
        records = {record.name: record.metadata for record in make_reader(file).iter_metadata()}
    return dict(records.get(METADATA, {}))
