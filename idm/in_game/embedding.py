"""Frame embeddings: pictures to vectors in which a game's play lies close together.

N clips, F = 2 radius + 1 frames of each, H rows, W columns, D size of a vector

What an IDM's first layers say where, averaged over cells of the picture: they see edges, colors and
motion at their places (the status bar, the weapon, the horizon), and need no download. Its last
layers, which only look for actions, say the same of a film as of play.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..network.inputs import pooled_pictures
from ..network.model import InverseDynamicsModel

LAYERS = 2  # of the network, from the picture on; the third tells two people's play apart
CELLS = 4  # a side: coarse enough to forgive another view, fine enough to know top from bottom
CLIPS_AT_ONCE = 32


class FrameEmbedding(Protocol):
    """What turns frames into vectors. Another one is a class of its own, with a name of its own."""

    name: str
    """By which a checkpoint says what its density was fitted on."""
    radius: int
    """Frames before and after a frame that its vector depends on."""

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, F, H, W, 3] ► the vector of the middle frame of each, [N, D]."""


class TrunkEmbedding:
    """The first layers of an IDM.

    Args:
        model: in evaluation mode, on its device.
    """

    name = "trunk"

    def __init__(self, model: InverseDynamicsModel):
        self.model = model
        self.radius = model.radius
        layers = next(iter(self.parts_of(model).values()))
        self.device = next(layers.parameters()).device

    @staticmethod
    def parts_of(model: InverseDynamicsModel) -> dict[str, nn.Module]:
        """The layers that are used, by their names in the model: the others may be without
        memory.
        """
        if model.patches is not None:
            return {"patches.cells": model.patches.cells, "patches.mixed": model.patches.mixed}
        first = islice(model.trunk.stacks, LAYERS)
        stacks: dict[str, nn.Module] = {
            f"trunk.stacks.{number}": stack for number, stack in enumerate(first)
        }
        return {"temporal": model.temporal, **stacks}

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps = self.maps(clips, lambda x: F.adaptive_avg_pool2d(x, CELLS))
        return np.concatenate([x.reshape(len(x), -1) for x in maps], axis=1)

    @torch.inference_mode()
    def maps(
        self, clips: NDArray[np.uint8], pool: Callable[[Tensor], Tensor]
    ) -> list[NDArray[np.float32]]:
        """What each layer says of the middle frames, pooled: float32 [N, C, …] each.

        Clips of one frame are pictures that stand still, as if it were repeated.
        """
        # A fixed number at a time: the same frame gives the same bytes whatever is asked beside it.
        parts = [
            self._maps(clips[i : i + CLIPS_AT_ONCE], pool)
            for i in range(0, len(clips), CLIPS_AT_ONCE)
        ]
        return [np.concatenate(of_layer) for of_layer in zip(*parts, strict=True)]

    def _maps(
        self, clips: NDArray[np.uint8], pool: Callable[[Tensor], Tensor]
    ) -> list[NDArray[np.float32]]:
        count, frames = clips.shape[:2]
        missing = CLIPS_AT_ONCE - count
        padded = np.pad(clips, ((0, missing), (0, 0), (0, 0), (0, 0), (0, 0)))
        pictures = pooled_pictures(
            torch.from_numpy(padded).flatten(0, 1), self.model.config.picture_pool
        )
        pictures = pictures.unflatten(0, (CLIPS_AT_ONCE, frames)).to(self.device)
        if frames == 1:
            pictures = pictures.expand(-1, 2 * self.radius + 1, -1, -1, -1)
        maps = [pool(x.float().contiguous()) for x in self._layers(pictures)]
        return [x[:count].cpu().numpy() for x in maps]

    def _layers(self, pictures: Tensor) -> list[Tensor]:
        """Maps [N, C, H', W'] of the first layers, of pictures [N, F, 3, H, W] in 0..1."""
        model = self.model
        if model.patches is not None:
            cells = F.relu(model.patches.of_cells(pictures[:, model.radius : model.radius + 2]))
            return [cells, model.patches.mixed(cells)]
        inset = model.radius - model.config.temporal_kernel // 2
        x = model.temporal(pictures[:, inset : pictures.shape[1] - inset])
        found = []
        stacks: list[nn.Module] = list(islice(model.trunk.stacks, LAYERS))
        for stack in stacks:
            x = stack(x)
            found.append(x)
        return found
