"""What tables of results are made of: rows of cells, and figures as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Sequence[object]
Table = tuple[Row, Sequence[Row]]


def number(value: object, digits: int = 3) -> str:
    """Format a figure for people: no more digits than it deserves, a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if abs(value) >= 100:
            return f"{value:,.0f}"
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"
    return str(value)


def mean_and_ends(one: Mapping[str, Any] | None) -> str:
    """Format a mean with its 95 % interval; a dash where there is none yet."""
    if one is None:
        return "–"
    ends = one.get("ci95")
    inside = f" [{number(ends[0], 2)}, {number(ends[1], 2)}]" if ends else ""
    return number(one["mean"], 2) + inside


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """Format a metric of the IDM with its 95 % interval, where it has one."""
    value = row["mouse_r2"].get(name.removeprefix("mouse_r2.")) if "." in name else row.get(name)
    ends = row.get("ci95", {}).get(name)
    inside = f" [{number(ends[0])}, {number(ends[1])}]" if ends and value is not None else ""
    return number(value) + inside
