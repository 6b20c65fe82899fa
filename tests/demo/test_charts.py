from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.demo.charts import (
    Dot,
    DotPlot,
    DotRow,
    LinePlot,
    Scale,
    Series,
    number,
    percent,
    round_step,
)
from vidact.demo.filmstrip import strip_image
from vidact.demo.report import environment


def drawn(plot: DotPlot | LinePlot) -> str:
    """A chart as the page draws it."""
    name = "dot_plot" if isinstance(plot, DotPlot) else "line_plot"
    return str(getattr(environment().get_template("charts.html").module, name)(plot))


def test_numbers_are_written_for_people() -> None:
    assert number(1234.5, 1) == "1,234.5"
    assert number(-0.25) == "−0.25"
    assert number(None) == number(float("nan")) == percent(float("inf")) == "–"
    assert percent(0.9512) == "95.1 %"


def test_what_a_template_prints_is_escaped() -> None:
    page = environment().from_string("<p>{{ name }}</p>").render(name='<b>"&')
    assert page == "<p>&lt;b&gt;&#34;&amp;</p>"


@pytest.mark.parametrize(
    ("rough", "step"), [(0.3, 0.5), (1.0, 1.0), (2.1, 2.5), (7, 10), (0.011, 0.02)]
)
def test_steps_are_round(rough: float, step: float) -> None:
    assert round_step(rough) == pytest.approx(step)


def test_a_scale_ends_at_round_numbers_unless_told() -> None:
    assert Scale.over([0.3, 9.2]) == Scale(0.0, 10.0, (0.0, 2.5, 5.0, 7.5, 10.0))
    assert Scale.over([0.2, 0.9], least=0.0, most=1.0).ticks == (0.0, 0.25, 0.5, 0.75, 1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_a_scale_holds_its_values_and_ticks(values: list[float]) -> None:
    scale = Scale.over(values)
    rounding = 1e-6 + 1e-8 * (max(values) - min(values))
    assert scale.low <= min(values) + rounding
    assert max(values) - rounding <= scale.high
    assert all(-1e-9 <= (t - scale.low) / (scale.high - scale.low) <= 1 + 1e-9 for t in scale.ticks)
    assert len(scale.ticks) <= 9


def test_dots_lie_where_their_values_are() -> None:
    row = DotRow(label="x", dots=[Dot(value=5.0, low=2.5, high=7.5)])
    page = drawn(DotPlot([row], Scale(0.0, 10.0)))
    assert 'class="dot model" style="left:50.00%"' in page
    assert 'style="left:25.00%;width:50.00%"' in page


def test_values_that_are_not_there_draw_nothing() -> None:
    row = DotRow(label="x", dots=[Dot(value=None), Dot(value=float("nan"))])
    assert "dot model" not in drawn(DotPlot([row], Scale(0.0, 1.0)))
    plot = LinePlot(series=[Series("a", [1.0], [None])], x_label="x", y_label="y")
    assert '<path class="line' not in drawn(plot)


def test_lines_go_through_their_points() -> None:
    axis = Scale(0.0, 10.0)
    line = Series("a", [0, 5, 10], [0, 10, None])
    page = drawn(LinePlot(series=[line], x_label="x", y_label="y", x_scale=axis, y_scale=axis))
    assert 'd="M0.0 1000.0L500.0 0.0"' in page


def test_a_strip_is_one_jpeg_of_its_frames() -> None:
    import io

    from PIL import Image

    frames = np.stack([np.full((8, 10, 3), 20 * t, np.uint8) for t in range(6)])
    picture = Image.open(io.BytesIO(strip_image(frames, count=3)))
    assert picture.size == (30, 8)
    shown = np.asarray(picture)[4, [5, 15, 25], 0]
    assert np.abs(shown.astype(int) - [20, 60, 100]).max() <= 3  # ticks 1, 3 and 5
