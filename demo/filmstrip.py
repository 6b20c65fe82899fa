"""Label lanes under the frames they belong to: what the model says each tick, and what was true."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..datasets.actions.stretches import stretches
from .charts import number, text

FRAMES_SHOWN = 12  # a strip of 12 square frames is still readable at the width of a page
LANE = 100.0  # height of a lane in drawing units; the page decides its height on the screen


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


def strip_html(strip: Strip) -> str:
    """The strip with a lane a button, a lane an axis, and a lane of confidence."""
    ticks = len(strip.frames)
    uri = data_uri(strip_image(strip.frames), "image/jpeg")
    lanes = [
        _lane(name, _button_lane(strip, k), ticks, "button")
        for k, name in enumerate(strip.button_names)
    ]
    for a, name in enumerate(strip.axis_names):
        lines = [strip.camera[:, a]] + (
            [] if strip.true_camera is None else [strip.true_camera[:, a]]
        )
        reach = max(1.0, *(float(np.abs(line).max()) for line in lines))
        lanes.append(
            _lane(name, _axis_lane(strip, a, reach), ticks, "axis", f"±{number(reach, 0)}°")
        )
    area = _area(strip.confidence.astype(float))
    lanes.append(
        _lane(
            "confidence", f'<path class="area confidence" d="{area}"/>', ticks, "confidence", "0–1"
        )
    )
    seconds = ticks / strip.tick_hz
    marks = "".join(
        f'<i style="left:{s / seconds:.2%}">{s} s</i>'
        for s in range(0, int(seconds) + 1, 1 if seconds < 10 else 5)
    )
    return (
        f'<figure class="strip"><div class="scroll" tabindex="0"><div class="strip-body">'
        f'<div class="lane film"><span class="name"></span><span class="track"><img src="{uri}" '
        f'alt="Frames of the labelled video, evenly spaced" width="{FRAMES_SHOWN * 128}" height="128"></span></div>'
        f'{"".join(lanes)}<div class="lane time" aria-hidden="true"><span class="name"></span>'
        f'<span class="track">{marks}</span></div></div></div><figcaption>{strip.caption}</figcaption></figure>'
    )


def _lane(name: str, shapes: str, ticks: int, kind: str, note: str = "") -> str:
    suffix = f' <span class="note">{text(note)}</span>' if note else ""
    return (
        f'<div class="lane {kind}"><span class="name">{text(name)}{suffix}</span><span class="track">'
        f'<svg viewBox="0 0 {ticks} {LANE:.0f}" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg>'
        "</span></div>"
    )


def _button_lane(strip: Strip, k: int) -> str:
    """Probability as a pale area, the label as a bar in the upper half, the truth as a bar in the lower half."""
    shapes = f'<path class="area prob" d="{_area(strip.prob[:, k].astype(float))}"/>'
    shapes += "".join(_bar(a, b, 12, 34, "label") for a, b in stretches(strip.buttons[:, k] > 0))
    if strip.true_buttons is not None:
        shapes += "".join(
            _bar(a, b, 58, 30, "truth") for a, b in stretches(strip.true_buttons[:, k] > 0)
        )
    return shapes


def _axis_lane(strip: Strip, a: int, reach: float) -> str:
    """Degrees a tick around a middle line: the truth below, the label above it."""
    shapes = f'<path class="grid" d="M0 50H{len(strip.camera)}"/>'
    if strip.true_camera is not None:
        shapes += f'<path class="line truth" d="{_polyline(strip.true_camera[:, a], reach)}"/>'
    return shapes + f'<path class="line label" d="{_polyline(strip.camera[:, a], reach)}"/>'


def _bar(start: int, end: int, top: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{start}" width="{end - start}" y="{top}" height="{height}"/>'


def _polyline(degrees: np.ndarray, reach: float) -> str:
    points: Sequence[str] = [
        f"{t + 0.5:g} {50 - 46 * float(v) / reach:.1f}" for t, v in enumerate(degrees)
    ]
    return "M" + "L".join(points)


def _area(share: np.ndarray) -> str:
    """The outline of a filled curve of values within 0..1, as steps a tick wide."""
    steps = "".join(f"V{LANE * (1 - min(1.0, max(0.0, float(v)))):.1f}h1" for v in share)
    return f"M0 {LANE:.0f}{steps}V{LANE:.0f}Z"
