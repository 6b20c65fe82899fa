"""A second real game, recorded: Luanti, played by script in step with the recorder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.spec_infer import draft_spec, render_draft
from vidact.plain_yaml import load_plain

pytest.importorskip("xcffib")

from tests.games.screen.luanti import luanti, record_luanti


def test_a_short_walk(x_display: str, tmp_path: Path) -> None:
    with luanti(x_display, tmp_path / "home") as window:
        recording, player = record_luanti(
            x_display, window, tmp_path / "home", tmp_path, 40, hz=10
        )  # in step also on a busy machine
    told = {i: state for i, state in enumerate(recording.states) if state.valid}
    assert told  # where the machine is late, a line has no label
    for i, state in told.items():
        held, dx, dy = player.done[i]
        assert (set(state.inputs()), state.dx, state.dy) == (held, dx, dy), i
    drafted = ActionSpec.from_dict(
        load_plain(render_draft(draft_spec([recording], name="d", presses=1)))
    )
    assert drafted.tick_hz == 10
    pressed = {name for state in told.values() for name in state.inputs()}
    assert {name for button in drafted.buttons for name in button.inputs} == pressed
    assert "yaw" in drafted.axis_names
    frames = np.concatenate([batch.frames for batch in recording.frames(drafted)]).astype(int)
    assert np.abs(frames[-1] - frames[0]).mean() > 5  # it went somewhere
