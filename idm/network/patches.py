"""Patches of a frame and of how it differs from the next: what sees small things.

N frames, P pixels a side of a patch, R rows and C columns of patches, D width

    frame, next frame ► (frame, difference) ► a vector a patch ► mixed with its neighbors ► D

A number in an inventory, an item that appears, a cell that is built: a few pixels change, in one
patch. Averaged over the picture they are lost; a patch keeps all of its pixels, and the difference
says where to look.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import ConfigError
from .config import PatchConfig

GRAY = 0.4  # about the mean of game pictures: inputs lie around zero, and so does what is hidden


class PatchFrontEnd(nn.Module):
    """Frames and their successors ► a vector each.

    Args:
        config: sizes.
        width: D.
        image: height and width of a picture in pixels, multiples of the patch's.
        dropout: share of the patches' features that is dropped in training.

    Raises ConfigError where patches do not fill the picture.
    """

    def __init__(self, config: PatchConfig, width: int, image: tuple[int, int], dropout: float):
        super().__init__()
        if image[0] % config.size or image[1] % config.size:
            raise ConfigError(
                f"network.patches.size must divide the {image[1]}x{image[0]} pixels that the "
                f"network looks at, got {config.size}"
            )
        own, mixed = config.channels
        features = mixed * (image[0] // config.size) * (image[1] // config.size)
        self.config = config
        self.patch = nn.Sequential(
            nn.Conv2d(6, own, config.size, config.size),
            nn.ReLU(),
            nn.Conv2d(own, own, 1),
            nn.ReLU(),
            nn.Conv2d(own, mixed, 3, padding=1),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, config.dense),
            nn.ReLU(),
            nn.LayerNorm(config.dense),
            nn.Linear(config.dense, width),
        )
        self.to(memory_format=torch.channels_last)  # twice as fast as NCHW on the CPU

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, T + 1, 3, H, W] in 0..1 ► [B * T, D], of each frame but the last."""
        now, then = pictures[:, :-1].flatten(0, 1), pictures[:, 1:].flatten(0, 1)
        x = torch.cat([now - GRAY, then - now], dim=1)  # (N, 6, H, W)
        x = x.contiguous(memory_format=torch.channels_last)
        if self.training and self.config.mask:
            x = self._masked(x)
        return self.dense(self.dropout(self.patch(x).flatten(1)))  # type: ignore[no-any-return]

    def _masked(self, x: Tensor) -> Tensor:
        """A share of the patches, drawn anew for each frame, is gray and does not change."""
        size = self.config.size
        cells = torch.rand(len(x), 1, x.shape[2] // size, x.shape[3] // size, device=x.device)
        seen = (cells >= self.config.mask).to(x.dtype)
        return x * F.interpolate(seen, scale_factor=size)
