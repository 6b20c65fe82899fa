"""Curves of a run: what `metrics.jsonl` holds, drawn step by step into one picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import storage

CURVES_FILE = "curves.png"
# About as many dots as a panel has pixels: of more steps than that neighbors are averaged.
MOST_DOTS = 200
BAND = 0.2  # opacity of an interval
LOW, HIGH = "_low", "_high"


def draw_curves(
    rows: Sequence[Mapping[str, Any]], panels: Mapping[str, Sequence[str]], path: str | Path
) -> bool:
    """Draw a picture of panels side by side, each with some metrics against the step.

    A metric `loss` with `loss_low` and `loss_high` beside it is drawn with that band.

    Args:
        rows: of `metrics.jsonl`.
        panels: by title, the names of a panel's metrics; those that no row has are left out, and so
            is a panel without any.
        path: of the PNG.

    Returns whether there was something to draw.
    """
    shown = {
        title: found
        for title, names in panels.items()
        if (found := [name for name in names if len(points(rows, name)[0])])
    }
    if not shown:
        return False
    from matplotlib.figure import Figure  # slow to load, and only needed now and then

    figure = Figure(figsize=(6 * len(shown), 4), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, (title, names) in zip(axes, shown.items(), strict=True):
        for name in names:
            steps, values = points(rows, name)
            (line,) = panel.plot(*thinned(steps, values), label=name, marker=".", ms=3, lw=1.2)
            low, high = points(rows, name + LOW), points(rows, name + HIGH)
            if len(low[0]) and np.array_equal(low[0], high[0]):
                panel.fill_between(
                    low[0], low[1], high[1], color=line.get_color(), alpha=BAND, lw=0
                )
        panel.set(title=title, xlabel="step")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    storage.write_atomic(path, picture.getvalue())
    return True


def points(
    rows: Sequence[Mapping[str, Any]], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of a metric, where it is a number."""
    found = [(row["step"], row[name]) for row in rows if isinstance(row.get(name), (int, float))]
    steps, values = np.array(found, np.float64).reshape(-1, 2).T
    return steps, values


def thinned(
    steps: NDArray[np.float64], values: NDArray[np.float64], most: int = MOST_DOTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most so many points, the means of neighbors."""
    if not len(steps):
        return steps, values
    size = -(-len(steps) // most)
    starts = np.arange(0, len(steps), size)
    counts = np.diff(np.append(starts, len(steps)))
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts
