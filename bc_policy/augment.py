"""Augmentation of batches for cloning: one draw a clip, so that motion stays motion.

B clips, T ticks, H, W pixels, K buttons, A axes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..datasets.actions import ActionSpec
from ..datasets.batches import Batch
from ..errors import ConfigError


class Augmentation:
    """Changes batches at random; its state is that of its generator.

    Args:
        spec: of the batches.
        brightness: brightness and contrast of a clip change by up to this share.
        mirror: pairs of buttons that change sides in a mirror (`left:right`); none: nothing is mirrored.
    """

    def __init__(self, spec: ActionSpec, *, brightness: float, mirror: Sequence[str], seed: int):
        self._brightness = brightness
        self._generator = np.random.default_rng(seed)
        self._sides = np.arange(spec.num_buttons)  # which button a mirrored one is
        for pair in mirror:
            for name in pair.split(":"):
                if name not in spec.button_names:
                    raise ConfigError(
                        f"mirror: the spec {spec.name!r} has no button {name!r}, only {spec.button_names}"
                    )
            a, b = (spec.button_names.index(name) for name in pair.split(":"))
            self._sides[[a, b]] = b, a
        self._mirrors = bool(mirror)
        self._axis_signs = np.array([-1 if axis.input == "dx" else 1 for axis in spec.axes], dtype=np.float32)

    def __call__(self, batch: Batch) -> Batch:
        clips = len(batch.frames)
        if self._mirrors:
            batch = self._mirrored(batch, self._generator.random(clips) < 0.5)
        if self._brightness > 0:
            batch = replace(batch, frames=jittered(batch.frames, self._brightness, self._generator))
        return batch

    def _mirrored(self, batch: Batch, chosen: np.ndarray) -> Batch:
        """The batch with the `chosen` (bool [B]) clips mirrored."""
        one = chosen[:, None, None]
        frames = batch.frames.copy()
        frames[chosen] = frames[chosen][:, :, :, ::-1]
        return replace(
            batch,
            frames=frames,
            buttons=np.where(one, batch.buttons[..., self._sides], batch.buttons),
            camera=np.where(one, batch.camera * self._axis_signs, batch.camera),
        )

    def state_dict(self) -> dict[str, object]:
        return {"generator": self._generator.bit_generator.state}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self._generator.bit_generator.state = state["generator"]  # type: ignore[assignment]


def jittered(frames: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    """Frames uint8 [B, T, H, W, 3] with one draw of contrast and brightness a clip, each within 1 ± strength."""
    contrast = 1 + strength * generator.uniform(-1, 1, size=len(frames))
    brightness = 128 * strength * generator.uniform(-1, 1, size=len(frames))
    # A table of 256 values a clip: one look-up a pixel is several times as fast as arithmetic on floats.
    levels = (np.arange(256)[None] - 128) * contrast[:, None] + 128 + brightness[:, None]  # (B, 256)
    tables = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.stack([table[clip] for table, clip in zip(tables, frames, strict=True)])
