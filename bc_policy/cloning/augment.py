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
import torch

from ...datasets.actions.mirror import Mirror, sideways
from ...datasets.actions.spec import ActionSpec
from ...datasets.loading.batch import Batch
from ...machine import cores
from ...networks.mirror import mirrored


class Augmentation:
    """Changes batches at random; its state is that of its generator, and the draws that are kept.

    Args:
        spec: of the batches.
        brightness: brightness and contrast of a clip change by up to this share.
        mirror: pairs of buttons that change sides in a mirror (`left:right`); none: nothing is
            mirrored.
        keep: a row's draw is kept until a clip of it begins something new (`batch.first`);
            otherwise each clip has its own.
        rank, world_size: which rows of a step the batches hold: those of process `rank`. A row's
            draw does not depend on how many processes share a step.
        threads: that look levels up.
    """

    def __init__(
        self,
        spec: ActionSpec,
        *,
        brightness: float,
        mirror: Sequence[str],
        seed: int,
        keep: bool = False,
        rank: int = 0,
        world_size: int = 1,
        threads: int = 0,
    ):
        self._spec, self._brightness, self._keep = spec, brightness, keep
        self._rank, self._world_size = rank, world_size
        self.kept: np.ndarray | None = None
        """float64 [3, B]: the draws of the batch before."""
        self._generator = np.random.default_rng(seed)
        pairs = [(one, other) for one, other in (pair.split(":") for pair in mirror)]
        self._mirror = Mirror.of(spec, pairs, sideways(spec)) if mirror else None
        self._threads = ThreadPoolExecutor(threads or cores())  # looking up frees the GIL

    def __call__(self, batch: Batch) -> Batch:
        """The batch, changed; its frames are changed in place."""
        side, contrast, brightness = self._draws(batch)
        turned = side < (0.0 if self._mirror is None else 0.5)
        for row in np.flatnonzero(turned):
            frames = batch.frames[row]
            # By torch, which is four times as fast as NumPy, that copies pixel by pixel.
            image = mirrored(torch.from_numpy(frames), self._spec.frame.status_share, columns=2)
            frames[:] = image.numpy()
        if self._brightness > 0:
            contrast = 1 + self._brightness * contrast
            brightness = 128 * self._brightness * brightness
            # A table of 256 levels per clip: one look-up per pixel is several times as fast as
            # arithmetic on floats.
            centered = np.arange(256)[None] - 128
            levels = centered * contrast[:, None] + 128 + brightness[:, None]  # (B, 256)
            tables = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
            list(self._threads.map(look_up, batch.frames, tables))
        return batch if self._mirror is None else self._mirrored_labels(batch, turned)

    def _mirrored_labels(self, batch: Batch, mirrored: np.ndarray) -> Batch:
        assert self._mirror is not None
        buttons, camera = self._mirror.apply(batch.buttons, batch.camera)
        one = mirrored[:, None, None]
        labels: dict[str, Any] = {
            "buttons": np.where(one, buttons, batch.buttons),
            "camera": np.where(one, camera, batch.camera),
        }
        if batch.buttons_prob is not None and batch.camera_prob is not None:
            held, bins = self._mirror.apply_probabilities(
                batch.buttons_prob, batch.camera_prob, self._spec.num_bins
            )
            labels["buttons_prob"] = np.where(one, held, batch.buttons_prob)
            labels["camera_prob"] = np.where(one[..., None], bins, batch.camera_prob)
        return replace(batch, **labels)

    def _draws(self, batch: Batch) -> np.ndarray:
        """float64 [3, B]: each clip's side in 0..1, its contrast and its brightness in -1..1."""
        clips = len(batch.frames)
        rows = clips * self._world_size
        # (3, B), of all processes' clips: the same whichever of them this one has.
        drawn = np.stack(
            [self._generator.random(rows), *self._generator.uniform(-1, 1, size=(2, rows))]
        )[:, self._rank * clips : (self._rank + 1) * clips]
        if self._keep:
            if self.kept is not None:
                drawn = np.where(batch.first[:, 0], drawn, self.kept)
            self.kept = drawn
        return drawn

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self._generator.bit_generator.state, "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._generator.bit_generator.state = state["generator"]
        kept = state.get("kept")  # none in snapshots of the time before draws were kept
        self.kept = None if kept is None else np.array(kept)


def look_up(frames: np.ndarray, table: np.ndarray) -> None:
    """Look each level of a clip up in a table, in place.

    Args:
        frames: uint8 [T, H, W, 3], contiguous.
        table: uint8 [256].
    """
    levels = frames.reshape(-1)
    if levels.size % 2:
        levels[:] = table[levels]
        return
    # Two neighbors at a time, as one number of 16 bits: half as many look-ups.
    wide = table.astype(np.uint16)
    pairs = (wide[None] | (wide[:, None] << 8)).ravel()  # (65536), of little-endian bytes
    both = levels.view("<u2")
    np.take(pairs, both, out=both, mode="clip")  # "clip" writes in place; nothing is out of range
