"""Pages about ranges: each carries its pictures and asks for nothing from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .ranges import Ranges

COLUMNS = 3  # of small pictures beside each other
INK = "#1f4e79"


def fill_in(template: str, **values: object) -> str:
    """The page of a template in `templates/`."""
    return _templates().get_template(template).render(values)


def draw_ranges(first: Ranges, rows: Sequence[Mapping[str, Any]]) -> str:
    """Each parameter's range over the steps, in lambda, from the first ranges on; a PNG in a data
    URI.
    """
    suite = first.suite
    figure, places = small_pictures(len(suite.parameters))
    last = max((row["step"] for row in rows), default=1)
    for place, (name, parameter) in zip(places, suite.parameters.items(), strict=False):
        edges = {}
        for side in ("low", "high"):
            moves = [row for row in rows if (row["parameter"], row["side"]) == (name, side)]
            at = [first.bounds[name][side == "high"], *(row["to"] for row in moves)]
            edges[side] = ([0, *(row["step"] for row in moves), last], [*at, at[-1]])
        for steps, at in edges.values():
            place.step(steps, at, where="post", color=INK)
            place.fill_between(steps, at, 0, step="post", color=INK, alpha=0.15, linewidth=0)
        place.set_ylim(parameter.ends[0] - 0.05, parameter.ends[1] + 0.05)
        place.set_title(name, fontsize=9)
    return png(figure)


def small_pictures(count: int) -> tuple[Any, list[Any]]:
    """A figure with places for so many small pictures."""
    from matplotlib.figure import Figure

    rows = ceil(count / COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 1.9 * rows), layout="constrained")
    places = list(figure.subplots(rows, COLUMNS, squeeze=False).ravel())
    for place in places[count:]:
        place.set_axis_off()
    for place in places:
        place.tick_params(labelsize=7)
    return figure, places


def png(figure: Any) -> str:
    """A figure as a page carries it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("vidact.randomize"),
        autoescape=True,  # names come from files and users
        undefined=StrictUndefined,  # a figure that is missing is an error, not a blank
        trim_blocks=True,
        lstrip_blocks=True,
    )
