"""Augmentation of batches for cloning: one draw per clip, so that motion stays motion.

Where a policy keeps its memory from clip to clip, the draw is kept too, as long as the row lasts.

B clips, T ticks, H, W pixels, K buttons, A axes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from ...datasets.actions.mirror import Mirror
from ...datasets.actions.spec import ActionSpec
from ...datasets.loading.batch import Batch
from ...machine import cores

FRAMES_AT_ONCE = 8  # what stays in the cache between reading and writing


class Augmentation:
    """Changes batches at random; its state is that of its generator, and the draws that are kept.

    Args:
        spec: of the batches.
        brightness: brightness and contrast of a clip change by up to this share.
        mirror: pairs of buttons that change sides in a mirror (`left:right`); none: nothing is
            mirrored.
        keep: a row's draw is kept until a clip of it begins something new (`batch.first`);
            otherwise each clip has its own.
    """

    def __init__(
        self,
        spec: ActionSpec,
        *,
        brightness: float,
        mirror: Sequence[str],
        seed: int,
        keep: bool = False,
    ):
        self._brightness, self._keep = brightness, keep
        self._kept: np.ndarray | None = None  # the draws of the batch before
        self._generator = np.random.default_rng(seed)
        pairs = [(one, other) for one, other in (pair.split(":") for pair in mirror)]
        turned = [axis.name for axis in spec.axes if axis.input == "dx"]
        self._mirror = Mirror.of(spec, pairs, turned) if mirror else None
        self._threads = ThreadPoolExecutor(cores())  # looking up frees the GIL

    def __call__(self, batch: Batch) -> Batch:
        """The batch, changed; its frames are changed in place."""
        side, contrast, brightness = self._draws(batch)
        mirrored = side < (0.0 if self._mirror is None else 0.5)
        contrast = 1 + self._brightness * contrast
        brightness = 128 * self._brightness * brightness
        # A table of 256 levels per clip: one look-up per pixel is several times as fast as
        # arithmetic on floats.
        centered = np.arange(256)[None] - 128
        levels = centered * contrast[:, None] + 128 + brightness[:, None]  # (B, 256)
        tables = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        if self._brightness > 0 or mirrored.any():
            list(self._threads.map(change_clip, batch.frames, tables, mirrored))
        if self._mirror is None:
            return batch
        buttons, camera = self._mirror.apply(batch.buttons, batch.camera)
        one = mirrored[:, None, None]
        return replace(
            batch,
            buttons=np.where(one, buttons, batch.buttons),
            camera=np.where(one, camera, batch.camera),
        )

    def _draws(self, batch: Batch) -> np.ndarray:
        """float64 [3, B]: each clip's side in 0..1, its contrast and its brightness in -1..1."""
        clips = len(batch.frames)
        # (3, B)
        drawn = np.stack(
            [self._generator.random(clips), *self._generator.uniform(-1, 1, size=(2, clips))]
        )
        if self._keep:
            if self._kept is not None:
                drawn = np.where(batch.first[:, 0], drawn, self._kept)
            self._kept = drawn
        return drawn

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self._generator.bit_generator.state, "kept": self._kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._generator.bit_generator.state = state["generator"]
        kept = state.get("kept")  # none in snapshots of the time before draws were kept
        self._kept = None if kept is None else np.array(kept)


def change_clip(frames: np.ndarray, table: np.ndarray, mirrored: bool) -> None:
    """Look each level of a clip up in a table, and mirror the clip, in place.

    Args:
        frames: uint8 [T, H, W, 3].
        table: uint8 [256].
    """
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        part = frames[start : start + FRAMES_AT_ONCE]
        part[:] = table[part[:, :, ::-1] if mirrored else part]
