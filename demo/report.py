"""The report: one self-contained page from the figures of `report.json` and a few pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..progress import duration
from . import sections
from .charts import is_finite, number, percent
from .filmstrip import Film, Strip, StripDrawing, data_uri

CONTENTS = (
    ("labels", "Labels"),
    ("accuracy", "Accuracy"),
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
    """Stretches of the labeled dataset."""
    films: dict[str, Film] = field(default_factory=dict)
    """An episode of some agents, by their names in the report."""


def environment() -> Environment:
    """Return the templates of the page. Names come from files and users, so that all is escaped."""
    templates = Environment(
        loader=PackageLoader("vidact.demo"),
        autoescape=True,
        undefined=StrictUndefined,  # a figure that is missing is an error, not a blank
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "number": number,
        "percent": percent,
        "duration": duration,
        "data_uri": data_uri,
        "compared_to": sections.compared_to,
    }
    templates.tests["finite"] = is_finite
    return templates


def render(report: sections.Figures, media: Media) -> str:
    """Return the page.

    Args:
        report: the figures, as `report.json` holds them.
        media: pictures and video; they are carried inside the page, which asks for nothing from
            outside.
    """
    return (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            contents=CONTENTS,
            strips=[StripDrawing(strip) for strip in media.strips],
            films=media.films,
            headline=sections.headline(report),
            accuracy=sections.accuracy(report),
            confidence=sections.confidence(report),
            dataset=sections.dataset(report),
            agent=sections.agent(report),
            curves=sections.curves(report),
            times=sections.times(report),
        )
    )
