"""A real game, recorded: Crispy Doom with Freedoom, played by script."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.alignment import find_shift
from vidact.datasets.recordings.recording import Recording, as_seen
from vidact.datasets.spec_infer import draft_spec, render_draft
from vidact.plain_yaml import load_plain

from tests.games.screen.x11 import wait_for_pictures, wait_for_recording

pytest.importorskip("xcffib")
from vidact.games.screen.display import Display
from vidact.games.screen.hands import Hands
from vidact.games.screen.session import Session, Wish

from tests.games.screen.crispy_doom import crispy_doom, play


def record(name: str, folder: Path, seconds: float) -> tuple[Recording, np.ndarray]:
    """A recording for spec `doom`, and how far the mouse moved."""
    moved = []
    with crispy_doom(name, folder / "home") as window:
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


def test_a_short_walk(x_display: str, tmp_path: Path) -> None:
    recording, moved = record(x_display, tmp_path, 5)
    states = recording.states
    assert (sum(s.dx for s in states), sum(s.dy for s in states)) == tuple(moved)
    spec = ActionSpec.load("doom")
    actions = recording.actions(spec)
    frames = np.concatenate([batch.frames for batch in recording.frames(spec)]).astype(int)
    assert len(frames) == len(actions.valid)
    assert np.abs(frames[-1] - frames[0]).mean() > 5  # it walked somewhere
    used = set(np.flatnonzero(actions.buttons.any(0)))
    assert spec.button_names.index("forward") in used
    drafted = ActionSpec.from_dict(
        load_plain(render_draft(draft_spec([recording], name="d", presses=1)))
    )
    assert {"forward"} <= set(drafted.button_names)
    assert drafted.axis_names == ("yaw",)


@pytest.mark.soak
def test_labels_of_a_minute_stand_where_they_belong(x_display: str, tmp_path: Path) -> None:
    recording, _ = record(x_display, tmp_path, 60)
    spec = ActionSpec.load("doom")
    assert find_shift([recording], spec).ticks == 0
    recording.states = as_seen(recording.states, 4)
    assert find_shift([recording], spec).ticks in (-3, -4)  # the game itself takes up to a tick
