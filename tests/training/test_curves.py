"""Curves of a run: what is drawn, and that many steps become few dots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from vidact.training.curves import MOST_DOTS, draw_curves, points, thinned


def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 1 / step} for step in range(1, 9)]
    rows += [{"step": 8, "val_loss": 0.5, "val_loss_low": 0.4, "val_loss_high": 0.6}]
    assert not draw_curves(rows, {"Score": ("score",)}, tmp_path / "none.png")
    assert not list(tmp_path.iterdir())
    assert draw_curves(rows, {"Loss": ("loss", "val_loss", "other")}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    steps, values = points([*rows, {"step": 9, "val_loss": None}], "val_loss")
    assert (steps.tolist(), values.tolist()) == ([8.0], [0.5])


def test_neighbors_are_averaged() -> None:
    steps, values = thinned(np.arange(2.0 * MOST_DOTS + 1), np.ones(2 * MOST_DOTS + 1))
    assert len(steps) <= MOST_DOTS
    assert steps[0] == 1.0  # of steps 0, 1 and 2
    assert set(values) == {1.0}
