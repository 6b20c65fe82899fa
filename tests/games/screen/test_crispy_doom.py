"""A real game, recorded: Crispy Doom with Freedoom, played by script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.alignment import find_shift
from vidact.datasets.recordings.recording import as_seen
from vidact.datasets.spec_infer import draft_spec, render_draft
from vidact.plain_yaml import load_plain

pytest.importorskip("xcffib")

from tests.games.screen.crispy_doom import record_crispy_doom


def test_a_short_walk(x_display: str, tmp_path: Path) -> None:
    recording, moved = record_crispy_doom(x_display, tmp_path, 5)
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
    recording, _ = record_crispy_doom(x_display, tmp_path, 60)
    spec = ActionSpec.load("doom")
    assert find_shift([recording], spec).ticks == 0
    recording.states = as_seen(recording.states, 4)
    assert find_shift([recording], spec).ticks in (-3, -4)  # the game itself takes up to a tick
