"""Crispy Doom with Freedoom's maps, as Debian has them, played by script."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from vidact.datasets.recordings.recording import Recording
from vidact.games.screen.display import Display
from vidact.games.screen.hands import Hands
from vidact.games.screen.session import Session, Wish

from tests.games.screen.x11 import focused_window, wait_for, wait_for_pictures, wait_for_recording
from tests.requirements import require

WAD = Path("/usr/share/games/doom/freedoom1.wad")
HELD = [f"key.keyboard.{name}" for name in ("w", "s", "a", "d", "left.shift", "e")]
# The keys of spec `doom`, by a PC keyboard's numbers, which Doom's settings have; the mouse turns.
SETTINGS = """
key_up 17
key_down 31
key_strafeleft 30
key_straferight 32
key_use 18
key_speed 42
mouseb_fire 0
mouse_sensitivity 5
show_messages 0
"""


@contextmanager
def crispy_doom(name: str, home: Path, level: int = 1) -> Iterator[int]:
    """The game's window on a display, in its first level, while it runs."""
    program = require("crispy-doom")
    home.mkdir(exist_ok=True)
    settings = home / "doom.cfg"
    settings.write_text(SETTINGS)
    words = ("-iwad", str(WAD), "-window", "-geometry", "320x240", "-nosound", "-nomonsters")
    words += ("-warp", "1", str(level), "-skill", "1", "-config", str(settings))
    process = subprocess.Popen(
        [program, *words],
        env=dict(os.environ, DISPLAY=name, HOME=str(home), SDL_AUDIODRIVER="dummy"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    display = Display(name)
    try:
        yield wait_for(lambda: _settled_window(display))
    finally:
        display.close()
        process.kill()
        process.wait()


def _settled_window(display: Display) -> int | None:
    """The game's window with its level on it; None before. It opens one or two that it drops."""
    # It is 640x480 pixels large: all of the screen.
    window = focused_window(display, "Crispy Doom")
    if window is None:
        return None
    time.sleep(2)  # the level begins with a picture that melts away
    return window if window in dict(display.titled()) else None


def play(hands: Hands, seconds: float, seed: int = 0) -> np.ndarray:
    """Walk about and turn; how far the mouse moved in x and y."""
    rng = np.random.default_rng(seed)
    down: set[str] = set()
    moved, speed = np.zeros(2, int), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key in HELD:
            if rng.random() < (0.1 if key in down else 0.03):
                hands.key(key, down=key not in down)
                down ^= {key}
        speed = int(rng.normal(0, 12)) if rng.random() < 0.1 else speed
        if rng.random() < 0.1:
            speed = 0
        hands.move(speed, 0)
        moved[0] += speed
        time.sleep(0.02)
    for key in down:
        hands.key(key, down=False)
    return moved


def record_crispy_doom(
    name: str, folder: Path, seconds: float, level: int = 1
) -> tuple[Recording, np.ndarray]:
    """A recording for spec `doom`, and how far the mouse moved."""
    moved = []
    with crispy_doom(name, folder / "home", level) as window:
        order = Wish(
            out=folder,
            name="doom",
            fps=Fraction(35, 2),
            pause_key="key.keyboard.pause",
            part_frames=10_000,
            height=240,
            meta={"spec": "doom"},
        )
        session = Session(Display(name), window, order)

        def go() -> None:
            try:
                wait_for_recording(session)
                moved.append(play(Hands(Display(name)), seconds))
                wait_for_pictures(session)
            finally:
                session.stop.set()

        player = threading.Thread(target=go)
        player.start()
        session.run()
        player.join()
    return Recording.open(folder / "doom-000"), moved[0]
