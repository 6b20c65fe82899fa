"""An X display: its windows, who has the focus, what devices do, and what time it is there."""

from __future__ import annotations

import os
import re
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import xcffib
import xcffib.randr
import xcffib.shm
import xcffib.xinput
import xcffib.xproto
from xcffib.xproto import CW, Atom, EventMask, MapState, WindowClass

from ...errors import ConfigError
from . import raw_events

NS_PER_MS = 1_000_000
WRAP_MS = 1 << 32  # after 49.7 days
POINTER_ROOT = 1  # the focus is where the pointer is, as without a window manager
# The server's clock is CLOCK_MONOTONIC on Linux, in whole milliseconds; an answer comes within a
# few. Further away is another clock: a server on another machine.
SAME_CLOCK_MS = 20
VALUATOR, ABSOLUTE = 2, 1
NEEDED = ("MIT-SHM", "XInputExtension")
# What the server says of a window that is no longer there.
GONE = (xcffib.xproto.DrawableError, xcffib.xproto.WindowError)


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a window is, in pixels, and who has the focus."""

    width: int
    height: int
    focused: bool
    pointer: tuple[int, int]
    """Place of the pointer in the window."""
    whole: bool
    """Whether all of it lies on the screen: of what does not there is no picture."""


class _Connection(xcffib.Connection):
    """Reads raw events from their bytes.

    The library's own classes count the axes of a motion by the sum of its mask, not by its bits.
    """

    core: Any  # the requests of the core protocol, which the library leaves untyped

    def hoist_event(self, e: Any) -> Any:
        if e.response_type & 0x7F != raw_events.GENERIC_EVENT:
            return super().hoist_event(e)
        length = struct.unpack("=I", bytes(xcffib.ffi.buffer(e, 8))[4:])[0]
        content = bytes(xcffib.ffi.buffer(e, 36 + 4 * length))
        # In memory, the number of the newest request stands between the first 32 bytes and the
        # others. It starts again after 2**32: at sixty pictures a second, after a hundred days.
        request = int.from_bytes(content[32:36], sys.byteorder)
        return raw_events.parse(content[:32] + content[36:], request)


class Display:
    """A connection to an X server.

    Args:
        name: such as `:0`; by default what the environment says (`DISPLAY`).

    Raises:
        ConfigError: it cannot be reached, or lacks what a recorder needs.
    """

    def __init__(self, name: str = ""):
        if not name and not os.environ.get("DISPLAY"):
            raise ConfigError(
                "display: none is named, and DISPLAY is not set: run it in a terminal of the "
                "desktop, or name one (--display :0)"
            )
        try:
            self.connection = _Connection(name or None)
        except xcffib.ConnectionException as error:
            raise ConfigError(
                f"display {name or '(DISPLAY)'}: no X server answers; under Wayland only programs "
                "of Xwayland can be recorded"
            ) from error
        self.core = self.connection.core
        self.screen = self.connection.get_setup().roots[self.connection.pref_screen]
        self.root: int = self.screen.root
        self._atoms: dict[str, int] = {}
        self._top_of: dict[int, tuple[int, ...]] = {}
        if missing := [one for one in NEEDED if not self.has(one)]:
            raise ConfigError(f"display {name}: it lacks the extension {' and '.join(missing)}")
        try:
            self.shm = self.connection(xcffib.shm.key)
            self.shm.QueryVersion().reply()
            self.xinput = self.connection(xcffib.xinput.key)
            version = self.xinput.XIQueryVersion(2, 2).reply()
        except xcffib.XcffibException as error:
            raise ConfigError(f"display {name}: it lacks XInput 2 ({error!r})") from error
        if (version.major_version, version.minor_version) < (2, 1):
            raise ConfigError(
                f"display {name}: XInput 2.1 is needed for raw events while a program grabs the "
                f"pointer, got {version.major_version}.{version.minor_version}"
            )
        self.clock: int = self.connection.generate_id()
        """A window that nobody sees: what is done to it comes back with the server's time."""
        self.core.CreateWindow(
            0, self.clock, self.root, 0, 0, 1, 1, 0,
            WindowClass.InputOnly, 0, CW.EventMask, [EventMask.PropertyChange],
        )  # fmt: skip
        self.clock_offset_ms = self._measure_clock()

    def has(self, extension: str) -> bool:
        """Whether the server has an extension.

        Asked before it is used: a request of one that it lacks ends the connection.
        """
        return bool(self.core.QueryExtension(len(extension), extension).reply().present)

    def close(self) -> None:
        """Leave the server."""
        self.connection.disconnect()

    # ---- time

    def to_ns(self, server_ms: int, now_ns: int | None = None) -> int:
        """Return a time of the server, modulo 2**32 ms, on the clock of `time.monotonic_ns`."""
        now_ms = (time.monotonic_ns() if now_ns is None else now_ns) // NS_PER_MS
        return (now_ms + _near(server_ms - self.clock_offset_ms - now_ms)) * NS_PER_MS

    def ask_time(self) -> None:
        """Ask what time it is when the server does this: a PropertyNotifyEvent of `clock` says."""
        self.core.ChangeProperty(0, self.clock, Atom.WM_NAME, Atom.STRING, 8, 1, b" ")

    def _measure_clock(self) -> int:
        """Return how far the server's clock is ahead, in ms; 0 where it is this machine's."""
        before = time.monotonic_ns() // NS_PER_MS
        self.ask_time()
        self.connection.flush()
        while True:
            event = self.connection.wait_for_event()
            if isinstance(event, xcffib.xproto.PropertyNotifyEvent):
                break
        after = time.monotonic_ns() // NS_PER_MS
        ahead = _near(event.time - before)
        if -SAME_CLOCK_MS <= ahead <= after - before + SAME_CLOCK_MS:
            return 0
        return ahead - (after - before) // 2

    # ---- windows

    def find_window(self, wanted: str) -> int:
        """Return the window of an id (`0x1c00007`), of a title or class, or of a part of them.

        Raises:
            ConfigError: there is none, or there are several.
        """
        if re.fullmatch("0x[0-9a-fA-F]{1,8}", wanted):
            window = int(wanted, 16)
            try:
                self.core.GetGeometry(window).reply()
            except GONE as error:
                raise ConfigError(f"window {wanted}: there is none of this id") from error
            return window
        titles = {window: title for window, title in self.titled() if title}
        fitting = [w for w, title in titles.items() if wanted.lower() in title.lower()]
        # A window that is named so exactly is meant, whatever others are named like it.
        exact = [w for w in fitting if wanted in titles[w].split("\n")]
        fitting = exact or fitting
        if len(fitting) != 1:
            shown = [f"0x{w:x} {t.splitlines()[0]!r}" for w, t in titles.items()]
            found = f"{len(fitting)} windows are" if fitting else "no window is"
            raise ConfigError(
                f"window {wanted!r}: {found} called so; there are: {'; '.join(shown) or 'none'}"
            )
        return fitting[0]

    def watch(self, window: int) -> None:
        """Be told of raw inputs, and of what becomes of a window."""
        mask = xcffib.xinput.EventMask.synthetic(
            raw_events.ALL_MASTER_DEVICES, 1, [raw_events.MASK]
        )
        self.xinput.XISelectEvents(self.root, 1, [mask], is_checked=True).check()
        self.core.ChangeWindowAttributes(
            window,
            CW.EventMask,
            [EventMask.FocusChange | EventMask.StructureNotify],
            is_checked=True,
        ).check()

    def events(self) -> Iterator[Any]:
        """Yield what has arrived. After an answer, that is all that the server knew when it gave
        it.
        """
        while (event := self.connection.poll_for_event()) is not None:
            yield event

    def situation(self, window: int) -> Situation | None:
        """Look at a window; None where it is not there, or not shown."""
        geometry = self.core.GetGeometry(window)
        attributes = self.core.GetWindowAttributes(window)
        pointer = self.core.QueryPointer(window)
        focus = self.core.GetInputFocus()
        # All answers are read, or they would wait in the connection for good.
        replies = [_reply(cookie) for cookie in (geometry, attributes, pointer, focus)]
        if None in replies or replies[1].map_state != MapState.Viewable:
            return None
        place, _, at, focused = replies
        # Where the window's corner is on the screen: the pointer is told in both frames.
        left, top = at.root_x - at.win_x, at.root_y - at.win_y
        right, bottom = left + place.width, top + place.height
        screen = self.screen
        return Situation(
            width=place.width,
            height=place.height,
            focused=self._has_focus(window, focused.focus),
            pointer=(at.win_x, at.win_y),
            whole=min(left, top) >= 0
            and right <= screen.width_in_pixels
            and bottom <= screen.height_in_pixels,
        )

    def focused_window(self) -> int:
        """Return the window that has the focus, as its program knows it; 0 where none has."""
        focus: int = self.core.GetInputFocus().reply().focus
        if focus == POINTER_ROOT:
            child: int = self.core.QueryPointer(self.root).reply().child
            return child
        return focus if focus != self.root else 0

    def _has_focus(self, window: int, focus: int) -> bool:
        """Whether a window, or one inside it, has the focus."""
        if window == self.root:
            return True
        if focus == POINTER_ROOT:
            child = self.core.QueryPointer(self.root).reply().child
            return child != 0 and child in self._ancestry(window)
        return focus != 0 and window in self._ancestry(focus)

    def _ancestry(self, window: int) -> tuple[int, ...]:
        """A window and all around it, the root excepted."""
        if window not in self._top_of:
            chain, at = [], window
            while at not in (0, self.root):
                chain.append(at)
                try:
                    at = self.core.QueryTree(at).reply().parent
                except GONE:
                    break
            self._top_of = {window: tuple(chain)}  # of one at a time: windows come and go
        return self._top_of[window]

    def titled(self) -> Iterator[tuple[int, str]]:
        """Yield the programs' windows that are shown, with title and class, a line each."""
        waiting = [self.root]
        while waiting:
            inside = _reply(self.core.QueryTree(waiting.pop()))
            for child in inside.children.list if inside else ():
                try:
                    shown = (
                        self.core.GetWindowAttributes(child).reply().map_state == MapState.Viewable
                    )
                    title = self.title(child) if shown else ""
                except GONE:
                    continue  # closed since the server named it
                if shown and title:
                    yield child, title
                elif shown:
                    waiting.append(child)

    def title(self, window: int) -> str:
        """Return title and class of a window, a line each, as far as it has them."""
        found = []
        for name in ("_NET_WM_NAME", "WM_NAME", "WM_CLASS"):
            reply = self.core.GetProperty(False, window, self.atom(name), 0, 0, 256).reply()
            text = bytes(reply.value.buf()).decode("utf-8", "replace") if reply.value_len else ""
            found += [part for part in text.split("\0") if part]
        return "\n".join(dict.fromkeys(found))

    def atom(self, name: str) -> int:
        """Return the number of a name."""
        if name not in self._atoms:
            self._atoms[name] = self.core.InternAtom(False, len(name), name).reply().atom
        return self._atoms[name]

    # ---- devices

    def held_keys(self) -> list[int]:
        """Return the codes of the keys that are held."""
        keymap = self.core.QueryKeymap().reply().keys
        return [8 * i + bit for i, byte in enumerate(keymap) for bit in range(8) if byte >> bit & 1]

    def held_buttons(self) -> list[int]:
        """Return X's numbers of the mouse buttons that are held; it tells of the first five."""
        mask = self.core.QueryPointer(self.root).reply().mask
        return [number for number in range(1, 6) if mask >> (7 + number) & 1]

    def absolute_devices(self) -> dict[int, tuple[float, float]]:
        """Return the devices that tell places, with the pixels per unit of both axes."""
        found: dict[int, tuple[float, float]] = {}
        for device in self.xinput.XIQueryDevice(0).reply().infos:
            scales = {}
            for kind in device.classes:
                if kind.type == VALUATOR and kind.mode == ABSOLUTE and kind.number in (0, 1):
                    low, high = (
                        value.integral + value.frac / 2**32 for value in (kind.min, kind.max)
                    )
                    pixels = (self.screen.width_in_pixels, self.screen.height_in_pixels)
                    if high > low:
                        scales[kind.number] = pixels[kind.number] / (high - low + 1)
            if len(scales) == 2:
                found[device.deviceid] = (scales[0], scales[1])
        return found

    def refresh_hz(self) -> float:
        """Return the rate of the display's pictures; 0 where the server does not know."""
        if not self.has("RANDR"):
            return 0.0
        try:
            randr = self.connection(xcffib.randr.key)
            resources = randr.GetScreenResourcesCurrent(self.root).reply()
            shown = {randr.GetCrtcInfo(crtc, 0).reply().mode for crtc in resources.crtcs}
        except xcffib.XcffibException:
            return 0.0
        rates = (
            mode.dot_clock / (mode.htotal * mode.vtotal)
            for mode in resources.modes
            if mode.id in shown and mode.htotal * mode.vtotal
        )
        return max(rates, default=0.0)


def _reply(cookie: Any) -> Any:
    """The answer, or None where the window is not there."""
    try:
        return cookie.reply()
    except GONE:
        return None


def _near(difference_ms: int) -> int:
    """A difference of times modulo 2**32 ms as the shortest one."""
    return (difference_ms + WRAP_MS // 2) % WRAP_MS - WRAP_MS // 2
