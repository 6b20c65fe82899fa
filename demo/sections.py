"""The sections of the report that frame it, and what all sections share; each is a function from figures to HTML.

No section holds a number of its own: what is printed comes from `report.json`, and the words around a comparison
follow from the figures compared.
"""

from __future__ import annotations

from typing import Any

from ..progress import duration
from .charts import Bar, bars, legend, number, percent, text

Figures = dict[str, Any]


def interval(figures: Figures, name: str) -> tuple[float | None, float | None]:
    """The 95 % interval of a metric: `ci95[name]`, a pair or a mapping of axes; None where there is none."""
    low, high = figures.get("ci95", {}).get(name) or (None, None)
    return low, high


def interval_words(
    ends: tuple[float | None, float | None], digits: int, *, share: bool = False
) -> str:
    """An interval in words: `95 % interval 94.1 to 95.8`."""
    low, high = ends
    if low is None or high is None:
        return ""
    factor = 100 if share else 1
    return f"95&nbsp;% interval {number(low * factor, digits)} to {number(high * factor, digits)}"


def score_interval(score: Figures) -> tuple[float | None, float | None]:
    """The 95 % interval of a player's score; None where one episode was played."""
    low, high = score["ci95"] or (None, None)
    return low, high


def compare(ours: Figures, theirs: Figures) -> str:
    """How two scores stand to each other by their intervals: `above`, `below`, or neither for sure."""
    (low, high), (other_low, other_high) = score_interval(ours), score_interval(theirs)
    if low is not None and other_high is not None and low > other_high:
        return "above"
    if high is not None and other_low is not None and high < other_low:
        return "below"
    return "not clearly apart from"


def section(identity: str, title: str, lead: str, *parts: str) -> str:
    """A titled part of the page."""
    return f'<section id="{identity}"><h2>{title}</h2><p class="lead">{lead}</p>{"".join(parts)}</section>'


def headline(report: Figures) -> str:
    """The four figures that a reader should leave with, each beside what it must beat."""
    idm, dataset = report["idm"], report["dataset"]
    yaw = idm["mouse_r2"].get("yaw")
    accuracy_ci, yaw_ci = interval(idm, "keypress_accuracy"), interval(idm, "mouse_r2.yaw")
    released = idm["baselines"]["always_released"]["keypress_accuracy"]
    clone, random = report["clone"], report["random"]
    tiles = [
        (
            percent(idm["keypress_accuracy"]),
            "of key states labelled right, on maps that the model never saw",
            f"“Nothing is ever pressed” scores {percent(released)}",
            interval_words(accuracy_ci, 1, share=True),
        ),
        (
            number(yaw, 2),
            "R² of the mouse’s turning, in degrees a tick, on the same maps",
            "0 is “always the mean”, 1 is perfect",
            interval_words(yaw_ci, 2),
        ),
        (
            f"{number(dataset['hours'] * 60, 0)} min",
            "of unlabelled video turned into action-labelled clips",
            f"{number(dataset['clips'], 0)} clips, {number(dataset['dead_letters'], 0)} dead letters",
            f"labelled in {duration(report['seconds']['label'])}",
        ),
        (
            number(clone["score"], 1),
            f"score of the agent cloned from those labels, task “{text(clone['task'])}”",
            f"Random play scores {number(random['score'], 1)}",
            interval_words(score_interval(clone), 1) or "no interval of one episode",
        ),
    ]
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><strong>{value}</strong><p>{what}</p><p class="versus">{versus}</p>'
            f'<p class="ci">{ci}</p></div>'
            for value, what, versus, ci in tiles
        )
        + "</div>"
    )


def loop(report: Figures) -> str:
    """The chain as a picture, with this run's amounts."""

    def minutes(play: Figures) -> str:
        return f"{number(play['minutes'], 0)} min"

    play, data, idm = report["play"], report["dataset"], report["idm"]
    steps = [
        (
            "source",
            "Labelled play",
            minutes(play["labelled"]),
            "video with the keys and mouse that made it",
        ),
        (
            "made",
            "Inverse dynamics model",
            percent(idm["keypress_accuracy"]),
            "says which action lies between frames",
        ),
        (
            "source",
            "Unlabelled video",
            minutes(play["unlabelled"]),
            "mp4 files and nothing else, other maps",
        ),
        (
            "made",
            "Action-labelled shards",
            f"{number(data['clips'], 0)} clips",
            "by one Beam job: decode, label, commit",
        ),
        (
            "made",
            "Cloned agent",
            number(report["clone"]["score"], 1),
            "learns to act from past frames alone",
        ),
        (
            "made",
            "Fine-tuned agent",
            number(report["finetune"]["score"], 1),
            "goes on learning by playing",
        ),
    ]
    return (
        '<ol class="loop">'
        + "".join(
            f'<li class="{kind}"><b>{title}</b><strong>{figure}</strong><span>{what}</span></li>'
            for kind, title, figure, what in steps
        )
        + "</ol>"
    )


def time(report: Figures) -> str:
    """Seconds a stage, and the command that made each."""
    rows = [
        Bar(
            label=text(report["titles"].get(name, name)),
            value=seconds,
            figure=duration(seconds),
            mark=report["budget_s"].get(name) or None,
        )
        for name, seconds in report["seconds"].items()
    ]
    commands = "\n".join(report["commands"].values())
    total, peak = sum(report["seconds"].values()), report["peak_memory_bytes"]
    return section(
        "time",
        "Where the time went",
        f"{duration(total)} in all, at most {number(peak / 2**30, 1)} GiB of memory. Finished stages are reused by the "
        "next run; a stopped one goes on.",
        bars(rows),
        legend([("bar model", "measured"), ("mark", "expected on two cores")]),
        f"<details><summary>Every command of this run</summary><pre>{text(commands)}</pre></details>",
    )


def environment(report: Figures) -> str:
    """What it ran on."""
    items = "".join(
        f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in report["environment"].items()
    )
    return section(
        "environment",
        "Made with",
        "All of it is measured in this run; <code>report.json</code> beside this page holds every figure on it.",
        f'<dl class="card">{items}</dl>',
    )
