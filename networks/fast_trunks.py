"""Trunks for two cores: frames to feature vectors at a fraction of the residual CNN's cost.

N frames, H and W pixels, P pixels a patch, C channels, D width of the output

- `StridedTrunk`: the CNN of Mnih et al. 2015, three convolutions that stride 4, 2 and 1.
- `PatchTrunk`: for games drawn in cells: one vector a cell (as of a vision transformer's patch),
  mixed with its neighbors; beside it, if wanted, a branch that sees only what is near the player.

Both look at whole levels 0..255 around GRAY and have torch's own initialization.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .trunk import work_dtype

GRAY = 102  # 0.4 of white, about the mean of game pictures: what a masked patch shows
STRIDES = ((8, 4), (4, 2), (3, 1))  # kernel and stride of Mnih et al.'s convolutions
SMALLEST = 36  # pixels a side from which STRIDES leave one
NEAR = 1  # cells on each side of the player: 3x3 in all


class StridedTrunk(nn.Module):
    """Strided convolutions, then two linear layers behind norms.

    Args:
        width: D. image: height and width of a frame in pixels; less than 36 are filled up with
            gray. channels: of the three convolutions. dense: width between CNN and D.
        dropout: share of the CNN's features that is dropped in training.

    `forward`: uint8 frames [N, H, W, 3] ► float [N, D].
    """

    def __init__(
        self,
        width: int,
        image: tuple[int, int],
        *,
        channels: Sequence[int] = (32, 64, 64),
        dense: int = 256,
        dropout: float = 0.0,
    ):
        super().__init__()
        require_widths("strided", channels, len(STRIDES))
        # Right and bottom; the order is that of `F.pad`: left, right, top, bottom.
        self._fill = (0, max(SMALLEST - image[1], 0), 0, max(SMALLEST - image[0], 0))
        layers: list[nn.Module] = []
        height, pixels_wide, previous = max(image[0], SMALLEST), max(image[1], SMALLEST), 3
        for (kernel, stride), out in zip(STRIDES, channels, strict=True):
            layers += [nn.Conv2d(previous, out, kernel, stride), nn.ReLU()]
            height = (height - kernel) // stride + 1
            pixels_wide, previous = (pixels_wide - kernel) // stride + 1, out
        self.cnn = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.dense = dense_layers(previous * height * pixels_wide, dense, width)
        self.to(memory_format=torch.channels_last)  # twice as fast as NCHW on the CPU

    def forward(self, frames: Tensor) -> Tensor:
        x = centered(frames, work_dtype(self.dense))  # (N, 3, H, W)
        if any(self._fill):
            x = F.pad(x, self._fill)
        return self.dense(self.dropout(self.cnn(x).flatten(1)))  # type: ignore[no-any-return]


class PatchTrunk(nn.Module):
    """Patch embeddings, mixed with their neighbors, then two linear layers behind norms.

    Args:
        width: D. image: height and width of a frame in pixels, multiples of `patch`.
        patch: P. channels: of a patch, and of a patch that has seen its neighbors.
        dense: width between the patches and D.
        near: row and column of the patch in which the player stands: what lies on the 3x3 patches
            around it also gets there by layers of its own. None: no such branch.
        dropout: share of the patches' features that is dropped in training.
        near_dropout: the same of the branch's hidden layer.
        mask: share of patches that are gray in training.

    `forward`: uint8 frames [N, H, W, 3] ► float [N, D].
    """

    def __init__(
        self,
        width: int,
        image: tuple[int, int],
        *,
        patch: int,
        channels: Sequence[int] = (64, 32),
        dense: int = 256,
        near: tuple[int, int] | None = None,
        dropout: float = 0.0,
        near_dropout: float = 0.0,
        mask: float = 0.0,
    ):
        super().__init__()
        require_widths("patches", channels, 2)
        if image[0] % patch or image[1] % patch:
            raise ConfigError(
                f"network.patch must divide the pixels that the network looks at "
                f"({image[1]}x{image[0]}), got {patch}"
            )
        rows, columns = image[0] // patch, image[1] // patch
        own, mixed = channels
        self.patch, self.mask = patch, mask
        self.embed = nn.Sequential(
            nn.Conv2d(3, own, patch, patch), nn.ReLU(), nn.Conv2d(own, own, 1), nn.ReLU()
        )
        self.mix = nn.Sequential(nn.Conv2d(own, mixed, 3, padding=1), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.dense = dense_layers(mixed * rows * columns, dense, width)
        self.near: nn.Module | None = None
        if near is not None:
            if not (NEAR <= near[0] < rows - NEAR and NEAR <= near[1] < columns - NEAR):
                raise ConfigError(
                    f"network.near must be a patch inside the {rows} rows and {columns} columns, "
                    f"not at their edge, got {near}"
                )
            self._rows = slice(near[0] - NEAR, near[0] + NEAR + 1)
            self._columns = slice(near[1] - NEAR, near[1] + NEAR + 1)
            cells = (2 * NEAR + 1) ** 2
            self.near = dense_layers(own * cells, dense, width, dropout=near_dropout)
        self.to(memory_format=torch.channels_last)  # twice as fast as NCHW on the CPU

    def forward(self, frames: Tensor) -> Tensor:
        x = centered(frames, work_dtype(self.dense))  # (N, 3, H, W)
        if self.training and self.mask:
            x = self._masked(x)
        patches = self.embed(x)  # (N, C, rows, columns)
        out: Tensor = self.dense(self.dropout(self.mix(patches).flatten(1)))  # (N, D)
        if self.near is not None:
            out = out + self.near(patches[:, :, self._rows, self._columns].flatten(1))
        return out

    def _masked(self, x: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] with a share of the patches, drawn anew for each, at gray."""
        rows, columns = x.shape[2] // self.patch, x.shape[3] // self.patch
        seen = torch.rand(len(x), 1, rows, columns, device=x.device) >= self.mask
        return x * F.interpolate(seen.to(x.dtype), scale_factor=self.patch)


def dense_layers(
    features: int, hidden: int, width: int, *, dropout: float | None = 0.0
) -> nn.Sequential:
    """Two linear layers, each behind a norm: [N, features] ► [N, width].

    Args:
        dropout: share of the hidden layer that is dropped in training. None has no such layer, so
            that the second linear one is number 4 in the names of the weights, and not 5.
    """
    return nn.Sequential(
        nn.LayerNorm(features),
        nn.Linear(features, hidden),
        nn.ReLU(),
        nn.LayerNorm(hidden),
        *([] if dropout is None else [nn.Dropout(dropout)]),
        nn.Linear(hidden, width),
    )


def centered(frames: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 frames [N, H, W, 3] ► [N, 3, H, W] in channels_last, gray at 0 and white at 0.6.

    The difference of two levels is exact in bfloat16, and is therefore taken before the scaling.
    """
    x = frames.permute(0, 3, 1, 2)  # channels_last without a copy
    return x.to(dtype).sub_(GRAY).mul_(1 / 255)


def require_widths(trunk: str, channels: Sequence[int], count: int) -> None:
    """Raise ConfigError where a trunk is not given as many widths as it has layers."""
    if len(channels) != count:
        raise ConfigError(
            f"network.channels must be {count} widths for the trunk `{trunk}`, got {channels}"
        )
