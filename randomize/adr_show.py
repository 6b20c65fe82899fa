"""`vidact adr show`: the ranges of a run, in words and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import storage
from ..progress import log
from .config import AdrShowConfig
from .log import read_log
from .pages import draw_ranges, fill_in
from .parameters import Boundary, Suite
from .ranges import Ranges

PAGE = "adr.html"


def adr_show(config: AdrShowConfig) -> int:
    """Print and write; returns the exit code. Raises ConfigError where there is no such run."""
    folder = Path(config.run)
    first, delta, rows = read_log(folder)
    suite, ranges = first.suite, ranges_after(first, rows)
    for line in table(suite, ranges, rows):
        log(line)
    out = Path(config.out) if config.out else folder / PAGE
    page = fill_in(
        "adr.html",
        run=folder.name,
        suite=suite,
        ranges=described(suite, ranges, rows),
        nats=ranges.nats(delta),
        decisions=len(rows),
        newest=rows[-50:][::-1],
        picture=draw_ranges(first, rows),
    )
    storage.write_atomic(out, page.encode())
    log(f"{len(rows)} decisions, {ranges.nats(delta):.3f} nats a dimension: {out}")
    return 0


def ranges_after(ranges: Ranges, rows: list[dict[str, Any]]) -> Ranges:
    """Where the boundaries stand after these decisions."""
    for row in rows:
        boundary = Boundary(row["parameter"], row["side"])
        ranges = ranges.moved(boundary, abs(row["to"]) - abs(ranges.at(boundary)))
    return ranges


def described(suite: Suite, ranges: Ranges, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each parameter its range, in its unit and as a share of its limits, and its decisions."""
    units = ranges.in_units()
    found = []
    for name, parameter in suite.parameters.items():
        low, high = ranges.bounds[name]
        room = parameter.ends[1] - parameter.ends[0]
        own = [row for row in rows if row["parameter"] == name]
        found.append(
            {
                "name": name,
                "where": parameter.where,
                "unit": parameter.unit,
                "low": units[name][0],
                "high": units[name][1],
                "limits": parameter.limits,
                "share": (high - low) / room,
                "decisions": len(own),
                "narrowed": sum(row["outcome"] == "narrowed" for row in own),
            }
        )
    return found


def table(suite: Suite, ranges: Ranges, rows: list[dict[str, Any]]) -> list[str]:
    """The ranges as lines of text."""
    lines = [f"{'parameter':16}{'range':>20}{'of the limits':>16}{'decisions':>11}{'back':>6}"]
    for one in described(suite, ranges, rows):
        span = f"{one['low']:.3g} .. {one['high']:.3g}"
        lines.append(
            f"{one['name']:16}{span:>20}{one['share']:>15.0%} {one['decisions']:>10}"
            f"{one['narrowed']:>6}  {one['unit']}"
        )
    return lines
