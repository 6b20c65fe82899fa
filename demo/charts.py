"""What the charts of the report are made of: axes, marks and outlines. `templates/charts.html`
draws them.

Shapes are drawn in units of a thousandth of the canvas, which the page stretches to the space there
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

Number = float | None


def is_finite(value: Number) -> bool:
    """Return whether there is a value, and it is a number."""
    return value is not None and math.isfinite(value)


def number(value: Number, digits: int = 2) -> str:
    """Format a number with a fixed count of digits, thousands apart; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")


def percent(value: Number, digits: int = 1) -> str:
    """Format a share as a percentage: 0.953 is `95.3 %`."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{number(value * 100, digits)} %"


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

    @property
    def digits(self) -> int:
        """Decimals that tell neighboring ticks apart."""
        if len(self.ticks) < 2:
            return 2
        exact = (d for d in range(5) if all(abs(t - round(t, d)) < 1e-9 for t in self.ticks))
        return next(exact, 4)

    def share(self, value: float) -> float:
        """Return where `value` lies, 0 at the low end and 1 at the high end, clipped."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def place(self, value: float) -> str:
        """Return the place of `value` as CSS has it, from the low end: `12.50%`."""
        return f"{self.share(value):.2%}"

    def place_from_top(self, value: float) -> str:
        """Return the place of `value` on a vertical axis, whose high end is on top."""
        return f"{1 - self.share(value):.2%}"

    def span(self, low: float, high: float) -> str:
        """Return the length from `low` to `high` as CSS has it."""
        return f"{self.share(high) - self.share(low):.2%}"


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


@dataclass(frozen=True, slots=True)
class DotPlot:
    """Values with their 95 % intervals, a row each, on a common axis or one of the row's own."""

    rows: Sequence[DotRow]
    scale: Scale

    @property
    def has_common_axis(self) -> bool:
        """Whether any row lies on the common axis."""
        return any(row.scale is None for row in self.rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A horizontal bar with a name and a figure."""

    label: str
    value: float
    figure: str
    mark: Number = None
    """A reference on the same axis, drawn as a line: a budget, say."""
    kind: str = "model"


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars from zero on a common axis."""

    rows: Sequence[Bar]

    def length(self, value: float) -> str:
        """Return the length of a value as CSS has it; the longest bar or mark fills the track."""
        longest = max([1e-9, *(max(row.value, row.mark or 0.0) for row in self.rows)])
        return f"{max(value, 0) / longest:.2%}"


@dataclass(frozen=True, slots=True)
class Series:
    """A line: x and y of its points; points without a finite y are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[Number]
    kind: str = "model"
    points: bool = False
    """Draw the points as well: for a handful of values."""

    @property
    def finite(self) -> list[tuple[float, float]]:
        """The points that can be drawn."""
        pairs = zip(self.x, self.y, strict=True)
        return [(x, y) for x, y in pairs if y is not None and math.isfinite(y)]


@dataclass(frozen=True, kw_only=True)
class LinePlot:
    """Lines over a common x axis; axes that are not given hold all values."""

    series: Sequence[Series]
    x_label: str
    y_label: str
    x_scale: Scale | None = None
    y_scale: Scale | None = None
    title: str = ""
    diagonal: bool = field(default=False)
    """Draw the line on which y is x."""

    @cached_property
    def x(self) -> Scale:
        """The x axis, which ends where the data ends."""
        xs = [x for line in self.series for x in line.x]
        ends = min(xs, default=0.0), max(xs, default=1.0)
        return self.x_scale or Scale.over(xs, least=ends[0], most=ends[1])

    @cached_property
    def y(self) -> Scale:
        """The y axis, which ends at round numbers."""
        return self.y_scale or Scale.over([y for s in self.series for y in s.y if y is not None])

    @property
    def grid(self) -> list[str]:
        """Heights of the horizontal lines."""
        return [f"{(1 - self.y.share(tick)) * 1000:.1f}" for tick in self.y.ticks]

    @property
    def diagonal_path(self) -> str:
        """The outline of the diagonal."""
        return f"M{self._point(self.x.low, self.x.low)}L{self._point(self.x.high, self.x.high)}"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Class and name of each line."""
        return [(line.kind, line.name) for line in self.series]

    def path(self, line: Series) -> str:
        """Return the outline of a line, empty where it has no point."""
        points = "L".join(self._point(x, y) for x, y in line.finite)
        return f"M{points}" if points else ""

    def _point(self, x: float, y: float) -> str:
        return f"{self.x.share(x) * 1000:.1f} {(1 - self.y.share(y)) * 1000:.1f}"
