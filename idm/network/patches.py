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
from ...networks.fast_trunks import dense_layers
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
        self.cells = nn.Conv2d(6, own, config.size, config.size)
        """Of a frame's three channels less gray, and of three of the difference to the next."""
        self.mixed = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(own, own, 1),
            nn.ReLU(),
            nn.Conv2d(own, mixed, 3, padding=1),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(dropout)
        self.dense = dense_layers(features, config.dense, width, dropout=None)
        self.to(memory_format=torch.channels_last)  # twice as fast as NCHW on the CPU

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, T + 1, 3, H, W] in 0..1 ► [B * T, D], of each frame but the last."""
        cells = self.of_cells(pictures)  # (N, C, R, C')
        if self.training and self.config.mask:
            # A share of the cells, drawn anew for each frame, is gray and does not change.
            drawn = torch.rand(len(cells), 1, *cells.shape[2:], device=cells.device)
            hidden: Tensor = self.cells.bias[:, None, None]  # type: ignore[index]
            cells = torch.where(drawn < self.config.mask, hidden, cells)
        return self.dense(self.dropout(self.mixed(cells).flatten(1)))  # type: ignore[no-any-return]

    def of_cells(self, pictures: Tensor) -> Tensor:
        """What `cells` makes of (frame - gray, next frame - frame): [B * T, C, rows, columns].

        A convolution is linear, so that each frame is looked at once, for itself and for the
        difference; the pictures themselves are never subtracted, which would take half of the time.
        """
        size, (clips, frames, _, height, width) = self.config.size, pictures.shape
        weight, bias = self.cells.weight, self.cells.bias
        frame, change = weight[:, :3], weight[:, 3:]
        # Pixels by cell: one matrix product, whose backward pass is one, too; that of a convolution
        # of such a stride takes three times as long.
        pixels = pictures.reshape(clips, frames, 3, height // size, size, width // size, size)
        pixels = pixels.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)  # (B, T + 1, R, C', 3 P P)
        # In float32 whatever the rest runs in: the difference of two rounded sums would be noise
        # where nothing changes.
        with torch.autocast(pictures.device.type, enabled=False):
            both = F.linear(pixels, torch.cat([frame - change, change]).flatten(1))
            now, then = both[:, :-1, ..., : len(weight)], both[:, 1:, ..., len(weight) :]
            shift: Tensor = bias - GRAY * frame.sum((1, 2, 3))  # type: ignore[operator]
            cells = (now + then + shift).flatten(0, 1)  # (N, R, C', C)
        return cells.permute(0, 3, 1, 2)  # (N, C, R, C'), channels last in memory
