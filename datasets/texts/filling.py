"""Fills in the templates of this room."""

from __future__ import annotations

import math
from functools import cache

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from ...progress import hours_of, shortened


def fill_in(template: str, **values: object) -> str:
    """The text of a template in `templates/`, without a newline at its end.

    Filters beside jinja's own: `form` is Python's `format`, `hours_of` says hours, minutes
    or seconds, `cell` is for cells of Markdown tables, `scalar` for texts in YAML, `shortened` for
    lists of many names.
    """
    text = _templates().get_template(f"{template}.jinja").render(values)
    return text.removesuffix("\n")


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("vidact.datasets.texts"),
        undefined=StrictUndefined,  # a figure that is missing is an error, not a blank
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # else a text that ends in a block would keep one more
    )
    templates.filters |= {"cell": _cell, "form": format, "scalar": _scalar}
    templates.filters |= {"hours_of": hours_of, "shortened": shortened}
    return templates


def _scalar(text: str) -> str:
    """A text as YAML writes it on one line: plain where that says the same."""
    plain = yaml.safe_dump(text, width=math.inf).removesuffix("\n...\n")
    if plain == text:
        return plain
    return yaml.safe_dump(text, default_style='"', width=math.inf).rstrip("\n")


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
