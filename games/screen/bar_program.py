"""A program to measure a recorder by: its window shows, as bars, what it has received so far.

Rows of 16 black or white cells, each a number: how often it has drawn, presses and releases of
keys, which drawing was the first to know of the newest of them, and of the two before that, the
sums of raw motion in x and y, and the keys and buttons held. It draws at an equal rate, as games
do, or at once whenever something comes in. Run as a program of its own: `python -m` with this
module's name.
"""

from __future__ import annotations

import argparse
import select
import time
from dataclasses import dataclass, field

import numpy as np
import xcffib
import xcffib.xproto
from numpy.typing import NDArray
from xcffib.xproto import CW, GC, EventMask

from . import raw_events
from .display import Display
from .raw_events import RawEvent

TITLE = "vidact bars"
BITS = 16
ROWS = ("drawn", "presses", "releases", "newest", "second", "third", "dx", "dy", "held")
SHADES, RECTANGLES = 256, 16  # of the scenery: colors, and rectangles of each
STEP = 8  # pixels by which it moves with each drawing


@dataclass(slots=True)
class Received:
    """What the program knows; each number modulo 2**16."""

    drawn: int = 0
    presses: int = 0
    releases: int = 0
    newest: int = 0
    """The first drawing with the newest press or release of a key."""
    second: int = 0
    third: int = 0
    dx: int = 0
    dy: int = 0
    held: int = 0
    _down: set[tuple[str, int]] = field(default_factory=set)

    def take(self, event: RawEvent) -> None:
        """Count an event in."""
        if event.kind == raw_events.MOTION:
            self.dx += round(event.dx)
            self.dy += round(event.dy)
            return
        if event.kind in (raw_events.KEY_PRESS, raw_events.BUTTON_PRESS):
            self._down.add(_thing(event))
        else:
            self._down.discard(_thing(event))
        self.held = len(self._down)
        if event.of_key:
            self.presses += event.kind == raw_events.KEY_PRESS
            self.releases += event.kind == raw_events.KEY_RELEASE
            self.newest, self.second, self.third = self.drawn + 1, self.newest, self.second


def _thing(event: RawEvent) -> tuple[str, int]:
    return "key" if event.of_key else "button", event.detail


def read_bars(picture: NDArray[np.uint8]) -> dict[str, int]:
    """Read the numbers from a picture of the window, uint8 [h, w, 3].

    Raises:
        ValueError: it is none: a row of black and white cells, which is always the same, is not.
    """
    height, width = picture.shape[:2]
    rows = ((np.arange(len(ROWS) + 1) + 0.5) * height / (len(ROWS) + 1)).astype(int)
    columns = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    cells = picture[rows[:, None], columns].mean(-1) > 127  # (rows, bits)
    if not np.array_equal(cells[-1], np.arange(BITS) % 2 == 0):
        raise ValueError("the picture is not the bar program's")
    weights = 1 << np.arange(BITS - 1, -1, -1)
    return {name: int(cells[i] @ weights) for i, name in enumerate(ROWS)}


class BarProgram:
    """The window and what it draws.

    Args:
        display: where.
        size: width and height in pixels.
        title: the window's.
        grab: hold the pointer in the window, as a game does.
        scenery: let a picture pass by behind the bars, which costs an encoder what a game does.
    """

    def __init__(
        self,
        display: Display,
        size: tuple[int, int],
        title: str = TITLE,
        *,
        grab: bool = False,
        scenery: bool = False,
    ):
        self.display, self.size, self.received = display, size, Received()
        self.closed = False
        core, connection = display.core, display.connection
        self.window = connection.generate_id()
        core.CreateWindow(
            display.screen.root_depth,
            self.window,
            display.root,
            0,
            0,
            *size,
            0,
            xcffib.xproto.WindowClass.InputOutput,
            display.screen.root_visual,
            CW.BackPixel | CW.EventMask,
            [display.screen.black_pixel, EventMask.StructureNotify | EventMask.Exposure],
        )
        name = title.encode()
        core.ChangeProperty(
            0, self.window, display.atom("WM_NAME"), display.atom("STRING"), 8, len(name), name
        )
        self._canvas = connection.generate_id()
        core.CreatePixmap(display.screen.root_depth, self._canvas, self.window, *size)
        self._ink = {}
        for color in (display.screen.black_pixel, display.screen.white_pixel):
            self._ink[color] = connection.generate_id()
            core.CreateGC(self._ink[color], self._canvas, GC.Foreground, [color])
        self._scenery = self._draw_scenery() if scenery else 0
        core.MapWindow(self.window)
        display.watch(self.window)
        self._await(xcffib.xproto.ExposeEvent)
        core.SetInputFocus(1, self.window, 0)
        if grab:
            core.GrabPointer(
                False, self.window, EventMask.PointerMotion, 1, 1, self.window, 0, 0
            ).reply()
        self.draw()

    def take_in(self) -> bool:
        """Count what has come in; whether anything has."""
        anything = False
        for event in self.display.events():
            if isinstance(event, RawEvent):
                self.received.take(event)
                anything = True
            elif isinstance(event, xcffib.xproto.DestroyNotifyEvent):
                self.closed = True
        return anything

    def tick(self) -> None:
        """Take in and draw as one: the server does nothing for others between the two.

        So what it did before, and nothing else, is in the picture, however busy the machine is.
        """
        core = self.display.core
        core.GrabServer()
        core.GetInputFocus().reply()  # all that it did before has come in
        self.take_in()
        self.draw()
        core.UngrabServer()
        self.display.connection.flush()

    def draw(self) -> None:
        """Show what has come in so far, at once as a whole."""
        self.received.drawn += 1
        numbers = [getattr(self.received, name) & 0xFFFF for name in ROWS] + [0b1010101010101010]
        width, height = self.size
        rectangles: dict[int, list[xcffib.xproto.RECTANGLE]] = {color: [] for color in self._ink}
        colors = (self.display.screen.black_pixel, self.display.screen.white_pixel)
        for row, number in enumerate(numbers):
            top, bottom = (height * r // len(numbers) for r in (row, row + 1))
            for bit in range(BITS):
                left, right = (width * b // BITS for b in (bit, bit + 1))
                if self._scenery:  # it is seen between the cells
                    left, right = left + (right - left) // 4, right - (right - left) // 4
                color = colors[number >> (BITS - 1 - bit) & 1]
                rectangles[color].append(
                    xcffib.xproto.RECTANGLE.synthetic(left, top, right - left, bottom - top)
                )
        core = self.display.core
        if self._scenery:
            passed = self.received.drawn * STEP % width
            ink = next(iter(self._ink.values()))
            core.CopyArea(self._scenery, self._canvas, ink, passed, 0, 0, 0, width, height)
        for color, cells in rectangles.items():
            core.PolyFillRectangle(self._canvas, self._ink[color], len(cells), cells)
        core.CopyArea(
            self._canvas, self.window, next(iter(self._ink.values())), 0, 0, 0, 0, width, height
        )
        self.display.connection.flush()

    def run(self, hz: float, seconds: float) -> None:
        """Draw at a rate (0: whenever something comes in) until the time is over or it is closed.

        Raises ConnectionException where the server goes.
        """
        started = time.monotonic()
        number = 0
        while not self.closed and (now := time.monotonic() - started) < seconds:
            if hz:
                number += 1
                time.sleep(max(0.0, number / hz - now))
                self.tick()
            else:
                self._wait(0.5)
                if self.take_in():
                    self.draw()

    def _draw_scenery(self) -> int:
        """Return a pixmap of twice the width, full of rectangles in all shades."""
        core, rng = self.display.core, np.random.default_rng(0)
        pixmap = self.display.connection.generate_id()
        width, height = self.size
        core.CreatePixmap(self.display.screen.root_depth, pixmap, self.window, 2 * width, height)
        for color in rng.integers(0, 1 << 24, SHADES):
            ink = self.display.connection.generate_id()
            core.CreateGC(ink, pixmap, GC.Foreground, [int(color)])
            places = rng.integers(0, (2 * width, height), (RECTANGLES, 2))
            sizes = rng.integers(2, max(3, width // 16), (RECTANGLES, 2))
            core.PolyFillRectangle(
                pixmap,
                ink,
                RECTANGLES,
                [
                    xcffib.xproto.RECTANGLE.synthetic(*map(int, (*place, *size)))
                    for place, size in zip(places, sizes, strict=True)
                ],
            )
            core.FreeGC(ink)
        return pixmap

    def _wait(self, seconds: float) -> None:
        select.select([self.display.connection.get_file_descriptor()], [], [], seconds)

    def _await(self, kind: type) -> None:
        self.display.connection.flush()
        while not isinstance(self.display.connection.wait_for_event(), kind):
            pass


def main() -> None:
    """Run the program that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--display", default="")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--hz", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--title", default=TITLE)
    parser.add_argument("--grab", action="store_true")
    parser.add_argument("--scenery", action="store_true")
    words = parser.parse_args()
    display = Display(words.display)
    size = (words.width, words.height)
    program = BarProgram(display, size, words.title, grab=words.grab, scenery=words.scenery)
    program.run(words.hz, words.seconds)


if __name__ == "__main__":
    main()
