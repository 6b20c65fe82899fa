"""`vidact record screen`: a person's play of any program on X11, with what they did.

First what an earlier run left unfinished, because it died, is made whole; then the window is
recorded until the minutes are over, it is closed, or Ctrl-C. `--flash-test` measures, in a window
of its own, how long an input takes to be seen in a picture.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from fractions import Fraction
from glob import escape
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import storage
from ..datasets.recordings.chosen_spec import chosen_fps, named_spec
from ..datasets.recordings.live_writer import finish_abandoned
from ..datasets.recordings.meta import MAX_LATENCY_MS
from ..errors import DISK_FULL, ConfigError, MissingDependencyError
from ..progress import Progress, log
from .config import RecordScreenConfig
from .screen.keys import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .screen.display import Display
    from .screen.session import Counts, Session

RECORDER_VERSION = 1
FLASH_TEST = "flash_test.json"
DEFAULT_HZ = 30.0  # of a display that does not tell its own rate
MAX_HZ = 60.0  # of a display that is faster: no spec ticks so often, and every frame is encoded
CHOOSE_S = 60.0
MANY_LATE = 0.05  # share of the frames; on a machine that keeps up it is a hundredth
POLL_S = 0.2


def record_screen(config: RecordScreenConfig) -> int:
    """Record, or measure; returns the exit code."""
    if find_spec("xcffib") is None:
        raise MissingDependencyError(
            "recording a screen needs the package xcffib, which is not installed: "
            "pip install 'vidact[screen]'"
        )
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    with _told_of_a_full_disk(out):
        return _record_screen(config, out)


def _record_screen(config: RecordScreenConfig, out: Path) -> int:
    for stem, frames in finish_abandoned(out).items():
        what = f"{frames} frames are kept" if frames else "nothing of it could be kept"
        log(f"{stem}: its recorder died: {what}")
    from xcffib import ConnectionException

    from .screen.display import Display

    display = Display(config.display)
    try:
        if config.flash_test:
            return _flash_test(display, config.display, out)
        counts = _record(display, config, out)
    except ConnectionException as error:
        raise ConfigError(
            f"display {config.display or '(DISPLAY)'}: the X server has gone; what was recorded "
            f"before lies in {out}"
        ) from error
    finally:
        display.close()
    log(summary_of(counts, out))
    return 0


@contextmanager
def _told_of_a_full_disk(out: Path) -> Iterator[None]:
    """Say that nothing is lost where the block finds no room to write."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise ConfigError(
            f"{out}: no room is left to write ({error.strerror}); what was recorded is kept: make "
            "room, and the next `vidact record screen` with the same --out finishes it"
        ) from error


def summary_of(counts: Counts, out: Path) -> str:
    """What was recorded, in a line for the user."""
    said = f"{out}: {counts.recordings} recordings with {counts.frames:,} frames"
    late = counts.late / max(1, counts.frames)
    said += f", {late:.1%} of them late ({counts.lost} were not taken at all)"
    if late > MANY_LATE:
        said += "; where one is missing no label is: leave the machine more time, or lower --fps"
    if counts.released_stuck:
        said += f"; {counts.released_stuck} stuck keys were released"
    return said


def _record(display: Display, config: RecordScreenConfig, out: Path) -> Counts:
    from .screen.display import GONE
    from .screen.session import MIN_PART_FRAMES, Session, Wish

    if os.environ.get("WAYLAND_DISPLAY"):
        log(
            "This is a Wayland session: of its own programs there are neither pictures nor inputs "
            "here, only of those in Xwayland; others need a login to an X11 (Xorg) session"
        )
    fps = _rate(display, config)
    window = _window(display, config.window)
    wish = Wish(
        out=out,
        name=_free_name(out, f"{config.name}-{time.strftime('%Y%m%d-%H%M%S')}"),
        fps=fps,
        pause_key=config.pause_key,
        part_frames=max(MIN_PART_FRAMES, round(config.chunk_minutes * 60 * fps)),
        height=config.height,
        gamepad=config.gamepad,
        meta=_meta(config, out),
    )
    frames = max(MIN_PART_FRAMES, round(config.minutes * 60 * fps))
    try:
        session = Session(display, window, wish, said=log)
    except GONE as error:
        raise ConfigError("window: it was closed before its recording began") from error
    if session.gamepads is not None and (why := session.gamepads.why_none()):
        log(why)
    while_focused = "" if window == display.root else " while the window has the focus"
    key = config.pause_key.removeprefix(PREFIX)
    log(
        f"Recording at {float(fps):g} frames/s{while_focused}; the key {key} pauses, "
        "Ctrl-C here ends"
    )
    with Progress("Recording", total=frames, unit="frames") as progress, _stopped_by(session):
        return session.run(frames=frames, progress=progress.advance)


def _free_name(out: Path, wanted: str) -> str:
    """The name that is wanted, or one like it: two recorders may begin within a second."""

    def taken(name: str) -> bool:
        return any(out.glob(f"{escape(name)}-*")) or any(out.glob(f".{escape(name)}-*"))

    names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    return next(name for name in names if not taken(name))


def _meta(config: RecordScreenConfig, out: Path) -> dict[str, Any]:
    """What the recordings say about themselves."""
    meta: dict[str, Any] = {
        "recorder": f"screen-{RECORDER_VERSION}",
        "player": "human",
        "clock": "CLOCK_MONOTONIC",
        **named_spec(config.spec),
    }
    if config.latency_ms >= 0:
        return meta | {"latency_ms": config.latency_ms}
    path = out / FLASH_TEST
    if not path.exists():
        log(f"Latency not known: it counts as none (--flash-test, with --out {out}, measures it)")
        return meta
    try:
        latency_ms = float(json.loads(path.read_bytes())["latency_ms"])
        if not 0 <= latency_ms <= MAX_LATENCY_MS:  # NaN neither
            raise ValueError(f"latency_ms must be from 0 to {MAX_LATENCY_MS}, got {latency_ms:g}")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: is damaged ({error}): measure again with --flash-test, or give --latency-ms"
        ) from error
    log(f"Latency {latency_ms:g} ms, as {path} measured it")
    return meta | {"latency_ms": latency_ms}


def _rate(display: Display, config: RecordScreenConfig) -> Fraction:
    """The frames per second: as asked for, else the spec's ticks, else the display's rate."""
    fps = chosen_fps(config.fps, config.spec)
    return _display_rate(display) if fps is None else fps


def _display_rate(display: Display) -> Fraction:
    return Fraction(min(display.refresh_hz() or DEFAULT_HZ, MAX_HZ)).limit_denominator(1001)


def _window(display: Display, wanted: str) -> int:
    """The window to record; where none is named, the one that next gets the focus."""
    if wanted == "screen":
        return display.root
    if wanted:
        return display.find_window(wanted)
    before = display.focused_window()
    log(f"Give the focus to the window that you want to record (within {CHOOSE_S:.0f} s)")
    deadline = time.monotonic() + CHOOSE_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        focused = display.focused_window()
        if focused not in (0, before):
            log(f"The window is {_called(display, focused)!r}")
            return focused
    had = f" ({_called(display, before)!r} had it from the first)" if before else ""
    raise ConfigError(
        f"window: no other one got the focus within {CHOOSE_S:.0f} s{had}; name it with --window, "
        "or record the whole screen with --window screen"
    )


def _called(display: Display, window: int) -> str:
    """What a window calls itself, in a line; its number where it is silent, or gone."""
    from .screen.display import GONE

    title = ""
    with suppress(*GONE):
        title = display.title(window)
    return (title or f"0x{window:x}").splitlines()[0]


@contextmanager
def _stopped_by(session: Session) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the session, and its recording be finished."""
    before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, lambda *_: session.stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flash_test(display: Display, name: str, out: Path) -> int:
    from .screen.flash import measure_latency

    log("A window opens for some seconds: leave it the focus")
    measured = measure_latency(display, _display_rate(display), name)
    storage.write_atomic(out / FLASH_TEST, (json.dumps(measured, indent=1) + "\n").encode())
    log(
        f"An input is seen {measured['latency_ms']:.1f} ms later (from "
        f"{measured['presses']} presses); recordings in {out} will say so. A game takes its own "
        "time on top: `vidact spec check` tells from a recording"
    )
    return 0
