"""The sections of the report, each a function from the report's figures to HTML.

No section holds a number of its own: what is printed comes from `report.json`, and the words around a comparison
follow from the figures compared.
"""

from __future__ import annotations

from typing import Any

from ..progress import duration
from .charts import (
    Bar,
    Dot,
    DotRow,
    Scale,
    Series,
    bars,
    dot_plot,
    legend,
    line_plot,
    number,
    percent,
    text,
)
from .filmstrip import Strip, data_uri, strip_html

Figures = dict[str, Any]

METRICS = (
    ("keypress_accuracy", "Keypress accuracy", "share of all key states that are right"),
    ("macro_f1", "Macro F1", "mean over the keys of F1, so that rare keys count as much as common ones"),
    ("macro_ap", "Macro AP", "mean over the keys of average precision: does probability rank presses above the rest?"),
    ("transition_f1", "Transition F1", "presses and releases found within ±2 ticks"),
)
BASELINES = (
    ("always_released", "always released", "base hollow"),
    ("rates", "random presses at the training rates", "base"),
    ("frame_difference", "linear model on frame differences", "base square"),
)
AGENTS = (
    ("random", "Random play", "base", "presses keys at random"),
    ("clone", "Clone", "model", "imitates the IDM's labels"),
    ("clone_true_labels", "Clone of true labels", "truth", "the same network and clips with the hidden true actions"),
    ("finetune", "Fine-tuned clone", "tuned", "the clone after playing itself: PPO with a KL to the clone"),
)


def interval(figures: Figures, name: str) -> tuple[float | None, float | None]:
    """The 95 % interval of a metric: `ci95[name]`, a pair or a mapping of axes; None where there is none."""
    low, high = figures.get("ci95", {}).get(name) or (None, None)
    return low, high


def interval_words(low: float | None, high: float | None, digits: int, *, share: bool = False) -> str:
    """An interval in words: `95 % interval 94.1 to 95.8`."""
    if low is None or high is None:
        return ""
    factor = 100 if share else 1
    return f"95&nbsp;% interval {number(low * factor, digits)} to {number(high * factor, digits)}"


def compare(ours: Figures, theirs: Figures) -> str:
    """How two scores with intervals stand to each other: `above`, `below`, or neither for sure."""
    (low, high), (other_low, other_high) = ours["ci95"], theirs["ci95"]
    if low > other_high:
        return "above"
    if high < other_low:
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
            interval_words(*accuracy_ci, 1, share=True),
        ),
        (
            number(yaw, 2),
            "R² of the mouse’s turning, in degrees a tick, on the same maps",
            "0 is “always the mean”, 1 is perfect",
            interval_words(*yaw_ci, 2),
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
            interval_words(*clone["ci95"], 1),
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
    play, dataset, idm = report["play"], report["dataset"], report["idm"]
    steps = [
        ("Labelled play", f"{number(play['labelled']['minutes'], 0)} min", "video with the keys and mouse that made it"),
        ("Inverse dynamics model", percent(idm["keypress_accuracy"]), "sees frames before and after, says which action lay between"),
        ("Unlabelled video", f"{number(play['unlabelled']['minutes'], 0)} min", "mp4 files and nothing else, other maps"),
        ("Action-labelled shards", f"{number(dataset['clips'], 0)} clips", "one Beam job: decode, label, write, commit"),
        ("Cloned agent", number(report["clone"]["score"], 1), "learns to act from past frames alone"),
        ("Fine-tuned agent", number(report["finetune"]["score"], 1), "goes on learning by playing"),
    ]  # fmt: skip
    sources = {"Labelled play", "Unlabelled video"}
    return (
        '<ol class="loop">'
        + "".join(
            f'<li class="{"source" if title in sources else "made"}"><b>{title}</b><strong>{figure}</strong><span>{what}</span></li>'
            for title, figure, what in steps
        )
        + "</ol>"
    )


def labels(report: Figures, strips: list[Strip]) -> str:
    """Stretches of the labelled dataset: lanes under frames."""
    key = legend(
        [("label", "label of the IDM"), ("prob", "its probability"), ("truth", "hidden truth, never shown to it")]
    )
    return section(
        "labels",
        "What a label looks like",
        "Each tick of video (17.5 a second) gets a state for every key and a mouse movement in degrees, all with calibrated "
        "probabilities. These stretches come from the dataset that this run wrote. The video was recorded by a player whose "
        "actions were put aside, so that the labels can be held against them here.",
        key,
        *(strip_html(strip) for strip in strips),
    )


def accuracy(report: Figures) -> str:
    """The IDM on held-out maps beside its baselines."""
    idm = report["idm"]
    rows = []
    for name, label, note in METRICS:
        low, high = interval(idm, name)
        dots = [
            Dot(value=idm["baselines"][base].get(name), kind=kind, title=meaning) for base, meaning, kind in BASELINES
        ]
        rows.append(
            DotRow(
                label=label,
                note=note,
                dots=[*dots, Dot(value=idm[name], low=low, high=high, title="IDM")],
                figure=percent(idm[name]) if name == "keypress_accuracy" else number(idm[name]),
            )
        )
    for axis, value in idm["mouse_r2"].items():
        low, high = interval(idm, f"mouse_r2.{axis}")
        dots = [
            Dot(value=(idm["baselines"][base].get("mouse_r2") or {}).get(axis), kind=kind, title=meaning)
            for base, meaning, kind in BASELINES
        ]
        error = idm["mouse_error_deg"].get(axis)
        rows.append(
            DotRow(
                label=f"Mouse R², {text(axis)}",
                note=f"mean error {number(error)}° a tick",
                dots=[*dots, Dot(value=value, low=low, high=high, title="IDM")],
                figure=number(value),
            )
        )
    key = legend([("model", "this run’s IDM, with its 95 % interval"), *((kind, name) for _, name, kind in BASELINES)])
    minutes, maps = report["play"]["heldout"]["minutes"], report["play"]["heldout"]["maps"]
    return section(
        "accuracy",
        "How right the labels are",
        f"Measured on {number(minutes, 1)} minutes of play on {len(maps)} maps that were in no training data. "
        "The baselines see no truth of the test video. Intervals come from resampling whole recordings.",
        dot_plot(rows, Scale.over([0, 1], least=0.0, most=1.0)),
        key,
        _button_table(idm),
    )


def _button_table(idm: Figures) -> str:
    columns = (
        ("pressed", "pressed", percent),
        ("accuracy", "accuracy", percent),
        ("precision", "precision", number),
        ("recall", "recall", number),
        ("f1", "F1", number),
        ("average_precision", "AP", number),
        ("transition_f1", "transition F1", number),
    )
    head = "".join(f"<th>{label}</th>" for _, label, _ in columns)
    rows = []
    for name, figures in idm["per_button"].items():
        cells = "".join(f"<td>{show(figures.get(key))}</td>" for key, _, show in columns)
        quiet = ' class="quiet"' if not figures.get("pressed") else ""
        rows.append(f"<tr{quiet}><th>{text(name)}</th>{cells}</tr>")
    return (
        "<details open><summary>Key by key</summary>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th>key</th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        "<p class='small'>Means over the keys leave out keys that the test recordings never press (dimmed).</p></details>"
    )


def confidence(report: Figures) -> str:
    """Whether the model knows when it is wrong: reliability, and error against the share of ticks kept."""
    quality = report["label_quality"]
    reliability, risk = quality["reliability"], quality["risk_coverage"]
    unit = Scale.over([0, 1], least=0.0, most=1.0)
    left = line_plot(
        [Series("labels", reliability["confidence"], reliability["right"], points=True)],
        title="Is the confidence true?",
        x_label="confidence that the whole label of a tick is right",
        y_label="share of such labels that are right",
        x_scale=unit,
        y_scale=unit,
        diagonal=True,
    )
    right = line_plot(
        [
            Series("most confident first", risk["kept"], risk["wrong"]),
            Series("in random order", [0.0, 1.0], [quality["tick_error"]] * 2, kind="base"),
        ],
        title="What is left after keeping the surest ticks?",
        x_label="share of ticks kept",
        y_label="share of kept ticks with any error",
        x_scale=unit,
        y_scale=Scale.over([0.0, quality["tick_error"], *risk["wrong"]], least=0.0),
    )
    return section(
        "confidence",
        "How well it knows what it does not know",
        f"Held against the hidden truth of all {number(quality['ticks'], 0)} labelled ticks. A label is right only if every "
        "key is right and the mouse is within one bin of the truth on each axis: "
        f"{percent(1 - quality['tick_error'])} of ticks are. The mean confidence is {percent(quality['mean_confidence'])}. "
        f"Of the surest 80&nbsp;%, {percent(quality['error_at_80'])} have an error.",
        f'<div class="pair">{left}{right}</div>',
    )


def dataset(report: Figures) -> str:
    """The data card: what was written, and how good it is against the hidden truth."""
    data, quality, verify = report["dataset"], report["label_quality"], report["verify"]
    facts = [
        ("Clips", number(data["clips"], 0)),
        ("Video", f"{number(data['hours'] * 60, 1)} min"),
        ("Shards", number(data["shards"], 0)),
        ("Size", f"{number(data['bytes'] / 1e6, 1)} MB"),
        ("Sources", number(data["sources"], 0)),
        ("Dead letters", number(data["dead_letters"], 0)),
        ("Dropped ticks", ", ".join(f"{number(n, 0)} {text(r)}" for r, n in data["drops"].items()) or "none"),
        ("Null actions", percent(data["null_fraction"])),
        ("Verified", "every clip, no problem" if not verify["problems"] else f"{len(verify['problems'])} problems"),
    ]
    card = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    press = [
        Bar(
            label=text(name),
            value=share,
            figure=percent(share),
            mark=quality["true_press_share"].get(name),
        )
        for name, share in sorted(data["press_share"].items(), key=lambda item: -item[1])
    ]
    rows = []
    for name, label, _ in METRICS:
        if quality.get(name) is None or report["idm"].get(name) is None:
            continue
        rows.append(
            DotRow(
                label=label,
                dots=[
                    Dot(value=report["idm"][name], kind="base hollow", title="held-out recordings"),
                    Dot(value=quality[name], title="labelled pile"),
                ],
                figure=number(quality[name], 3),
            )
        )
    for axis, value in quality["mouse_r2"].items():
        rows.append(
            DotRow(
                label=f"Mouse R², {text(axis)}",
                dots=[
                    Dot(value=report["idm"]["mouse_r2"].get(axis), kind="base hollow", title="held-out recordings"),
                    Dot(value=value, title="labelled pile"),
                ],
                figure=number(value, 3),
            )
        )
    return section(
        "dataset",
        "The dataset",
        "WebDataset shards that stream into training as they are: each clip has its frames (mp4), labels with probabilities "
        "(npz) and its lineage down to the source’s content hash and the checkpoint’s (json).",
        f'<dl class="card">{card}</dl>',
        "<h3>Labels against the hidden truth, on the whole pile</h3>",
        dot_plot(rows, Scale.over([0, 1], least=0.0, most=1.0)),
        legend([("model", "the labelled pile"), ("base hollow", "the held-out recordings, for comparison")]),
        "<h3>How often each key is down</h3>",
        bars(press),
        legend([("bar model", "in the labels"), ("mark", "in truth")]),
    )


def agent(report: Figures, video: bytes | None) -> str:
    """Scores of all agents on the same seeds, and the agent's video."""
    shown = [(report[name], label, kind, note) for name, label, kind, note in AGENTS]
    ends = [end for figures, *_ in shown for end in figures["ci95"]]
    scale = Scale.over([0.0, *ends])
    rows = [
        DotRow(
            label=label,
            note=note,
            dots=[Dot(value=figures["score"], low=figures["ci95"][0], high=figures["ci95"][1], kind=kind, title=label)],
            figure=number(figures["score"], 1),
        )
        for figures, label, kind, note in shown
    ]
    clone, random, true = report["clone"], report["random"], report["clone_true_labels"]
    tuned = report["finetune"]
    words = (
        f"The clone is {compare(clone, random)} random play; it is {compare(clone, true)} the clone of true labels, and "
        f"the fine-tuned agent is {compare(tuned, clone)} the clone (“not clearly apart” means that the intervals overlap)."
    )
    film = ""
    if video:
        film = (
            f'<figure class="episode"><video controls loop muted playsinline preload="metadata" '
            f'src="{data_uri(video, "video/mp4")}"></video>'
            f"<figcaption>One episode of the {text(report['video']['agent'])}, as it was played "
            f"(score {number(report['video']['score'], 1)}).</figcaption></figure>"
        )
    return section(
        "agent",
        "The agent",
        f"Task “{text(clone['task'])}”: {text(clone['about'])} Mean score of {clone['episodes']} episodes each, on the same "
        f"seeds, with a bootstrapped 95&nbsp;% interval. {words}",
        dot_plot(rows, scale),
        film,
    )


def curves(report: Figures) -> str:
    """How training went, for each model."""
    plots = []
    for figures in report["curves"]:
        lines = [Series(line["name"], line["x"], line["y"], kind=line["kind"]) for line in figures["lines"]]
        if any(line.x for line in lines):
            plots.append(
                line_plot(lines, title=figures["title"], x_label=figures["x_label"], y_label=figures["y_label"])
            )
    return section(
        "training",
        "How training went",
        "Losses fall as they should or this page would be the place to see it; every run resumes exactly where it stopped.",
        f'<div class="pair">{"".join(plots)}</div>',
    )


def time(report: Figures) -> str:
    """Seconds a stage, and the command that made each."""
    rows = [
        Bar(label=text(name), value=seconds, figure=duration(seconds), mark=report["budget_s"].get(name) or None)
        for name, seconds in report["seconds"].items()
    ]
    commands = "\n".join(report["commands"].values())
    total, peak = sum(report["seconds"].values()), report["peak_memory_bytes"]
    return section(
        "time",
        "Where the time went",
        f"{duration(total)} in all, at most {number(peak / 2**30, 1)} GiB of memory. Finished stages are reused by the next "
        "run; a stopped one goes on.",
        bars(rows),
        legend([("bar model", "measured"), ("mark", "expected on two cores")]),
        f"<details><summary>Every command of this run</summary><pre>{text(commands)}</pre></details>",
    )


def environment(report: Figures) -> str:
    """What it ran on."""
    items = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in report["environment"].items())
    return section(
        "environment",
        "Made with",
        "All of it is measured in this run; <code>report.json</code> beside this page holds every figure on it.",
        f'<dl class="card">{items}</dl>',
    )
