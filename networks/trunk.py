"""The residual CNN that turns each frame into one vector: VPT's variant of the Impala network.

B batch, T frames, N = B*T, C channels, H and W pixels, D width of the output

    frame/255 ► [pool] ► 3 stacks: conv ► max-pool/2 ► norm ► residual blocks ► dense 256 ► D

Each layer is norm ► linear or convolution ► ReLU, as in VPT (a layer after a norm needs no bias of
its own).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .area import PICTURES_AT_ONCE, group_sum

# bf16 matrix products this wide crash in oneDNN's AMX path (SIGFPE in torch 2.15): such a layer
# stays in float32.
WIDEST_BF16_INPUT = 65536


class NormedLayer(nn.Module):
    """norm ► layer ► ReLU, with rows scaled to `init_scale` at the start so that depth does not
    blow signals up.

    Args:
        layer: a convolution or linear layer.
        norm: its norm, or None (then the layer keeps a bias).
    """

    def __init__(
        self,
        layer: nn.Module,
        norm: nn.Module | None,
        *,
        init_scale: float = 1.0,
        relu: bool = True,
    ):
        super().__init__()
        self.norm = norm
        self.layer = layer
        self.relu = relu
        scale_rows_(layer.weight, init_scale)  # type: ignore[arg-type]
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = self.norm(x)
        x = self.layer(x)
        return F.relu(x) if self.relu else x


class ResidualBlock(nn.Module):
    """x + conv(conv(x))."""

    def __init__(self, channels: int, init_scale: float):
        super().__init__()
        # Two layers of scale sqrt(s) make a branch of scale s.
        self.conv0 = normed_conv(channels, channels, init_scale=init_scale**0.5)
        self.conv1 = normed_conv(channels, channels, init_scale=init_scale**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv1(self.conv0(x))


class DownStack(nn.Module):
    """conv ► max-pool 3x3, stride 2 ► norm ► residual blocks: half the size, new width."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        blocks: int,
        *,
        init_scale: float,
        first: bool,
        stride: int = 1,
    ):
        super().__init__()
        self.firstconv = normed_conv(channels_in, channels_out, norm=not first, stride=stride)
        self.n = nn.GroupNorm(1, channels_out)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels_out, init_scale / blocks**0.5) for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.firstconv(x), kernel_size=3, stride=2, padding=1)  # (N, C, H/2, W/2)
        x = self.n(x)
        for block in self.blocks:
            x = block(x)
        return x


class Trunk(nn.Module):
    """Frames to feature vectors.

    Args:
        width: D, the size of a frame's vector.
        image: height and width of a frame in pixels.
        channels: the widths of the stacks. VPT's policies have (64, 128, 128) times 1, 2 or 3.
        blocks: residual blocks per stack (VPT: 2).
        channels_in: 3 for RGB frames; more behind a temporal convolution.
        pool: frames are averaged over pool x pool pixels first. Each step costs detail and saves a
            factor of pool squared in the first, dearest stack (VPT: 1).
        stride: of the first convolution (VPT: 1).
        dense: width between the flattened stacks and D (VPT: 256).
        norm_first: whether the first convolution has a norm before it (VPT: in the IDM, not in the
            policies).

    `forward`: uint8 or float frames in 0..255 [N, H, W, C] ► float [N, D].
    """

    def __init__(
        self,
        width: int,
        image: tuple[int, int],
        *,
        channels: Sequence[int] = (64, 128, 128),
        blocks: int = 2,
        channels_in: int = 3,
        pool: int = 1,
        stride: int = 1,
        dense: int = 256,
        norm_first: bool = False,
    ):
        super().__init__()
        self.image = image
        self.channels_in = channels_in
        self.pool = pool
        init_scale = len(channels) ** -0.5
        stacks = []
        height, pixels_wide, previous = -(-image[0] // pool), -(-image[1] // pool), channels_in
        for index, channels_out in enumerate(channels):
            first = index == 0
            stacks.append(
                DownStack(
                    previous,
                    channels_out,
                    blocks,
                    init_scale=init_scale,
                    first=first and not norm_first,
                    stride=stride if first else 1,
                )
            )
            if first:
                height, pixels_wide = -(-height // stride), -(-pixels_wide // stride)
            height, pixels_wide, previous = -(-height // 2), -(-pixels_wide // 2), channels_out
        self.stacks = nn.ModuleList(stacks)
        flat = previous * height * pixels_wide
        self.dense = normed_linear(flat, dense, init_scale=1.4)
        self.linear = normed_linear(dense, width, init_scale=1.4)
        # Twice as fast as NCHW on the CPU, and free on tensor cores.
        self.to(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.permute(0, 3, 1, 2)  # (N, C, H, W), channels_last without a copy
        return self.features(scaled(x, self.pool, work_dtype(self.linear)))

    def features(self, x: Tensor) -> Tensor:
        """Like `forward`, from pictures that are scaled already: float [N, C, H, W] ► [N, D]."""
        for stack in self.stacks:
            x = stack(x)
        x = x.contiguous().flatten(1)  # (N, C*H*W) in VPT's order: channels first
        if x.shape[1] >= WIDEST_BF16_INPUT and x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                x = self.dense(x.float())
        else:
            x = self.dense(x)
        return self.linear(x)


def work_dtype(layer: nn.Module) -> torch.dtype:
    """What a layer will work in: autocast's dtype, or that of its weights."""
    weight = next(layer.parameters())
    if torch.is_autocast_enabled(weight.device.type):
        return torch.get_autocast_dtype(weight.device.type)
    return weight.dtype


def scaled(x: Tensor, pool: int, dtype: torch.dtype) -> Tensor:
    """Pictures [N, C, H, W] in 0..255 ► 0..1, averaged over pool x pool pixels.

    They come in `dtype` and channels_last.
    """
    height, width = x.shape[2:]
    if pool == 1:
        return x.to(dtype) / 255
    if x.requires_grad or height % pool or width % pool:
        pooled = F.avg_pool2d(x.float(), pool, ceil_mode=True, count_include_pad=False)
        return pooled.to(dtype) / 255
    # Whole rows are added, then neighbors in them, for a few pictures at a time, which stay in the
    # cache: several times as fast on a CPU as avg_pool2d, which would cost as much here as all
    # convolutions after it.
    out = x.new_empty((len(x), height // pool, width // pool, x.shape[1]), dtype=dtype)
    for part, place in zip(
        x.permute(0, 2, 3, 1).split(PICTURES_AT_ONCE), out.split(PICTURES_AT_ONCE), strict=True
    ):
        place.copy_(group_sum(group_sum(part, 1, pool), 2, pool).mul_(1 / (255 * pool**2)))
    return out.permute(0, 3, 1, 2)


def normed_conv(
    channels_in: int,
    channels_out: int,
    *,
    norm: bool = True,
    stride: int = 1,
    init_scale: float = 1.0,
) -> NormedLayer:
    """A 3x3 convolution behind a GroupNorm of one group (all of a frame), with ReLU."""
    # A strided kernel must still overlap its neighbors.
    kernel = 3 if stride == 1 else 2 * stride + 1
    layer = nn.Conv2d(
        channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=not norm
    )
    return NormedLayer(layer, nn.GroupNorm(1, channels_in) if norm else None, init_scale=init_scale)


def normed_linear(
    width_in: int, width_out: int, *, norm: bool = True, init_scale: float = 1.0, relu: bool = True
) -> NormedLayer:
    """A linear layer behind a LayerNorm, with ReLU."""
    layer = nn.Linear(width_in, width_out, bias=not norm)
    return NormedLayer(
        layer, nn.LayerNorm(width_in) if norm else None, init_scale=init_scale, relu=relu
    )


@torch.no_grad()
def scale_rows_(weight: Tensor, scale: float) -> None:
    """Scale each output's weights to the norm `scale`, in place (VPT's initialisation)."""
    if weight.is_meta:  # arithmetic on it would import torch's compiler: seconds for no number
        return
    rows = weight.view(weight.shape[0], -1)
    rows.mul_(scale / rows.norm(dim=1, keepdim=True).clamp_min(1e-8))
