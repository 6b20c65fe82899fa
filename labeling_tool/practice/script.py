"""What happens in the practice tasks.

True actions, the frames that they give, and mistakes put into the predictions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ..work.predictions import Predictions
from .maze import HEIGHT, WIDTH, Camera, draw

WALK = 0.055  # cells per tick
RUN = 0.095
FLASH_FADES = (1.0, 0.45)  # the muzzle's light in the tick of the shot and the one after
PIXELS_PER_DEGREE = 3.2  # of pitch, on the drawn horizon
# (ticks, buttons held, yaw in degrees per tick, pitch in degrees per tick)
LESSONS: tuple[tuple[tuple[int, str, float, float], ...], ...] = (
    (
        (14, "forward", 0.0, 0.0),
        (10, "forward", 4.5, 0.0),
        (8, "", 0.0, 0.0),
        (2, "attack", 0.0, 0.0),
        (4, "", 0.0, 0.0),
        (2, "attack", 0.0, 0.0),
        (10, "forward run", 0.0, 0.0),
        (14, "forward", 3.0, 0.0),
        (12, "left", 0.0, 0.0),
        (12, "forward", -2.0, 0.0),
        (8, "", 0.0, 0.0),
    ),
    (
        (12, "forward", 0.0, 0.0),
        (8, "", 6.0, 0.0),
        (10, "right", 0.0, 0.0),
        (12, "forward", -5.0, 0.0),
        (6, "", 0.0, 2.0),
        (6, "", 0.0, -2.0),
        (2, "attack", 0.0, 0.0),
        (18, "forward run", 1.0, 0.0),
        (12, "back", 0.0, 0.0),
        (10, "", 0.0, 0.0),
    ),
)


@dataclass(slots=True)
class Lesson:
    """A practice task: frames uint8 [T, H, W, 3], the truth, and predictions with mistakes."""

    frames: NDArray[np.uint8]
    truth: Predictions
    predictions: Predictions


def action_lesson(spec: ActionSpec, number: int) -> Lesson:
    """Make practice task `number` (0 or 1) of action review."""
    steps = [
        (buttons.split(), yaw, pitch)
        for ticks, buttons, yaw, pitch in LESSONS[number]
        for _ in range(ticks)
    ]
    count = len(steps)
    buttons = np.zeros((count, spec.num_buttons), np.uint8)
    camera = np.zeros((count, spec.num_axes), np.float32)
    frames = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    player = Camera() if number == 0 else Camera(x=3.5, y=7.5, yaw_deg=0.0)
    flash = 0.0
    for t, (held, yaw, pitch) in enumerate(steps):
        sway = 3.0 * np.sin(t / 2.2) if held else 0.0
        # Drawn before the actions apply: a frame shows what was done before it.
        frames[t] = draw(player, flash=flash, sway=float(sway))
        for name in held:
            buttons[t, spec.button_names.index(name)] = 1
        camera[t, spec.axis_names.index("yaw")] = yaw
        camera[t, spec.axis_names.index("pitch")] = pitch
        speed = RUN if "run" in held else WALK
        player.yaw_deg += yaw
        player.pitch_px -= pitch * PIXELS_PER_DEGREE
        player.move(
            speed * (("forward" in held) - ("back" in held)),
            speed * (("right" in held) - ("left" in held)),
        )
        shot = "attack" in held and (t == 0 or "attack" not in steps[t - 1][0])
        flash = FLASH_FADES[0] if shot else FLASH_FADES[1] if flash == FLASH_FADES[0] else 0.0
    truth = Predictions(
        buttons=buttons,
        buttons_prob=buttons.astype(np.float32),
        camera=camera,
        confidence=np.ones(count, np.float32),
        valid=np.ones(count, bool),
    )
    return Lesson(frames, truth, _with_mistakes(spec, truth, number))


def _with_mistakes(spec: ActionSpec, truth: Predictions, number: int) -> Predictions:
    """Return what a model might predict: nearly right, and unsure where it is wrong."""
    rng = np.random.default_rng(number)
    buttons, camera = truth.buttons.copy(), truth.camera.copy()
    probabilities = np.clip(
        np.where(buttons, 0.97, 0.02) + rng.normal(0, 0.012, buttons.shape), 0.005, 0.995
    )
    confidence = np.clip(0.96 + rng.normal(0, 0.015, len(buttons)), 0.8, 0.995)

    def doubt(start: int, end: int, level: float) -> None:
        confidence[start:end] = np.clip(level + rng.normal(0, 0.05, end - start), 0.05, 0.55)

    def wrong(name: str, start: int, end: int, value: int, probability: float) -> None:
        k = spec.button_names.index(name)
        buttons[start:end, k] = value
        probabilities[start:end, k] = probability + rng.normal(0, 0.02, end - start)
        doubt(start - 1, end + 1, 0.35)

    yaw = spec.axis_names.index("yaw")
    if number == 0:
        wrong("attack", 32, 34, 0, 0.38)  # a shot that was not seen
        wrong("run", 40, 50, 0, 0.44)
        wrong("left", 64, 70, 0, 0.41)
        wrong("forward", 88, 92, 1, 0.55)  # held on too long
    else:
        camera[12:20, yaw] = 0.0  # a turn that was not seen
        doubt(11, 21, 0.3)
        wrong("right", 20, 24, 0, 0.45)
        wrong("attack", 54, 56, 0, 0.3)
        wrong("back", 74, 78, 0, 0.48)
    return Predictions(
        buttons=buttons,
        buttons_prob=np.clip(probabilities, 0, 1).astype(np.float32),
        camera=camera,
        confidence=confidence.astype(np.float32),
        valid=truth.valid.copy(),
    )


def clean_lesson() -> tuple[NDArray[np.uint8], list[str]]:
    """Draw frames uint8 [16, H, W, 3] for clean-or-not, and say the right label of each."""
    from PIL import Image, ImageDraw

    kinds = ["clean", "clean", "webcam", "clean", "watermark", "clean", "menu", "clean"]
    kinds += ["webcam", "overlay", "clean", "none", "clean", "watermark", "menu", "clean"]
    labels = {
        "clean": "clean",
        "webcam": "artifacts",
        "watermark": "artifacts",
        "overlay": "artifacts",
    }
    frames = []
    for number, kind in enumerate(kinds):
        player = Camera(x=2.5 + 0.3 * number, y=1.6, yaw_deg=20.0 * number)
        image = Image.fromarray(draw(player))
        pen = ImageDraw.Draw(image)
        if kind == "webcam":
            pen.rectangle((222, 8, 312, 78), fill=(204, 206, 214), outline=(255, 255, 255))
            pen.ellipse((250, 20, 284, 60), fill=(224, 178, 148))
            pen.rectangle((240, 60, 296, 78), fill=(70, 96, 150))
        elif kind == "watermark":
            pen.rectangle((8, 208, 120, 232), fill=(220, 40, 60))
            pen.text((16, 214), "SUBSCRIBE NOW!", fill=(255, 255, 255))
        elif kind == "overlay":
            pen.rectangle((40, 12, 280, 44), fill=(20, 22, 30))
            pen.text((52, 22), "Episode 12: the maze of no return", fill=(255, 220, 90))
        elif kind == "menu":
            pen.rectangle((70, 40, 250, 200), fill=(24, 26, 36), outline=(180, 184, 200))
            for row, text in enumerate(("Resume", "Options", "Save", "Quit")):
                pen.rectangle((100, 62 + 32 * row, 220, 84 + 32 * row), fill=(60, 66, 88))
                pen.text((138, 68 + 32 * row), text, fill=(230, 232, 240))
        elif kind == "none":
            pen.rectangle((0, 0, WIDTH, HEIGHT), fill=(236, 238, 242))
            for row in range(7):
                pen.rectangle(
                    (24, 30 + 28 * row, 296 - 30 * (row % 3), 42 + 28 * row), fill=(150, 156, 170)
                )
        frames.append(np.asarray(image))
    return np.stack(frames), [labels.get(kind, "none") for kind in kinds]
