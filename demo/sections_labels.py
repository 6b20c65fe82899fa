"""The sections of the report about the labels: how they look, how right they are, and the dataset they make."""

from __future__ import annotations

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
from .filmstrip import Strip, strip_html
from .sections import Figures, interval, interval_words, section

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


MIN_SHARE = 0.0005  # of ticks in which a key is down, to be shown: less would print as 0.0 %
MIN_TICKS = 50  # behind a point of the reliability plot: fewer say nothing


def labels(report: Figures, strips: list[Strip]) -> str:
    """Stretches of the labelled dataset: lanes under frames."""
    key = legend(
        [
            ("label", "label of the IDM"),
            ("prob", "its probability"),
            ("truth", "hidden truth, never shown to it"),
        ]
    )
    return section(
        "labels",
        "What a label looks like",
        "Each tick of video (17.5 a second) gets a state for every key and a mouse movement in degrees, all with "
        "calibrated probabilities. These stretches come from the dataset that this run wrote. The player’s true "
        "actions were put aside when the video was recorded, so that the labels can be held against them here.",
        key,
        *(strip_html(strip) for strip in strips),
    )


def accuracy(report: Figures) -> str:
    """The IDM on held-out maps beside its baselines."""
    idm = report["idm"]
    rows = []
    for name, label, note in METRICS:
        low, high = interval(idm, name)
        shares = [
            figures[name] for figures in idm["baselines"].values() if figures.get(name) is not None
        ]
        # Keys are released most of the time, so that all accuracies lie near 1: on an axis from 0 they look alike.
        close = Scale.over(shares, most=1.0) if name == "keypress_accuracy" and shares else None
        dots = [
            Dot(value=idm["baselines"][base].get(name), kind=kind, title=meaning)
            for base, meaning, kind in BASELINES
        ]
        rows.append(
            DotRow(
                label=label,
                note=note,
                dots=[*dots, Dot(value=idm[name], low=low, high=high, title="IDM")],
                figure=percent(idm[name]) if name == "keypress_accuracy" else number(idm[name]),
                scale=close,
            )
        )
    for axis, value in idm["mouse_r2"].items():
        low, high = interval(idm, f"mouse_r2.{axis}")
        dots = [
            Dot(
                value=(idm["baselines"][base].get("mouse_r2") or {}).get(axis),
                kind=kind,
                title=meaning,
            )
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
    key = legend(
        [
            ("model", "this run’s IDM, with its 95 % interval"),
            *((kind, name) for _, name, kind in BASELINES),
        ]
    )
    minutes, maps = report["play"]["heldout"]["minutes"], report["play"]["heldout"]["maps"]
    return section(
        "accuracy",
        "How right the labels are",
        f"Measured on {number(minutes, 1)} minutes of play on {len(maps)} maps that were in no training data. "
        f"The baselines see no truth of the test video. Intervals come from resampling whole recordings. {_gains(idm)}",
        dot_plot(rows, Scale.over([0, 1], least=0.0, most=1.0)),
        key,
        _button_table(idm),
    )


def _gains(idm: Figures) -> str:
    """Whether the IDM is above each baseline for sure: the lower end of the interval of their difference is above 0."""
    unsure = []
    for base, meaning, _ in BASELINES:
        for name, label, _ in METRICS:
            gain = (idm.get("gain", {}).get(base) or {}).get(name) or {}
            if not (gain.get("ci95") and gain["ci95"][0] > 0):
                unsure.append(f"{label} ({meaning})")
    if not unsure:
        return "On these four the model is above every baseline: the 95&nbsp;% interval of each difference lies above 0."
    return f"Not above for sure, since the 95&nbsp;% interval of the difference reaches 0: {', '.join(unsure)}."


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
        '<p class="small">Means over the keys leave out those that the test recordings never press (dimmed).</p>'
        "</details>"
    )


def people(report: Figures) -> str:
    """The same IDM on people's play, without training on any: how much of what it learned is the script's own."""
    idm = report["idm_people"]
    if not idm:
        return ""
    metrics = [(name, name, label) for name, label, _ in METRICS]
    axes = [
        axis for axis, r2 in idm["mouse_r2"].items() if r2 is not None
    ]  # nobody looked up: no R² of pitch
    metrics += [(f"mouse_r2.{axis}", axis, f"Mouse R², {text(axis)}") for axis in axes]
    rows = []
    for path, name, label in metrics:
        share = path == "keypress_accuracy"
        shown = [
            (percent if share else number)(
                figures["mouse_r2"].get(name) if name in axes else figures.get(name)
            )
            for figures in (
                report["idm"],
                idm,
                *(idm["baselines"][base] for base, _, _ in BASELINES),
            )
        ]
        within = interval_words(interval(idm, path), 1 if share else 2, share=share).removeprefix(
            "95&nbsp;% interval "
        )
        cells = [shown[0], f"<b>{shown[1]}</b>", within, *shown[2:]]
        rows.append(f"<tr><th>{label}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = (
        "the script, held out",
        "people",
        "95&nbsp;% interval",
        "always released",
        "random presses",
        "linear model",
    )
    play = report["play"]["people"]
    return section(
        "people",
        "On people, without training on any",
        f"{number(play['minutes'], 1)} minutes of demos that people recorded ({text(', '.join(play['maps']))}), "
        "replayed in another engine. They turn in steps and never look up or down. What the model lost on the way "
        "from the script to people is what a little labelled human play would win back.",
        '<div class="scroll" tabindex="0"><table><thead><tr><th></th>'
        f"{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>",
    )


def confidence(report: Figures) -> str:
    """Whether the model knows when it is wrong: reliability, and error against the share of ticks kept."""
    quality = report["label_quality"]
    reliability, risk = quality["reliability"], quality["risk_coverage"]
    enough = [i for i, ticks in enumerate(reliability["ticks"]) if ticks >= MIN_TICKS]
    points = (
        [reliability["confidence"][i] for i in enough],
        [reliability["right"][i] for i in enough],
    )
    unit = Scale.over([0, 1], least=0.0, most=1.0)
    left = line_plot(
        [Series("labels", *points, points=True)],
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
        f"Held against the hidden truth of all {number(quality['ticks'], 0)} labelled ticks. A label counts as right "
        "only if every key is right and the mouse is within one bin of the truth on each axis: "
        f"{percent(1 - quality['tick_error'])} of ticks are. The model’s mean confidence is "
        f"{percent(quality['mean_confidence'])}. Of the surest 80&nbsp;%, {percent(quality['error_at_80'])} have an "
        "error somewhere.",
        f'<div class="pair">{left}{right}</div>',
    )


def dataset(report: Figures) -> str:
    """The data card: what was written, and how good it is against the hidden truth."""
    data, quality = report["dataset"], report["label_quality"]
    facts = [
        ("Clips", number(data["clips"], 0)),
        ("Video", f"{number(data['hours'] * 60, 1)} min"),
        ("Shards", number(data["shards"], 0)),
        ("Size", f"{number(data['size_bytes'] / 1e6, 1)} MB"),
        ("Sources", number(data["sources"], 0)),
        ("Dead letters", number(data["dead_letters"], 0)),
        (
            "Dropped ticks",
            ", ".join(f"{number(n, 0)} {text(r)}" for r, n in data["drops"].items()) or "none",
        ),
        ("Null actions", percent(data["null_fraction"])),
        ("Verified", "every clip, no problem" if data["verified"] else "not yet"),
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
        if max(share, quality["true_press_share"].get(name, 0.0)) >= MIN_SHARE
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
                    _pile_dot(quality, name, quality[name]),
                ],
                figure=number(quality[name], 3),
            )
        )
    for axis, value in quality["mouse_r2"].items():
        rows.append(
            DotRow(
                label=f"Mouse R², {text(axis)}",
                dots=[
                    Dot(
                        value=report["idm"]["mouse_r2"].get(axis),
                        kind="base hollow",
                        title="held-out recordings",
                    ),
                    _pile_dot(quality, f"mouse_r2.{axis}", value),
                ],
                figure=number(value, 3),
            )
        )
    return section(
        "dataset",
        "The dataset",
        "WebDataset shards that stream into training as they are: each clip has its frames (mp4), its labels with "
        "their probabilities (npz), and its lineage down to the content hashes of source and checkpoint (json).",
        f'<dl class="card">{card}</dl>',
        "<h3>Labels against the hidden truth, on the whole pile</h3>",
        dot_plot(rows, Scale.over([0, 1], least=0.0, most=1.0)),
        legend(
            [
                ("model", "the labelled pile"),
                ("base hollow", "the held-out recordings, for comparison"),
            ]
        ),
        "<h3>How often each key is down</h3>",
        bars(press),
        legend([("bar model", "in the labels"), ("mark", "in truth")]),
    )


def _pile_dot(quality: Figures, name: str, value: float | None) -> Dot:
    low, high = interval(quality, name)
    return Dot(value=value, low=low, high=high, title="labelled pile")
