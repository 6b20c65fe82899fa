"""The picture as a cylinder: turning shifts all of it alike.

T frames, H rows, W columns

In a flat picture what turns past moves slowly in the middle and up to twice as fast, and up or
down, near the rim. On a cylinder around the player (columns at equal angles, rows scaled to match)
a turn is one sideways shift of everything, in proportion to its degrees, so its correlation peak is
sharp and stands where the turn says. Geometric augmentation is composed with the mapping, so that
frames are interpolated once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .augment import ClipDraw, moved

# pixels of coordinates beyond the picture, so that moved pictures repeat their rim rather than end
# in black
MARGIN = 12


class CylinderView(nn.Module):
    """Flat grey frames ► the used rows on a cylinder.

    Args:
        image: height and width of the frames in pixels.
        rows: how many rows from the top are used; the player looks at their middle.
        fov_deg: horizontal field of view of the game. Another one only makes turns a little less
            uniform.
        height: of the view, by default `rows`; what it shows below and above them repeats their
            rim, so that nothing of a status bar is seen, not even towards the sides, where a row of
            the view hangs down into it.
    """

    grid: Tensor
    coordinates: Tensor

    def __init__(
        self, image: tuple[int, int], rows: int, fov_deg: float, height: int | None = None
    ):
        super().__init__()
        self.image, self.rows, self.fov_deg = image, rows, fov_deg
        self.register_buffer("grid", torch.empty(height or rows, image[1], 2), persistent=False)
        height, width = image
        self.register_buffer(
            "coordinates", torch.empty(2, height + 2 * MARGIN, width + 2 * MARGIN), persistent=False
        )
        self.reset_constants()

    def reset_constants(self) -> None:
        """Compute what is not stored."""
        if self.grid.is_meta:  # without memory; arithmetic there would import torch's compiler
            return
        height, width = self.image
        half = math.radians(self.fov_deg) / 2
        column = (torch.arange(width) + 0.5) / width * 2 - 1  # -1..1 from rim to rim
        angle = column * half
        x = torch.tan(angle) / math.tan(half)
        middle = self.rows / 2
        row = torch.arange(len(self.grid)) + 0.5 - middle
        flat = (row[:, None] / torch.cos(angle)[None, :] + middle).clamp(0.5, self.rows - 0.5)
        y = flat / height * 2 - 1
        self.grid.copy_(torch.stack([x[None, :].expand_as(y), y], dim=-1))
        x = ((torch.arange(width + 2 * MARGIN) - MARGIN) + 0.5) / width * 2 - 1
        y = ((torch.arange(height + 2 * MARGIN) - MARGIN) + 0.5) / height * 2 - 1
        self.coordinates.copy_(
            torch.stack([x[None, :].expand(len(y), -1), y[:, None].expand(-1, len(x))])
        )

    def forward(self, grey: Tensor, one: ClipDraw | None = None) -> Tensor:
        """[T, H, W] ► [T, rows, W], with a draw's geometry. All frames are channels of one image,
        sampled alike.
        """
        grid = self.grid if one is None else self._moved_grid(one)
        view = F.grid_sample(
            grey[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False
        )[0]
        return view.flip(-1) if one is not None and one.mirror else view

    def _moved_grid(self, one: ClipDraw) -> Tensor:
        """Where each pixel of the view comes from in a frame that was not moved: the moved map of
        coordinates.
        """
        height, width = self.image
        coordinates = moved(self.coordinates, one, (height, width))
        size = torch.tensor(
            [width / (width + 2 * MARGIN), height / (height + 2 * MARGIN)], device=self.grid.device
        )
        found = F.grid_sample(
            coordinates[None],
            (self.grid * size)[None],
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return found[0].permute(1, 2, 0)
