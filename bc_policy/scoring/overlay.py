"""Draws what a player does over what it sees.

Keycaps light up when pressed; the mouse is an arrow, a stick a dot in its dial, and a trigger, the
wheel or whatever else stands by itself a bar.

K buttons, A axes
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...datasets.actions.spec import ActionSpec
from ...datasets.video.resize import as_video_frame

STRIP_PIXELS = 96  # below the picture, for keys and mouse
MIN_WIDTH = 640  # smaller pictures are enlarged by whole factors, so that pixels stay sharp
CAP = 24  # size of a keycap
GAP = 4
BAR = 8  # width of the bar of a trigger
UP, DOWN = (52, 56, 64), (250, 204, 70)
INK, PAPER, ACCENT = (225, 228, 232), (24, 26, 30), (250, 204, 70)
DEGREES_AT_RIM = 20.0  # a turn this fast reaches the rim of the mouse dial
KEY_NAMES = {
    "left.shift": "Shift",
    "left.control": "Ctrl",
    "space": "Space",
    "escape": "Esc",
    "tab": "Tab",
}
MOUSE_NAMES = {"0": "Mouse L", "1": "Mouse R", "2": "Mouse M"}
GAMEPAD_NAMES = {
    "left_shoulder": "LB",
    "right_shoulder": "RB",
    "left_thumb": "LS",
    "right_thumb": "RS",
}
# Where the keys that move lie under the left hand: (column, row).
HAND = {"w": (1, 0), "a": (0, 1), "s": (1, 1), "d": (2, 1), "q": (0, 0), "e": (2, 0)}


class ActionOverlay:
    """Frames with the pressed inputs of a spec below them."""

    def __init__(self, spec: ActionSpec):
        self.spec = spec
        self._font = ImageFont.load_default(size=11)
        self._caps = [
            (k, name) for k, button in enumerate(spec.buttons) for name in button.inputs[:1]
        ]
        self._yaw = _axis_of(spec, "dx")
        self._pitch = _axis_of(spec, "dy")

    def draw(
        self, frame: np.ndarray, buttons: np.ndarray, camera_deg: np.ndarray, caption: str = ""
    ) -> np.ndarray:
        """One picture.

        Args:
            frame: uint8 [h, w, 3]. buttons: uint8 [K]. camera_deg: float [A]. caption: small print.

        Returns uint8 [h', w', 3] with even sides.
        """
        factor = max(1, -(-MIN_WIDTH // frame.shape[1]))
        big = frame.repeat(factor, axis=0).repeat(factor, axis=1)
        height, width = big.shape[0] // 2 * 2, big.shape[1] // 2 * 2
        canvas = Image.new("RGB", (width, height + STRIP_PIXELS), PAPER)
        canvas.paste(Image.fromarray(big), (0, 0))
        pen = ImageDraw.Draw(canvas)
        self._draw_caps(pen, height, buttons)
        right, middle = width - GAP, height + STRIP_PIXELS // 2
        if self.spec.has_camera:
            self._draw_mouse(pen, (right - STRIP_PIXELS // 2, middle), camera_deg)
            right -= STRIP_PIXELS
        for group in reversed(self.spec.grouped_axes[self.spec.has_camera :]):
            right = self._draw_group(pen, right, middle, group, camera_deg)
        pen.text((GAP * 2, height + STRIP_PIXELS - 16), caption, fill=INK, font=self._font)
        return np.asarray(canvas)

    def _draw_caps(self, pen: ImageDraw.ImageDraw, top: int, buttons: np.ndarray) -> None:
        right = GAP * 3 + 3 * (CAP + GAP)
        # Where the next key that is not under the left hand goes, in each of two rows.
        rows = [right, right]
        for k, name in self._caps:
            device, _, key = name.removeprefix("key.").partition(".")
            label = _label(device, key)
            wide = max(CAP, round(pen.textlength(label, font=self._font)) + 2 * GAP + 2)
            if device != "mouse" and key in HAND:
                column, row = HAND[key]
                x = GAP * 2 + column * (CAP + GAP)
            else:
                row = 1 if len(key) == 1 else 0
                if device == "gamepad":  # which has more of them than a row is long
                    row = int(np.argmin(rows))
                x = rows[row]
                rows[row] += wide + GAP
            y = top + GAP * 2 + row * (CAP + GAP)
            pressed = bool(buttons[k])
            pen.rounded_rectangle((x, y, x + wide, y + CAP), 5, fill=DOWN if pressed else UP)
            pen.text(
                (x + wide / 2, y + CAP / 2),
                label,
                fill=PAPER if pressed else INK,
                font=self._font,
                anchor="mm",
            )

    def _draw_mouse(
        self, pen: ImageDraw.ImageDraw, centre: tuple[int, int], camera_deg: np.ndarray
    ) -> None:
        x, y = centre
        radius = STRIP_PIXELS // 2 - GAP * 2
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=UP, width=2)
        motion = np.array(
            [camera_deg[a] if a is not None else 0.0 for a in (self._yaw, self._pitch)], dtype=float
        )
        length = float(np.linalg.norm(motion))
        if length > 0:
            motion *= min(1.0, length / DEGREES_AT_RIM) / length * radius
            tip = (x + motion[0], y + motion[1])
            pen.line((x, y, *tip), fill=ACCENT, width=4)
            pen.ellipse((tip[0] - 4, tip[1] - 4, tip[0] + 4, tip[1] + 4), fill=ACCENT)
        else:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=UP)

    def _draw_group(
        self,
        pen: ImageDraw.ImageDraw,
        right: int,
        middle: int,
        group: Sequence[int],
        values: np.ndarray,
    ) -> int:
        """Draw axes that are chosen together, to the left of `right`; returns where that ends."""
        radius = STRIP_PIXELS // 2 - GAP * 2
        shares = []  # 0 at the lowest value, 1 at the highest
        for a in group:
            quantiser = self.spec.axes[a].quantiser
            share = (float(values[a]) - quantiser.low) / (quantiser.high - quantiser.low)
            shares.append(min(1.0, max(0.0, share)))
        top, bottom = middle - radius, middle + radius
        if len(group) == 2:
            left = right - 2 * radius - 2 * GAP
            pen.ellipse((left, top, left + 2 * radius, bottom), outline=UP, width=2)
            x, y = (
                start + share * 2 * radius for start, share in zip((left, top), shares, strict=True)
            )
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=ACCENT)
            return left - GAP
        for share in reversed(shares):
            right -= BAR + GAP
            pen.rectangle((right, top, right + BAR, bottom), fill=UP)
            pen.rectangle((right, bottom - share * 2 * radius, right + BAR, bottom), fill=ACCENT)
        return right - GAP


class EpisodeVideo:
    """Writes an episode as an mp4 that every browser plays: H.264, 4:2:0, index in front."""

    def __init__(self, path: Path, spec: ActionSpec):
        self._path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._overlay = ActionOverlay(spec)
        self._rate = Fraction(spec.tick_hz)
        self._container = av.open(
            str(self._temporary), "w", format="mp4", options={"movflags": "+faststart"}
        )
        self._stream: av.VideoStream | None = None

    def write(
        self, frame: np.ndarray, buttons: np.ndarray, camera_deg: np.ndarray, caption: str
    ) -> None:
        """One tick: the frame that the player saw (uint8 [h, w, 3]), and what it did then."""
        picture = self._overlay.draw(frame, buttons, camera_deg, caption)
        if self._stream is None:
            # The rate is capped at 4.5 MB per minute, so that a page can carry the film in itself.
            rate = {"maxrate": "600k", "bufsize": "1200k"}
            options = {"preset": "veryfast", "crf": "26", "threads": "1", **rate}
            self._stream = self._container.add_stream("libx264", rate=self._rate, options=options)
            self._stream.height, self._stream.width = picture.shape[:2]
            self._stream.pix_fmt = "yuv420p"
        for packet in self._stream.encode(as_video_frame(picture)):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and put it in place."""
        if self._stream is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        self._temporary.replace(self._path)


def _label(device: str, key: str) -> str:
    """What stands on the cap of an input."""
    if device == "mouse":
        return MOUSE_NAMES.get(key, key)
    if device == "gamepad":
        return GAMEPAD_NAMES.get(key, key.removeprefix("dpad_").capitalize())
    return KEY_NAMES.get(key, key.upper())


def _axis_of(spec: ActionSpec, device_input: str) -> int | None:
    names: Sequence[str] = [axis.input for axis in spec.axes]
    return names.index(device_input) if device_input in names else None
