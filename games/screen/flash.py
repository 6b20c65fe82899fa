"""How long it takes until an input is seen in a picture, measured in a window of our own."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import xcffib

from ...datasets.actions.spec import FrameSpec
from ...datasets.recordings.recording import Recording
from ...datasets.video.frames import decode_frames
from ...errors import RecordingError
from .bar_program import BITS, ROWS, BarProgram, read_bars
from .display import Display
from .hands import Hands
from .session import Session, Wish

PRESSES = 40  # their mean is then within a tenth of a period
BETWEEN_S = (0.06, 0.14)  # uneven, so that presses fall anywhere between two pictures
SIZE = (BITS * 20, (len(ROWS) + 1) * 20)
KEY, PAUSE = "key.keyboard.f12", "key.keyboard.pause"
MIN_SEEN = PRESSES // 2
START_S = 20.0


def measure_latency(display: Display, fps: Fraction, name: str = "") -> dict[str, float | int]:
    """Press a key in a window that answers at once, and look when pictures show it.

    A press waits half a period on average until the next picture is due: that is none of it.

    Args:
        display: the connection to record over.
        fps: rate of the pictures.
        name: the display's, for two more connections.

    Raises:
        RecordingError: hardly any press was seen; the window has to keep the focus.
    """
    title = f"vidact flash test {time.monotonic_ns()}"
    context = multiprocessing.get_context("spawn")  # its own process, as games are
    program = context.Process(target=_run_program, args=(name, title), daemon=True)
    program.start()
    try:
        window = _await_window(display, title)
        with tempfile.TemporaryDirectory() as folder:
            pressed_ns = _press_and_record(display, window, fps, name, Path(folder))
            waits_ns = _waits(Path(folder), pressed_ns)
    finally:
        program.terminate()
        program.join()
    if len(waits_ns) < MIN_SEEN:
        raise RecordingError(
            f"flash test: {len(waits_ns)} of {PRESSES} presses were seen: leave the focus to its "
            "window, and nothing before it"
        )
    latency_ms = max(0.0, float(np.mean(waits_ns) - 0.5e9 / float(fps)) / 1e6)
    return {
        "latency_ms": round(latency_ms, 1),
        "presses": len(waits_ns),
        "fps": float(fps),
    }


def _run_program(name: str, title: str) -> None:
    BarProgram(Display(name), SIZE, title).run(0.0, 60.0)


def _await_window(display: Display, title: str) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for window, found in display.titled():
            if found == title:
                return window
        time.sleep(0.1)
    raise RecordingError(
        f"flash test: its window did not open within {START_S:.0f} s: is the machine busy? Leave "
        "it time, and run the test again"
    )


def _press_and_record(
    display: Display, window: int, fps: Fraction, name: str, folder: Path
) -> list[int]:
    """Record the window while keys are pressed; when each was."""
    wish = Wish(out=folder, name="flash", fps=fps, pause_key=PAUSE, part_frames=10**6)
    session = Session(display, window, wish)
    pressed_ns: list[int] = []
    hands = Hands(Display(name))
    rng = np.random.default_rng(0)

    def press() -> None:
        try:
            time.sleep(0.5)
            for _ in range(PRESSES):
                pressed_ns.append(time.monotonic_ns())
                for down in (True, False):
                    hands.key(KEY, down=down)
                time.sleep(rng.uniform(*BETWEEN_S))
            time.sleep(0.3)  # until the last one is seen
        except xcffib.ConnectionException:
            pass  # the session's own connection says so
        finally:
            session.stop.set()

    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    session.run()
    thread.join()
    return pressed_ns


def _waits(folder: Path, pressed_ns: list[int]) -> list[int]:
    """From each press to the first picture that shows it, in ns."""
    stems = sorted(path.with_suffix("") for path in folder.glob("*.mp4"))
    if not stems:
        return []
    recording = Recording.open(stems[0])
    seen_at: dict[int, int] = {}
    frames = decode_frames(recording.video, FrameSpec(*SIZE), np.arange(recording.num_frames))
    for (_, picture), taken_ns in zip(frames, recording.taken_ns(), strict=True):
        shown = read_bars(picture)["presses"]
        for number in range(len(seen_at), shown):
            seen_at[number] = int(taken_ns)
    return [seen_at[k] - at for k, at in enumerate(pressed_ns) if k in seen_at]
