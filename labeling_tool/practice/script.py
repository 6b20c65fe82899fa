"""What happens in the practice tasks.

True actions, the frames that they give, and mistakes put into the predictions, all by
`lessons.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ...datasets.actions.spec import ActionSpec
from ..work.predictions import Predictions
from .maze import HEIGHT, WIDTH, Camera, draw

WALK = 0.055  # cells per tick
RUN = 0.095
FLASH_FADES = (1.0, 0.45)  # the muzzle's light in the tick of the shot and the one after
PIXELS_PER_DEGREE = 3.2  # of pitch, on the drawn horizon

LESSONS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "lessons.yaml").read_text(encoding="utf-8")
)


@dataclass(slots=True)
class Lesson:
    """A practice task: frames uint8 [T, H, W, 3], the truth, and predictions with mistakes."""

    frames: NDArray[np.uint8]
    truth: Predictions
    predictions: Predictions


def action_lesson(spec: ActionSpec, number: int) -> Lesson:
    """Make practice task `number` (0 or 1) of action review."""
    lesson = LESSONS["actions"][number]
    steps = [
        (buttons.split(), yaw, pitch)
        for ticks, buttons, yaw, pitch in lesson["steps"]
        for _ in range(ticks)
    ]
    count = len(steps)
    buttons = np.zeros((count, spec.num_buttons), np.uint8)
    camera = np.zeros((count, spec.num_axes), np.float32)
    frames = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    player = Camera(**lesson["start"])
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
    rng = np.random.default_rng(number)
    return Lesson(frames, truth, _with_mistakes(spec, truth, lesson["mistakes"], rng))


def _with_mistakes(
    spec: ActionSpec, truth: Predictions, mistakes: list[dict[str, Any]], rng: np.random.Generator
) -> Predictions:
    """Return what a model might predict: nearly right, and unsure where it is wrong."""
    buttons, camera = truth.buttons.copy(), truth.camera.copy()
    probabilities = np.clip(
        np.where(buttons, 0.97, 0.02) + rng.normal(0, 0.012, buttons.shape), 0.005, 0.995
    )
    confidence = np.clip(0.96 + rng.normal(0, 0.015, len(buttons)), 0.8, 0.995)

    for mistake in mistakes:
        start, end = mistake["ticks"]
        if mistake["button"] is None:
            camera[start:end, spec.axis_names.index("yaw")] = 0.0
        else:
            k = spec.button_names.index(mistake["button"])
            buttons[start:end, k] = mistake["held"]
            probabilities[start:end, k] = mistake["probability"] + rng.normal(0, 0.02, end - start)
        doubt = mistake["confidence"] + rng.normal(0, 0.05, end - start + 2)
        confidence[start - 1 : end + 1] = np.clip(doubt, 0.05, 0.55)
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

    lesson = LESSONS["clean"]
    frames = []
    for number, kind in enumerate(lesson["frames"]):
        player = Camera(x=2.5 + 0.3 * number, y=1.6, yaw_deg=20.0 * number)
        image = Image.fromarray(draw(player))
        pen = ImageDraw.Draw(image)
        for shape, place, style in lesson["drawn"][kind]:
            getattr(pen, shape)(place, **style)
        frames.append(np.asarray(image))
    return np.stack(frames), [lesson["labels"][kind] for kind in lesson["frames"]]
