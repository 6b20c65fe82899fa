"""What the sections of the report show: rows and plots made of the figures of `report.json`.

No section holds a number of its own: what is printed comes from the figures, and the words around a
comparison follow from the figures compared. The words themselves stand in `templates/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..progress import duration
from .charts import Bar, BarChart, Dot, DotPlot, DotRow, LinePlot, Number, Scale, Series, percent
from .charts import number as num

Figures = dict[str, Any]
Ends = tuple[Number, Number]

UNIT = Scale.over([0, 1], least=0.0, most=1.0)
INTERVAL = "95\u00a0% interval "
MIN_SHARE = 0.0005  # of ticks in which a key is down, to be shown: less would print as 0.0 %
MIN_TICKS = 50  # behind a point of the reliability plot: fewer say nothing

METRICS = (
    ("keypress_accuracy", "Keypress accuracy", "share of all key states that are right"),
    (
        "macro_f1",
        "Macro F1",
        "mean over the keys of F1, so that rare keys count as much as common ones",
    ),
    (
        "macro_ap",
        "Macro AP",
        "mean over the keys of average precision: does probability rank presses above the rest?",
    ),
    ("transition_f1", "Transition F1", "presses and releases found within ±2 ticks"),
)
BASELINES = (
    ("always_released", "always released", "base hollow"),
    ("rates", "random presses at the training rates", "base"),
    ("frame_difference", "linear model on frame differences", "base square"),
)
BUTTON_COLUMNS = (
    ("pressed", "pressed", percent),
    ("accuracy", "accuracy", percent),
    ("precision", "precision", num),
    ("recall", "recall", num),
    ("f1", "F1", num),
    ("average_precision", "AP", num),
    ("transition_f1", "transition F1", num),
)
AGENTS = (
    ("random", "Random play", "base", "presses keys at random"),
    ("blind", "Blind clone", "base hollow", "the same training on black pictures"),
    ("clone", "Clone", "model", "imitates the IDM's labels"),
    (
        "finetune",
        "Fine-tuned clone",
        "tuned",
        "the clone after playing itself: PPO with a KL to the clone",
    ),
)


def interval(figures: Figures, name: str) -> Ends:
    """Return the 95 % interval of a metric, `ci95[name]`; a pair of None where there is none."""
    low, high = figures.get("ci95", {}).get(name) or (None, None)
    return low, high


def interval_words(ends: Ends, digits: int, *, share: bool = False) -> str:
    """Say an interval in words: `95 % interval 94.1 to 95.8`."""
    low, high = ends
    if low is None or high is None:
        return ""
    factor = 100 if share else 1
    return f"{INTERVAL}{num(low * factor, digits)} to {num(high * factor, digits)}"


def score_interval(score: Figures) -> Ends:
    """Return the 95 % interval of a player's score; a pair of None where one episode was played."""
    low, high = score["ci95"] or (None, None)
    return low, high


def compared_to(ours: Figures, theirs: Figures) -> str:
    """Say how two scores stand by their intervals: `above`, `below`, or neither for sure."""
    (low, high), (other_low, other_high) = score_interval(ours), score_interval(theirs)
    if low is not None and other_high is not None and low > other_high:
        return "above"
    if high is not None and other_low is not None and high < other_low:
        return "below"
    return "not clearly apart from"


def headline(report: Figures) -> list[dict[str, str]]:
    """Return the four figures to leave with, each beside what it must beat."""
    idm, dataset, clone = report["idm"], report["dataset"], report["clone"]
    released = idm["baselines"]["always_released"]["keypress_accuracy"]
    return [
        {
            "figure": percent(idm["keypress_accuracy"]),
            "what": "of key states labelled right, in worlds that the model never saw",
            "versus": f"“Nothing is ever pressed” scores {percent(released)}",
            "interval": interval_words(interval(idm, "keypress_accuracy"), 1, share=True),
        },
        _second_figure(idm),
        {
            "figure": f"{num(dataset['hours'] * 60, 0)} min",
            "what": "of unlabelled video turned into action-labelled clips",
            "versus": f"{num(dataset['clips'], 0)} clips, "
            f"{num(dataset['dead_letters'], 0)} dead letters",
            "interval": f"labelled in {duration(report['seconds']['label'])}",
        },
        {
            "figure": num(clone["score"], 1),
            "what": f"score of the agent cloned from those labels, task “{clone['task']}”",
            "versus": f"Random play scores {num(report['random']['score'], 1)}",
            "interval": interval_words(score_interval(clone), 1) or "no interval of one episode",
        },
    ]


def _second_figure(idm: Figures) -> dict[str, str]:
    """The mouse where the game has one, else the keys, rare ones counted like common ones."""
    if "yaw" in idm["mouse_r2"]:
        return {
            "figure": num(idm["mouse_r2"]["yaw"], 2),
            "what": "R² of the mouse’s turning, in degrees a tick, on the same maps",
            "versus": "0 is “always the mean”, 1 is perfect",
            "interval": interval_words(interval(idm, "mouse_r2.yaw"), 2),
        }
    rates = num(idm["baselines"]["rates"]["macro_f1"], 2)
    return {
        "figure": num(idm["macro_f1"], 2),
        "what": "F1 of the keys, rare ones counted like common ones, in the same worlds",
        "versus": f"Random presses at the training rates score {rates}",
        "interval": interval_words(interval(idm, "macro_f1"), 2),
    }


def accuracy(report: Figures) -> dict[str, Any]:
    """Return the IDM on held-out maps beside its baselines, and key by key."""
    idm = report["idm"]
    return {
        "plot": DotPlot([*_metric_rows(idm), *_axis_rows(idm)], UNIT),
        "legend": [
            ("model", "this run’s IDM, with its 95 % interval"),
            *((kind, meaning) for _, meaning, kind in BASELINES),
        ],
        "unsure": list(_unsure_gains(idm)),
        "heads": ["key", *(label for _, label, _ in BUTTON_COLUMNS)],
        "buttons": [
            {
                "name": name,
                "cells": [show(figures.get(key)) for key, _, show in BUTTON_COLUMNS],
                "quiet": not figures.get("pressed"),
                "strong": None,
            }
            for name, figures in idm["per_button"].items()
        ],
    }


def _metric_rows(idm: Figures) -> Iterator[DotRow]:
    for name, label, note in METRICS:
        low, high = interval(idm, name)
        baselines = {base: figures.get(name) for base, figures in idm["baselines"].items()}
        shares = [share for share in baselines.values() if share is not None]
        # Keys are released most of the time: on an axis from 0 all accuracies would look alike.
        close = name == "keypress_accuracy" and bool(shares)
        yield DotRow(
            label=label,
            note=note,
            dots=[
                *_baseline_dots(baselines),
                Dot(value=idm[name], low=low, high=high, title="IDM"),
            ],
            figure=percent(idm[name]) if name == "keypress_accuracy" else num(idm[name]),
            scale=Scale.over(shares, most=1.0) if close else None,
        )


def _axis_rows(idm: Figures) -> Iterator[DotRow]:
    for axis, value in idm["mouse_r2"].items():
        low, high = interval(idm, f"mouse_r2.{axis}")
        baselines = {
            base: (figures.get("mouse_r2") or {}).get(axis)
            for base, figures in idm["baselines"].items()
        }
        yield DotRow(
            label=f"Mouse R², {axis}",
            note=f"mean error {num(idm['mouse_error_deg'].get(axis))}° a tick",
            dots=[*_baseline_dots(baselines), Dot(value=value, low=low, high=high, title="IDM")],
            figure=num(value),
        )


def _baseline_dots(values: dict[str, Number]) -> list[Dot]:
    return [Dot(value=values[base], kind=kind, title=meaning) for base, meaning, kind in BASELINES]


def _unsure_gains(idm: Figures) -> Iterator[str]:
    """Name what the IDM is not above for sure: the interval of the difference reaches 0."""
    for base, meaning, _ in BASELINES:
        for name, label, _ in METRICS:
            gain = (idm.get("gain", {}).get(base) or {}).get(name) or {}
            if not (gain.get("ci95") and gain["ci95"][0] > 0):
                yield f"{label} ({meaning})"


def confidence(report: Figures) -> tuple[LinePlot, LinePlot]:
    """Return whether the model knows when it is wrong: reliability, and error by share kept."""
    quality = report["label_quality"]
    reliability, risk = quality["reliability"], quality["risk_coverage"]
    enough = [i for i, ticks in enumerate(reliability["ticks"]) if ticks >= MIN_TICKS]
    sure = [reliability["confidence"][i] for i in enough]
    right = [reliability["right"][i] for i in enough]
    return (
        LinePlot(
            series=[Series("labels", sure, right, points=True)],
            title="Is the confidence true?",
            x_label="confidence that the whole label of a tick is right",
            y_label="share of such labels that are right",
            x_scale=UNIT,
            y_scale=UNIT,
            diagonal=True,
        ),
        LinePlot(
            series=[
                Series("most confident first", risk["kept"], risk["wrong"]),
                Series("in random order", [0.0, 1.0], [quality["tick_error"]] * 2, kind="base"),
            ],
            title="What is left after keeping the surest ticks?",
            x_label="share of ticks kept",
            y_label="share of kept ticks with any error",
            x_scale=UNIT,
            y_scale=Scale.over([0.0, quality["tick_error"], *risk["wrong"]], least=0.0),
        ),
    )


def dataset(report: Figures) -> dict[str, Any]:
    """Return what was written, and how good it is against the hidden truth."""
    data, quality, idm = report["dataset"], report["label_quality"], report["idm"]
    rows = [
        _pile_row(label, quality, name, idm[name], quality[name])
        for name, label, _ in METRICS
        if quality.get(name) is not None and idm.get(name) is not None
    ]
    rows += [
        _pile_row(f"Mouse R², {axis}", quality, f"mouse_r2.{axis}", idm["mouse_r2"].get(axis), r2)
        for axis, r2 in quality["mouse_r2"].items()
    ]
    true_share = quality["true_press_share"]
    return {
        "drops": [f"{num(ticks, 0)} {reason}" for reason, ticks in data["drops"].items()],
        "plot": DotPlot(rows, UNIT),
        "presses": BarChart(
            [
                Bar(label=name, value=share, figure=percent(share), mark=true_share.get(name))
                for name, share in sorted(data["press_share"].items(), key=lambda item: -item[1])
                if max(share, true_share.get(name, 0.0)) >= MIN_SHARE
            ]
        ),
    }


def _pile_row(
    label: str, quality: Figures, name: str, held_out: Number, on_the_pile: Number
) -> DotRow:
    low, high = interval(quality, name)
    return DotRow(
        label=label,
        dots=[
            Dot(value=held_out, kind="base hollow", title="held-out recordings"),
            Dot(value=on_the_pile, low=low, high=high, title="labelled pile"),
        ],
        figure=num(on_the_pile, 3),
    )


def agent(report: Figures) -> dict[str, Any]:
    """Return the scores of all agents on the same seeds."""
    scores = [report[name] for name, *_ in AGENTS]
    ends = [end for score in scores for end in score["ci95"] or [score["score"]]]
    rows = []
    for score, (_, label, kind, note) in zip(scores, AGENTS, strict=True):
        low, high = score_interval(score)
        dot = Dot(value=score["score"], low=low, high=high, kind=kind, title=label)
        rows.append(DotRow(label=label, note=note, dots=[dot], figure=num(score["score"], 1)))
    return {
        "plot": DotPlot(rows, Scale.over([0.0, *ends])),
        "labels": {name: label for name, label, _, _ in AGENTS},
    }


def curves(report: Figures) -> list[LinePlot]:
    """Return how training went, a plot for each model that has a curve."""
    plots = []
    for figures in report["curves"]:
        lines = [
            Series(line["name"], line["x"], line["y"], line["kind"]) for line in figures["lines"]
        ]
        if any(line.x for line in lines):
            words = {name: figures[name] for name in ("title", "x_label", "y_label")}
            plots.append(LinePlot(series=lines, **words))
    return plots


def times(report: Figures) -> BarChart:
    """Return the seconds per stage, beside what was expected."""
    return BarChart(
        [
            Bar(
                label=report["titles"].get(name, name),
                value=seconds,
                figure=duration(seconds),
                mark=report["budget_s"].get(name) or None,
            )
            for name, seconds in report["seconds"].items()
        ]
    )
