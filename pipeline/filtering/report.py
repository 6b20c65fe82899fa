"""The report of a filter: one page that carries its pictures and asks for nothing from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

COLORS = ("#1f4e79", "#7a3b00")  # they differ in gray as well


@dataclass(frozen=True, kw_only=True, slots=True)
class HardFrame:
    """A frame on the contact sheet."""

    key: str
    uri: str
    said: float
    """Probability of being clean, by a filter that was fitted without its video."""
    label: str
    """What people say."""
    picture: str
    """Its JPEG as a data URI."""


def render(metrics: Mapping[str, Any], hardest: Sequence[HardFrame]) -> str:
    """The page."""
    templates = Environment(
        loader=PackageLoader("vidact.pipeline.filtering"),
        autoescape=True,  # names come from files and users
        undefined=StrictUndefined,  # a figure that is missing is an error, not a blank
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    return templates.get_template("filter_report.html").render(
        metrics=metrics,
        hardest=hardest,
        curve=draw_curve(metrics["curve"]),
        reliability=draw_reliability(metrics["reliability"]),
    )


def data_uri(data: bytes, kind: str) -> str:
    """Bytes of a picture as a page carries them."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def draw_curve(curve: Sequence[Mapping[str, float]]) -> str:
    """Balanced accuracy over labels, with its interval, as a PNG in a data URI."""
    labels = [point["labels"] for point in curve]
    figure, axes = _figure()
    low, high = ([point["ci95"][side] for point in curve] for side in (0, 1))  # type: ignore[index]
    axes.fill_between(labels, low, high, color=COLORS[0], alpha=0.2, linewidth=0)
    axes.plot(labels, [p["balanced_accuracy"] for p in curve], "o-", color=COLORS[0])
    axes.set_xscale("log", base=2)
    axes.set_xticks(labels, [f"{count:,.0f}" for count in labels])
    axes.set_xlabel("labeled frames")
    axes.set_ylabel("balanced accuracy on other videos")
    return _png(figure)


def draw_reliability(reliability: Sequence[Sequence[float]]) -> str:
    """What was said against how often it was so, as a PNG in a data URI."""
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    said, so, count = np.array(reliability).T
    axes.scatter(said, so, s=10 + 200 * count / count.sum(), color=COLORS[1])
    axes.set_xlabel("probability of clean")
    axes.set_ylabel("share that is clean")
    return _png(figure)


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return data_uri(buffer.getvalue(), "png")
