"""Label lanes under the frames they belong to: what the model says each tick, and what was true.

`templates/charts.html` draws them, a lane being 100 units high and a unit wide per tick.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..datasets.actions.stretches import stretches
from .charts import number

FRAMES_SHOWN = 12  # a strip of 12 square frames is still readable at the width of a page
LANE = 100.0  # height of a lane in drawing units; the page decides its height on the screen
FRAME_PIXELS = 128  # side of a frame as the page shows it


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """A stretch of labelled video, T ticks long."""

    caption: str
    frames: np.ndarray
    """uint8 [T, H, W, 3]."""
    tick_hz: float
    button_names: tuple[str, ...]
    """Names of the K buttons that have a lane."""
    prob: np.ndarray
    """Probability that a button is held, [T, K]."""
    buttons: np.ndarray
    """The label, uint8 [T, K]."""
    true_buttons: np.ndarray | None
    """The hidden truth, uint8 [T, K], where it is known."""
    axis_names: tuple[str, ...]
    camera: np.ndarray
    """The label's mouse movement, degrees a tick, [T, A]."""
    true_camera: np.ndarray | None
    confidence: np.ndarray
    """Probability that the whole label of a tick is right, [T]."""


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as a URI that a page can carry inside itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """An episode to be watched on the page."""

    mp4: bytes
    poster: bytes = b""
    """A JPEG that is shown until somebody plays it."""


def strip_image(frames: np.ndarray, count: int = FRAMES_SHOWN) -> bytes:
    """JPEG of `count` frames side by side, evenly spread over `frames` (uint8 [T, H, W, 3])."""
    from PIL import Image

    middles = (np.arange(count) + 0.5) * len(frames) / count
    row = np.concatenate([frames[int(m)] for m in middles], axis=1)  # (H, count * W, 3)
    file = io.BytesIO()
    Image.fromarray(row).save(file, format="JPEG", quality=82, optimize=True)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Path:
    """An outline on a lane, with its CSS class."""

    kind: str
    outline: str


@dataclass(frozen=True, slots=True)
class Span:
    """A bar on a lane over the ticks `[start, end)`, with its CSS class."""

    kind: str
    start: int
    end: int
    top: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """A lane under the frames: its name, and the shapes on it."""

    name: str
    kind: str
    """CSS class: `button`, `axis` or `confidence`."""
    note: str = ""
    paths: tuple[Path, ...] = ()
    bars: tuple[Span, ...] = ()


@dataclass(frozen=True)
class StripDrawing:
    """A strip as it is drawn: a lane per button, a lane per axis, and a lane of confidence."""

    strip: Strip

    @property
    def caption(self) -> str:
        """What is said under the strip."""
        return self.strip.caption

    @property
    def ticks(self) -> int:
        """How many ticks the strip is long."""
        return len(self.strip.frames)

    @cached_property
    def image_uri(self) -> str:
        """The frames as a picture inside the page."""
        return data_uri(strip_image(self.strip.frames), "image/jpeg")

    @property
    def image_width(self) -> int:
        """How wide that picture is shown, pixels."""
        return FRAMES_SHOWN * FRAME_PIXELS

    @property
    def marks(self) -> list[tuple[int, str]]:
        """Seconds and their places on the time line."""
        seconds = self.ticks / self.strip.tick_hz
        step = 1 if seconds < 10 else 5  # more marks would run into each other
        return [(s, f"{s / seconds:.2%}") for s in range(0, int(seconds) + 1, step)]

    @property
    def lanes(self) -> Iterator[Lane]:
        """The lanes from top to bottom."""
        strip = self.strip
        for k in range(len(strip.button_names)):
            yield _button_lane(strip, k)
        for a in range(len(strip.axis_names)):
            yield _axis_lane(strip, a)
        sure = Path("area confidence", _area(strip.confidence.astype(float)))
        yield Lane(name="confidence", kind="confidence", note="0–1", paths=(sure,))


def _button_lane(strip: Strip, k: int) -> Lane:
    """Draw probability as a pale area, the label above as bars, the truth below it."""
    bars = [Span("label", a, b, 12, 34) for a, b in stretches(strip.buttons[:, k] > 0)]
    if strip.true_buttons is not None:
        bars += [Span("truth", a, b, 58, 30) for a, b in stretches(strip.true_buttons[:, k] > 0)]
    held = Path("area prob", _area(strip.prob[:, k].astype(float)))
    return Lane(name=strip.button_names[k], kind="button", paths=(held,), bars=tuple(bars))


def _axis_lane(strip: Strip, a: int) -> Lane:
    """Draw degrees per tick around a middle line: the truth, and the label on top of it."""
    label = strip.camera[:, a]
    truth = None if strip.true_camera is None else strip.true_camera[:, a]
    lines = [label] if truth is None else [label, truth]
    reach = max(1.0, *(float(np.abs(line).max()) for line in lines))
    paths = [Path("grid", f"M0 50H{len(label)}")]
    if truth is not None:
        paths.append(Path("line truth", _polyline(truth, reach)))
    paths.append(Path("line label", _polyline(label, reach)))
    note = f"±{number(reach, 0)}°"
    return Lane(name=strip.axis_names[a], kind="axis", note=note, paths=tuple(paths))


def _polyline(degrees: np.ndarray, reach: float) -> str:
    """Return the outline of a line that stays 4 units off the lane's edges."""
    points = (f"{t + 0.5:g} {50 - 46 * float(v) / reach:.1f}" for t, v in enumerate(degrees))
    return "M" + "L".join(points)


def _area(share: np.ndarray) -> str:
    """Return the outline of a filled curve of values within 0..1, as steps a tick wide."""
    steps = "".join(f"V{LANE * (1 - min(1.0, max(0.0, float(v)))):.1f}h1" for v in share)
    return f"M0 {LANE:.0f}{steps}V{LANE:.0f}Z"
