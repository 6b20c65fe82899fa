"""The report: one self-contained page from the figures of `report.json` and a few pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from string import Template

from ..progress import duration
from . import sections, sections_agent, sections_labels
from .charts import text
from .filmstrip import Film, Strip

CONTENTS = (
    ("labels", "Labels"),
    ("accuracy", "Accuracy"),
    ("people", "People"),
    ("confidence", "Confidence"),
    ("dataset", "Dataset"),
    ("agent", "Agent"),
    ("training", "Training"),
    ("time", "Time"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """What the page shows that is no number."""

    strips: list[Strip] = field(default_factory=list)
    """Stretches of the labelled dataset."""
    films: dict[str, Film] = field(default_factory=dict)
    """An episode of some agents, by their names in the report."""


def render(report: sections.Figures, media: Media) -> str:
    """The page.

    Args:
        report: the figures, as `report.json` holds them.
        media: pictures and video; they are carried inside the page, which asks for nothing from outside.
    """
    shown = [entry for entry in CONTENTS if entry[0] != "people" or report["idm_people"]]
    links = "".join(f'<a href="#{identity}">{name}</a>' for identity, name in shown)
    run = report["run"]
    body = "\n".join(
        [
            f'<header><p class="brand">vidact</p><nav>{links}</nav></header>',
            '<div class="title"><h1>From raw play to a trained agent</h1>'
            '<p class="lead">A player’s keys and mouse were recorded for a few minutes. From that a model learned '
            "which action lies between two frames; it labelled a larger pile of bare video, and an agent learned to "
            f"play from those labels. This page shows how well each step went, on {text(run['machine'])} in "
            f"{duration(sum(report['seconds'].values())).replace(' ', '&nbsp;')}.</p></div>",
            sections.headline(report),
            sections.loop(report),
            sections_labels.labels(report, media.strips),
            sections_labels.accuracy(report),
            sections_labels.people(report),
            sections_labels.confidence(report),
            sections_labels.dataset(report),
            sections_agent.agent(report, media.films),
            sections_agent.curves(report),
            sections.time(report),
            sections.environment(report),
            f"<footer>vidact {text(run['vidact'])}, {text(run['finished'])}</footer>",
        ]
    )
    folder = resources.files(__package__)
    page = Template((folder / "report.html").read_text(encoding="utf-8"))
    css = (folder / "report.css").read_text(encoding="utf-8")
    return page.substitute(title=f"vidact demo, {text(run['finished'][:10])}", css=css, body=body)
