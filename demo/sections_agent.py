"""The sections of the report about the agent: its scores, its video, and how its training went."""

from __future__ import annotations

from .charts import Dot, DotRow, Scale, Series, dot_plot, line_plot, number, text
from .filmstrip import Film, data_uri
from .sections import Figures, compare, score_interval, section

AGENTS = (
    ("random", "Random play", "base", "presses keys at random"),
    ("clone", "Clone", "model", "imitates the IDM's labels"),
    (
        "clone_true_labels",
        "Clone of true labels",
        "truth",
        "the same network and clips with the hidden true actions",
    ),
    (
        "finetune",
        "Fine-tuned clone",
        "tuned",
        "the clone after playing itself: PPO with a KL to the clone",
    ),
)

LABELS = {name: label for name, label, _, _ in AGENTS}


def agent(report: Figures, films: dict[str, Film]) -> str:
    """Scores of all agents on the same seeds, and films of some of them by name."""
    shown = [(report[name], label, kind, note) for name, label, kind, note in AGENTS]
    scale = Scale.over(
        [0.0, *(end for figures, *_ in shown for end in figures["ci95"] or [figures["score"]])]
    )
    rows = []
    for figures, label, kind, note in shown:
        low, high = score_interval(figures)
        dot = Dot(value=figures["score"], low=low, high=high, kind=kind, title=label)
        rows.append(DotRow(label=label, note=note, dots=[dot], figure=number(figures["score"], 1)))
    clone, random, true = report["clone"], report["random"], report["clone_true_labels"]
    tuned = report["finetune"]
    words = (
        f"The clone is {compare(clone, random)} random play; it is {compare(clone, true)} the clone of true labels, "
        f"and the fine-tuned agent is {compare(tuned, clone)} the clone (“not clearly apart” means that the intervals "
        "overlap, or that one episode has none)."
    )
    figures = "".join(
        f'<figure><video controls loop muted playsinline preload="metadata" src="{data_uri(film.mp4, "video/mp4")}"'
        f' poster="{data_uri(film.poster, "image/jpeg")}"></video>'
        f"<figcaption>{LABELS[name]}: its first episode, score {number(report[name]['scores'][0], 1)}."
        "</figcaption></figure>"
        for name, film in films.items()
    )
    return section(
        "agent",
        "The agent",
        f"Task “{text(clone['task'])}”: {text(clone['about'])} Mean score of {clone['episodes']} episodes each, on the "
        f"same seeds, with a 95&nbsp;% interval. {words}",
        dot_plot(rows, scale),
        f'<div class="episodes">{figures}</div>' if films else "",
    )


def curves(report: Figures) -> str:
    """How training went, for each model."""
    plots = []
    for figures in report["curves"]:
        lines = [
            Series(line["name"], line["x"], line["y"], kind=line["kind"])
            for line in figures["lines"]
        ]
        if any(line.x for line in lines):
            plots.append(
                line_plot(
                    lines,
                    title=figures["title"],
                    x_label=figures["x_label"],
                    y_label=figures["y_label"],
                )
            )
    return section(
        "training",
        "How training went",
        "Every run can be stopped at any moment and goes on exactly where it was.",
        f'<div class="pair">{"".join(plots)}</div>',
    )
