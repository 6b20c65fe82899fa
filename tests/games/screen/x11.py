"""An X server without a screen, and the bar program on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tests.requirements import require

if TYPE_CHECKING:
    from vidact.games.screen.display import Display
    from vidact.games.screen.session import Session

Found = TypeVar("Found")
SIZE = (320, 192)


@contextmanager
def x_server(
    size: str = "640x480", *, depth: int = 24, lacking: Sequence[str] = ()
) -> Iterator[str]:
    """The name of a display of its own, without some extensions."""
    read, write = os.pipe()
    # By itself it begins anew when its last client leaves, and loses who comes at that moment.
    words = ("-displayfd", str(write), "-screen", "0", f"{size}x{depth}", "-nolisten", "tcp")
    words += ("-noreset",)
    words += tuple(word for extension in lacking for word in ("-extension", extension))
    server = subprocess.Popen(
        [require("xvfb"), *words], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    assert number, "the X server did not start"
    try:
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def bars(name: str, *words: str, size: tuple[int, int] = SIZE) -> Iterator[int]:
    """The bar program's window on a display, while the program runs."""
    from vidact.games.screen.display import Display

    title = f"bars {time.monotonic_ns()}"
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "vidact.games.screen.bar_program", "--display", name),
            *("--width", str(size[0]), "--height", str(size[1]), "--title", title, *words),
        ]
    )
    display = Display(name)
    try:
        yield wait_for(lambda: next((w for w, t in display.titled() if t == title), None))
    finally:
        display.close()
        program.kill()
        program.wait()


def focused_window(display: Display, title: str, corner: Sequence[int] = (0, 0)) -> int | None:
    """The window with these words in its title, moved there, with the focus; None before that."""
    from vidact.games.screen.display import GONE
    from xcffib.xproto import MatchError

    window = next((w for w, whole in display.titled() if title in whole), None)
    if window is None:
        return None
    try:
        display.core.ConfigureWindow(window, 1 | 2, list(corner), is_checked=True).check()
        display.core.SetInputFocus(1, window, 0, is_checked=True).check()
    except (*GONE, MatchError):  # the focus can't go to one that is not shown
        return None
    return window


def wait_for(look: Callable[[], Found | None], seconds: float = 60.0) -> Found:
    """What `look` returns once it is neither None nor false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came")


def wait_for_recording(session: Session) -> None:
    """Wait until a recording goes on that will be kept.

    What comes before its first picture belongs to none, and of fewer than two nothing is left.
    """
    wait_for(lambda: not session.idle and session.frames > session.counts.frames + 2)


def wait_for_pictures(session: Session) -> None:
    """Wait until what was done so far lies between pictures, or nothing is recorded.

    A step of the session may have begun before, and count many frames that it came too late for.
    """
    for _ in range(3):
        begun = session.frames
        wait_for(lambda: session.frames > begun or session.idle)  # noqa: B023
