"""Plots of an evaluation: a labelled stretch under its film strip, reliability, buttons against
baselines, yaw.

T ticks of a stretch, K buttons, A axes
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.recording import Recording
from .metrics import Labelling, Truth

STRETCH_TICKS = 140  # 8 seconds at 17.5 Hz: single presses are still to be seen
STRIP_FRAMES = 10
ENOUGH_TICKS = 20  # fewer say nothing about a share
LONG_NAME = 9  # letters; longer names of buttons are written aslant
TRUE, SAID, WRONG = "#22313f", "#2b7bba", "#d1495b"
BASELINE_COLORS = {"always_released": "#c9c9c9", "rates": "#e3b76f", "frame_difference": "#9a8fc0"}
BASELINE_NAMES = {
    "always_released": "always released",
    "rates": "sampled rates",
    "frame_difference": "frame differences",
}
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "savefig.dpi": 130,
    "figure.facecolor": "white",
}

Play = Sequence[tuple[Recording, Truth, Labelling]]


def draw_all(folder: Path, result: dict[str, Any], play: Play, spec: ActionSpec) -> list[Path]:
    """Draw every plot into `folder`; returns the files."""
    with matplotlib.rc_context(STYLE):
        recording, truth, labels, start = liveliest(play, spec)
        end = min(start + STRETCH_TICKS, len(truth.valid))
        frames = [batch.frames for batch in recording.frames(spec, start_tick=start, end_tick=end)]
        drawn = {
            "stretch.png": stretch(
                np.concatenate(frames),
                truth,
                labels,
                start=start,
                end=end,
                spec=spec,
                title=plain_text(recording.name),
            ),
            "buttons.png": buttons(result),
            "reliability.png": reliability(result),
        }
        if spec.num_axes:
            drawn["mouse.png"] = mouse(play, result, spec)
        paths = []
        for name, figure in drawn.items():
            figure.savefig(folder / name)
            pyplot.close(figure)
            paths.append(folder / name)
        return paths


def plain_text(name: str) -> str:
    """A name as it is: what stands between two dollars would be set as mathematics."""
    return name.replace("$", r"\$")


def liveliest(play: Play, spec: ActionSpec) -> tuple[Recording, Truth, Labelling, int]:
    """A stretch in which much happens: the most true presses and releases, of many buttons, and
    turns.
    """
    best: tuple[float, int, int] = (-1.0, 0, 0)
    for index, (_, truth, _) in enumerate(play):
        buttons = truth.buttons.astype(np.int8)
        changes = np.abs(np.diff(buttons, axis=0, prepend=buttons[:1]))  # (N, K)
        for start in range(0, max(1, len(truth.valid) - STRETCH_TICKS + 1), STRETCH_TICKS // 2):
            part = slice(start, start + STRETCH_TICKS)
            if not truth.valid[part].all():
                continue
            each = changes[part].sum(0)
            turning = (np.abs(truth.camera[part]) > 1).sum() / max(1, truth.camera[part].size)
            score = float(np.minimum(each, 4).sum() + 2 * (each > 0).sum() + 8 * turning)
            best = max(best, (score, index, start))
    recording, truth, labels = play[best[1]]
    return recording, truth, labels, best[2]


def stretch(
    frames: NDArray[np.uint8],
    truth: Truth,
    labels: Labelling,
    *,
    start: int,
    end: int,
    spec: ActionSpec,
    title: str,
) -> Figure:
    """Truth and prediction lanes of ticks [start, end) under their frames, uint8 [T, H, W, 3]."""
    ticks = slice(start, end)
    rate = float(spec.tick_hz)
    shown = [
        k
        for k in range(spec.num_buttons)
        if (truth.buttons[ticks, k] | labels.buttons[ticks, k]).any()
        and truth.buttons_known[ticks, k].any()
    ]
    seconds = np.arange(end - start + 1) / rate
    heights = [1.65] + [0.62] * len(shown) + [1.25] * spec.num_axes + [0.9]
    figure, axes = pyplot.subplots(
        len(heights),
        1,
        figsize=(13, 0.9 * sum(heights)),
        sharex=True,
        height_ratios=heights,
        layout=ConstrainedLayoutEngine(h_pad=0.01, hspace=0.02),
    )
    _film(axes[0], frames, seconds[-1])
    axes[0].set_title(
        f"{title}, from {start / rate:.0f} s. "
        "Truth (dark) above label (blue; red: held wrongly, hatched: missed)"
    )
    for ax, k in zip(axes[1:], shown, strict=False):
        _button_lane(
            ax,
            truth.buttons[ticks, k],
            labels.buttons[ticks, k],
            labels.buttons_prob[ticks, k],
            seconds,
        )
        _lane_name(ax, spec.button_names[k])
    for ax, a in zip(axes[1 + len(shown) :], range(spec.num_axes), strict=False):
        ax.axhline(0, color="#dddddd", lw=0.8)
        ax.step(
            seconds[:-1],
            truth.camera[ticks, a],
            where="post",
            color=TRUE,
            lw=2.2,
            alpha=0.55,
            label="truth",
        )
        ax.step(
            seconds[:-1], labels.camera[ticks, a], where="post", color=SAID, lw=1.3, label="label"
        )
        _lane_name(ax, spec.axes[a].lane_name)
        if a == 0:
            ax.legend(loc="upper right", ncols=2, frameon=False, fontsize=9)
    if labels.confidence is not None:
        axes[-1].fill_between(
            seconds[:-1], labels.confidence[ticks], step="post", color="#7fb069", alpha=0.8, lw=0
        )
    axes[-1].set(ylim=(0, 1), yticks=[0, 1], xlabel="seconds", xlim=(0, seconds[-1]))
    _lane_name(axes[-1], "confidence")
    return figure


def buttons(result: dict[str, Any]) -> Figure:
    """Bars of each button that occurs: F1, recall, average precision and transition F1, beside the
    baselines.
    """
    names = [name for name, figures in result["per_button"].items() if figures["pressed"]]
    measures = {
        "f1": "F1",
        "recall": "recall",
        "average_precision": "average precision",
        "transition_f1": "transition F1 (±2 ticks)",
    }
    figure, axes = pyplot.subplots(
        len(measures), 1, figsize=(max(8, 1.1 * len(names)), 9.2), sharex=True, layout="constrained"
    )
    columns = {"IDM": (result, SAID)} | {
        BASELINE_NAMES[base]: (result["baselines"][base], color)
        for base, color in BASELINE_COLORS.items()
    }
    width = 0.8 / len(columns)
    for ax, (key, title) in zip(axes, measures.items(), strict=True):
        for offset, (label, (figures, color)) in enumerate(columns.items()):
            values = [figures["per_button"][name][key] or 0.0 for name in names]
            ax.bar(
                np.arange(len(names)) + (offset - 1.5) * width,
                values,
                width,
                color=color,
                label=label,
            )
        ax.set(ylim=(0, 1), title=title)
        ax.grid(axis="y", color="#eeeeee")
        ax.set_axisbelow(True)
    axes[0].legend(ncols=4, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    labels = [_with_counts(name, result["per_button"][name]) for name in names]
    long = max(map(len, names), default=0) > LONG_NAME
    axes[-1].set_xticks(
        range(len(names)), labels, **({"rotation": 35, "ha": "right"} if long else {})
    )
    axes[-1].set_xlabel("button, and in how many ticks it is held; red: never found")
    for tick, name in zip(axes[-1].get_xticklabels(), names, strict=True):
        if name in result["never_found"]:
            tick.set_color(WRONG)
    return figure


def _with_counts(name: str, figures: dict[str, Any]) -> str:
    """A button's name, its ticks, and their share of all."""
    return f"{name}\n{figures['held_ticks']:.0f} ({100 * figures['pressed']:.3g} %)"


def reliability(result: dict[str, Any]) -> Figure:
    """Is the confidence true, are the buttons' probabilities, and what is left of the errors among
    the surest ticks?
    """
    figure, (whole, single, risk) = pyplot.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
    confidence = result["confidence"]
    curve = confidence["reliability"]
    for ax in (whole, single):
        ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=1, ls="--")
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    said, right, ticks = (
        np.asarray(curve[name], float) for name in ("confidence", "right", "ticks")
    )
    some = ticks >= ENOUGH_TICKS
    whole.plot(said[some], right[some], color=SAID, lw=1.5)
    whole.scatter(
        said[some], right[some], s=12 + 500 * ticks[some] / ticks.sum(), color=SAID, alpha=0.6, lw=0
    )
    whole.set(
        title="Whole label of a tick",
        xlabel="confidence (large dots: many ticks)",
        ylabel="share that is right",
    )
    before = result["before_calibration"]["confidence"]["ece"]
    whole.text(0.03, 0.93, f"ECE {_text(confidence['ece'])} ({_text(before)} uncalibrated)")
    whole.text(0.03, 0.87, f"AUROC {_text(confidence['auroc'])}")
    pairs = pyplot.get_cmap("tab20").colors  # type: ignore[attr-defined]
    colors = (*pairs[::2], *pairs[1::2])  # the pale ones last
    for number, (name, rows) in enumerate(result["button_reliability"].items()):
        count, probability, so = np.asarray(rows).T
        some = count >= ENOUGH_TICKS
        if some.sum() < 2:  # pressed too seldom for a curve
            continue
        x, y, color = (
            probability[some] / count[some],
            so[some] / count[some],
            colors[number % len(colors)],
        )
        single.plot(x, y, lw=1, color=color, label=name)
        single.scatter(x, y, s=4 + 2 * np.sqrt(count[some]), color=color, alpha=0.6, lw=0)
    single.set(
        title="Each button",
        xlabel="probability (large dots: many ticks)",
        ylabel="share that is held",
    )
    if single.get_legend_handles_labels()[0]:
        single.legend(fontsize=7, frameon=False, loc="lower right")
    curve = confidence["risk_coverage"]
    risk.plot(curve["kept"], curve["wrong"], color=SAID, lw=1.8, label="surest first")
    if confidence["error"] is not None:
        risk.axhline(confidence["error"], color="#bbbbbb", ls="--", lw=1, label="in random order")
    risk.set(
        xlim=(0, 1),
        title="Errors among the surest ticks",
        xlabel="share of ticks kept, the surest ones",
    )
    risk.set_ylim(bottom=0)
    risk.set_ylabel("share of them with any error")
    risk.legend(frameon=False)
    return figure


def mouse(play: Play, result: dict[str, Any], spec: ActionSpec) -> Figure:
    """True against labelled motion of each axis, every valid tick in which it is known a dot of a
    density map.
    """
    figure, axes = pyplot.subplots(
        1, spec.num_axes, figsize=(5.2 * spec.num_axes, 4.8), layout="constrained", squeeze=False
    )
    for a, ax in enumerate(axes[0]):
        true = np.concatenate([truth.camera[truth.camera_known[:, a], a] for _, truth, _ in play])
        said = np.concatenate([said.camera[truth.camera_known[:, a], a] for _, truth, said in play])
        if not len(true):
            ax.set(title=f"{spec.axis_names[a]}: not known in this play")
            continue
        unit = spec.axes[a].unit
        # Of motion at least a degree or a notch is shown; a stick's whole way is 1.
        reach = max(float(np.quantile(np.abs(true), 0.998)), 1.0)
        ax.plot([-reach, reach], [-reach, reach], color="#bbbbbb", lw=1, ls="--")
        density = ax.hexbin(
            true,
            said,
            gridsize=70,
            extent=(-reach, reach, -reach, reach),
            bins="log",
            cmap="Blues",
            mincnt=1,
            lw=0,
        )
        figure.colorbar(density, ax=ax, shrink=0.7, label="ticks")
        name = spec.axis_names[a]
        r2, error = (_text(result[figure][name]) for figure in ("mouse_r2", "mouse_error_deg"))
        ax.set(
            xlim=(-reach, reach),
            ylim=(-reach, reach),
            aspect="equal",
            title=f"{name}: R² {r2}, mean error {error}{'°' if unit == 'degrees' else ''}",
            xlabel=f"truth, {unit} a tick" if unit else "truth",
            ylabel=f"label, {unit} a tick" if unit else "label",
        )
    return figure


def _lane_name(ax: Axes, name: str) -> None:
    ax.set_ylabel(name, rotation=0, ha="right", va="center")


def _film(ax: Axes, frames: NDArray[np.uint8], seconds: float) -> None:
    middles = ((np.arange(STRIP_FRAMES) + 0.5) * len(frames) / STRIP_FRAMES).astype(int)
    ax.imshow(
        np.concatenate(list(frames[middles]), axis=1), extent=(0, seconds, 0, 1), aspect="auto"
    )
    for edge in np.linspace(0, seconds, STRIP_FRAMES + 1)[1:-1]:
        ax.axvline(edge, color="white", lw=2)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(bottom=False)


def _button_lane(
    ax: Axes,
    true: NDArray[np.uint8],
    said: NDArray[np.uint8],
    probability: NDArray[np.floating],
    seconds: NDArray,
) -> None:
    """Truth in the upper half, the label in the lower one (red where it is wrong), its probability
    as a line.
    """
    start, length = seconds[:-1], seconds[1] - seconds[0]
    for held, level, color in (
        (true > 0, 0.55, TRUE),
        ((said > 0) & (true > 0), 0.05, SAID),
        ((said > 0) & (true == 0), 0.05, WRONG),
    ):
        ax.broken_barh([(t, length) for t in start[held]], (level, 0.4), color=color, lw=0)
    missed = (said == 0) & (true > 0)
    ax.broken_barh(
        [(t, length) for t in start[missed]],
        (0.05, 0.4),
        facecolor="none",
        edgecolor=WRONG,
        hatch="////",
        lw=0,
    )
    ax.step(start, 0.05 + 0.4 * probability, where="post", color="#555555", lw=0.8)
    ax.set(ylim=(0, 1), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.axhline(0.5, color="#eeeeee", lw=0.8, zorder=0)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
