"""Small charts as HTML and SVG: they follow the page's colours, light and dark, and its width, without a script.

Text is always HTML, so that it keeps its size on a phone; only shapes are SVG, stretched to the space there is.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Number = float | None


def text(value: object) -> str:
    """Any value, safe inside HTML."""
    return html.escape(str(value), quote=True)


def number(value: Number, digits: int = 2) -> str:
    """A number with a fixed count of digits, thousands apart; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")


def percent(value: Number, digits: int = 1) -> str:
    """A share as a percentage: 0.953 is `95.3 %`."""
    return "–" if value is None or not math.isfinite(value) else f"{number(value * 100, digits)} %"


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis from `low` to `high`, and round places on it for ticks."""

    low: float
    high: float
    ticks: tuple[float, ...] = ()

    @staticmethod
    def over(
        values: Sequence[float], *, least: Number = None, most: Number = None, count: int = 4
    ) -> Scale:
        """An axis that holds all finite `values`, its ends at round numbers unless given."""
        finite = [v for v in values if v is not None and math.isfinite(v)] or [0.0, 1.0]
        low = min(finite) if least is None else least
        high = max(finite) if most is None else most
        if high - low < 1e-6:  # one value, or as good as one: give it room
            room = 0.5 * max(abs(low), abs(high)) if abs(high) > 1e-6 else 0.5
            low, high = low - room, high + room
        step = round_step((high - low) / count)
        low = math.floor(low / step + 1e-9) * step if least is None else low
        high = math.ceil(high / step - 1e-9) * step if most is None else high
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        return Scale(low, high, tuple(round(i * step, 10) for i in range(first, last + 1)))

    def share(self, value: float) -> float:
        """Where `value` lies, 0 at the low end and 1 at the high end, clipped."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5 or 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * (1 - 1e-9))


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """One value on a row of a dot plot."""

    value: Number
    low: Number = None
    """Lower end of the 95 % interval."""
    high: Number = None
    kind: str = "model"
    """CSS class: `model`, `base`, `truth` or `tuned`."""
    title: str = ""
    """What it is, shown when pointed at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DotRow:
    """A row of a dot plot: its name, its dots on a common axis, and the figure at its end."""

    label: str
    dots: Sequence[Dot]
    figure: str = ""
    note: str = ""
    scale: Scale | None = None
    """The row's own axis; None for the plot's."""


def dot_plot(rows: Sequence[DotRow], scale: Scale, *, digits: int = 2, unit: str = "") -> str:
    """Values with their 95 % intervals on a common axis, a row each."""
    parts = ['<div class="dots" role="list">']
    for row in rows:
        axis = row.scale or scale
        marks = "".join(
            f'<i class="tick" style="left:{axis.share(t):.2%}"></i>' for t in axis.ticks
        )
        for dot in row.dots:
            if dot.value is None or not math.isfinite(dot.value):
                continue
            if dot.low is not None and dot.high is not None:
                left, right = axis.share(dot.low), axis.share(dot.high)
                marks += f'<i class="span {dot.kind}" style="left:{left:.2%};width:{right - left:.2%}"></i>'
            label = text(f"{dot.title}: {number(dot.value, digits)}{unit}" if dot.title else "")
            marks += f'<i class="dot {dot.kind}" style="left:{axis.share(dot.value):.2%}" title="{label}"></i>'
        if row.scale is not None:  # an axis of its own has its own figures
            marks += "".join(
                f'<i class="tick-label" style="left:{axis.share(t):.2%}">{number(t, _digits(axis.ticks))}</i>'
                for t in axis.ticks
            )
        note = f'<span class="note">{row.note}</span>' if row.note else ""
        parts.append(
            f'<div class="dot-row{" own" if row.scale else ""}" role="listitem">'
            f'<span class="name">{row.label}{note}</span>'
            f'<span class="track">{marks}</span><span class="figure">{row.figure}</span></div>'
        )
    if any(row.scale is None for row in rows):
        labels = "".join(
            f'<i style="left:{scale.share(t):.2%}">{number(t, _digits(scale.ticks))}</i>'
            for t in scale.ticks
        )
        parts.append(
            f'<div class="dot-row axis" aria-hidden="true"><span class="name"></span>'
            f'<span class="track">{labels}</span><span class="figure"></span></div>'
        )
    parts.append("</div>")
    return "".join(parts)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """A key to marks: (CSS class, meaning)."""
    items = "".join(
        f'<li><i class="key {kind}"></i>{text(meaning)}</li>' for kind, meaning in entries
    )
    return f'<ul class="legend">{items}</ul>'


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A horizontal bar with a name and a figure."""

    label: str
    value: float
    figure: str
    mark: Number = None
    """A reference on the same axis, drawn as a line: a budget, say."""
    kind: str = "model"


def bars(rows: Sequence[Bar]) -> str:
    """Horizontal bars from zero on a common axis."""
    most = max([row.value for row in rows] + [row.mark or 0.0 for row in rows] + [1e-9])
    parts = ['<div class="bars" role="list">']
    for row in rows:
        mark = (
            "" if row.mark is None else f'<i class="mark" style="left:{row.mark / most:.2%}"></i>'
        )
        length = max(row.value, 0) / most
        parts.append(
            f'<div class="bar-row" role="listitem"><span class="name">{row.label}</span>'
            f'<span class="track"><i class="bar {row.kind}" style="width:{length:.2%}"></i>{mark}</span>'
            f'<span class="figure">{row.figure}</span></div>'
        )
    parts.append("</div>")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Series:
    """A line: x and y of its points; points without a finite y are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[Number]
    kind: str = "model"
    points: bool = False
    """Draw the points as well: for a handful of values."""
    shade: tuple[Sequence[float], Sequence[float]] | None = field(default=None)
    """Lower and upper edge of an area around the line."""


def line_plot(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_scale: Scale | None = None,
    y_scale: Scale | None = None,
    title: str = "",
    diagonal: bool = False,
) -> str:
    """Lines over a common x axis, with a legend where there is more than one."""
    xs = [x for line in series for x in line.x]
    ys = [y for line in series for y in line.y if y is not None]
    x_axis = x_scale or Scale.over(xs, least=min(xs, default=0.0), most=max(xs, default=1.0))
    y_axis = y_scale or Scale.over(ys)

    def place(x: float, y: float) -> str:
        return f"{x_axis.share(x) * 1000:.1f} {(1 - y_axis.share(y)) * 1000:.1f}"

    shapes = "".join(
        f'<path class="grid" d="M0 {(1 - y_axis.share(t)) * 1000:.1f}H1000"/>' for t in y_axis.ticks
    )
    if diagonal:
        shapes += f'<path class="line dashed" d="M{place(x_axis.low, x_axis.low)}L{place(x_axis.high, x_axis.high)}"/>'
    dots = ""
    for line in series:
        pairs = [
            (x, y)
            for x, y in zip(line.x, line.y, strict=True)
            if y is not None and math.isfinite(y)
        ]
        if line.shade is not None:
            low, high = line.shade
            edge = [place(x, y) for x, y in zip(line.x, high, strict=True)]
            edge += [place(x, y) for x, y in reversed(list(zip(line.x, low, strict=True)))]
            shapes += f'<path class="area {line.kind}" d="M{"L".join(edge)}Z"/>'
        if pairs:
            shapes += (
                f'<path class="line {line.kind}" d="M{"L".join(place(x, y) for x, y in pairs)}"/>'
            )
        if line.points:
            dots += "".join(
                f'<i class="dot {line.kind}" style="left:{x_axis.share(x):.2%};top:{1 - y_axis.share(y):.2%}"></i>'
                for x, y in pairs
            )
    y_ticks = "".join(
        f'<i style="top:{1 - y_axis.share(t):.2%}">{number(t, _digits(y_axis.ticks))}</i>'
        for t in y_axis.ticks
    )
    x_ticks = "".join(
        f'<i style="left:{x_axis.share(t):.2%}">{number(t, _digits(x_axis.ticks))}</i>'
        for t in x_axis.ticks
    )
    key = legend([(line.kind, line.name) for line in series]) if len(series) > 1 else ""
    head = f"<h4>{text(title)}</h4>" if title else ""
    return (
        f'<div class="plot">{head}<div class="y-label">{text(y_label)}</div><div class="plot-box">'
        f'<div class="y-ticks" aria-hidden="true">{y_ticks}</div><div class="canvas">'
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label="{text(title or y_label)}">'
        f'{shapes}</svg>{dots}</div><div class="x-ticks" aria-hidden="true">{x_ticks}</div></div>'
        f'<div class="x-label">{text(x_label)}</div>{key}</div>'
    )


def _digits(ticks: Sequence[float]) -> int:
    """Decimals that tell neighbouring ticks apart."""
    if len(ticks) < 2:
        return 2
    return next((d for d in range(5) if all(abs(t - round(t, d)) < 1e-9 for t in ticks)), 4)
