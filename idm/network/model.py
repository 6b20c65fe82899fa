"""The inverse dynamics model: which action lies between this frame and the next?

B windows or clips, T ticks, N = B*T frames, H rows, W columns, D width, K buttons, P patches, S
shifts

    frames ► temporal convolution ► residual CNN ┐
             (or patches of both frames)         │
           ► motion front end ► convolutions     ┴► vector per frame [T, D]      (`features`)
                              └ peaks, as they are: [T, M] behind the D
    vectors of a window ► convolutions in time ► unmasked attention ► factored head
                                                                           (`forward_windows`)
    peaks ► linear ┴► added to the axes' logits: which shift is which bin is learned in a minute

A frame's vector depends on `radius` frames around it and is computed once; what depends on the
window is only the second half, small beside the first. Frames that do not exist (before a stretch,
after it) are black: a temporal convolution's zero padding. The published IDM is the same graph
without the motion branch and the convolutions in time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...datasets.actions.spec import ActionSpec
from ...networks.attention import RELATIVE_BASIS, TransformerStack
from ...networks.checkpoints import allocate
from ...networks.heads import FactoredHead, FactoredLogits
from ...networks.trunk import Trunk, normed_linear
from .config import IDMConfig, MotionConfig
from .inputs import InputPipeline, Inputs
from .motion import Motion, MotionFrontEnd
from .patches import PatchFrontEnd

TRUNK_VALUES = 2**24  # of a layer of the residual CNN that are held at once: 64 MB in float32


class InverseDynamicsModel(nn.Module):
    """Frames to factored logits; see the module's head.

    Args:
        config: a preset or one's own.
        spec: the action spec; its frame size is the network's.
    """

    def __init__(self, config: IDMConfig, spec: ActionSpec):
        super().__init__()
        self.config = config
        self.radius = config.radius
        frame = spec.frame
        pooled = (frame.height // config.picture_pool, frame.width // config.picture_pool)
        self.inputs = InputPipeline(config, frame)
        self.patches: PatchFrontEnd | None = None
        if config.patches is not None:
            self.patches = PatchFrontEnd(config.patches, config.width, pooled, config.dropout)
        else:
            self.temporal = TemporalConvolution(config.temporal_kernel, 3, config.temporal_channels)
            self.trunk = Trunk(
                config.width,
                pooled,
                channels=config.trunk_channels,
                blocks=config.trunk_blocks,
                channels_in=config.temporal_channels,
                stride=config.trunk_stride,
                dense=config.trunk_dense,
                norm_first=config.trunk_norm_first,
            )
        front_end = self.inputs.front_end
        self.motion: MotionBranch | None = None
        if front_end is not None:
            self.motion = MotionBranch(front_end, config.width, sum(spec.num_bins), config.dropout)
        self.time = nn.ModuleList(
            TimeBlock(config.width, dilation) for dilation in config.time_dilations
        )
        self.attention = TransformerStack(
            config.attention_blocks, config.width, config.attention_heads
        )
        self.dropout = nn.Dropout(config.dropout)
        self.final_ln = nn.LayerNorm(config.width)
        exclusive = spec.exclusive_groups() if config.exclusive else ()
        self.head = FactoredHead(config.width, spec, exclusive=exclusive)
        self.published = (
            PublishedTensors(config, spec.num_buttons) if config.published_tensors else None
        )

    @classmethod
    def without_memory(cls, config: IDMConfig, spec: ActionSpec) -> InverseDynamicsModel:
        """Names and shapes alone: no time is lost on random weights."""
        with torch.device("meta"):
            return cls(config, spec)

    def allocate(self) -> InverseDynamicsModel:
        """On the CPU, to be given a `state_dict`; what is not stored in one is there."""
        allocate(self)
        self.inputs.reset_constants()
        return self

    def features(self, frames: Tensor) -> Tensor:
        """uint8 [B, T + 2 radius, H, W, 3] ► vectors of the T frames in the middle, [B, T, D + M].

        Frames that do not exist must be black.
        """
        return self.features_of(self.inputs(frames, dtype=self.matrix_dtype(frames.device)))

    def features_of(self, inputs: Inputs) -> Tensor:
        """The same as `features`, from prepared inputs."""
        clips, padded = inputs.picture.shape[:2]
        if self.patches is not None:
            x = self.patches(inputs.picture[:, self.radius : padded - self.radius + 1])  # (N, D)
        else:
            inset = self.radius - self.config.temporal_kernel // 2
            x = self.dropout(self._picture(inputs.picture[:, inset : padded - inset]))  # (N, D)
        if self.motion is not None and inputs.motion is not None:
            x = x + self.motion(inputs.motion)  # (N, D)
            x = torch.cat([x.float(), inputs.motion.peaks], dim=1)  # (N, D + M)
        return x.unflatten(0, (clips, padded - 2 * self.radius))  # (B, T, D + M)

    def _picture(self, picture: Tensor) -> Tensor:
        """[B, T + k - 1, C, H, W] ► [N, D]."""
        clips, padded, _, *size = picture.shape
        beyond = self.config.temporal_kernel - 1
        frames = padded - beyond
        widest = max(self.config.temporal_channels, self.config.trunk_channels[0])
        # Without gradients a few frames at a time, so that memory stays small.
        fitting = max(1, TRUNK_VALUES // (clips * widest * math.prod(size)))
        step = frames if torch.is_grad_enabled() else fitting
        parts = [
            self.trunk.features(
                self.temporal(picture[:, i : min(i + step, frames) + beyond])
            ).unflatten(0, (clips, -1))
            for i in range(0, frames, step)
        ]
        return torch.cat(parts, dim=1).flatten(0, 1)

    def forward_windows(self, features: Tensor, present: Tensor) -> FactoredLogits:
        """Vectors of windows [B, T, D + M] ► factored logits of their T ticks.

        Args:
            present: bool [B, T]: ticks that exist; the others are neither seen nor to be used.
        """
        x, peaks = features.split(
            [self.config.width, features.shape[-1] - self.config.width], dim=-1
        )
        x = x * present[..., None].to(x.dtype)
        for block in self.time:
            x = block(x, present)
        x, _ = self.attention(x, present=present)
        x = self.final_ln(F.relu(x))
        logits = self.head(x)
        if self.motion is not None:
            skipped = self.motion.to_axes(peaks).split(self.head.bins, dim=-1)
            axes = tuple(a + b for a, b in zip(logits.axes, skipped, strict=True))
            logits = logits._replace(axes=axes)
        if self.published is not None:
            logits = logits._replace(buttons=logits.buttons - self.published.released(x))
        return logits

    def matrix_dtype(self, device: torch.device) -> torch.dtype:
        """What matrix products run in here and now."""
        kind = device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32

    def forward(self, frames: Tensor, present: Tensor) -> FactoredLogits:
        """uint8 [B, T + 2 radius, H, W, 3] ► logits [B, T, …]: each clip is one window."""
        return self.forward_windows(self.features(frames), present)


class TemporalConvolution(nn.Module):
    """A convolution over neighboring frames at each pixel, with ReLU: VPT's conv3d.

    Computed as a 1x1 convolution over the stacked channels of k frames, which is many times faster
    than conv3d.
    """

    def __init__(self, kernel: int, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels_out, (kernel, 1, 1))
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        """[B, T + k - 1, C, H, W] ► [B * T, C', H, W]."""
        frames = x.shape[1] - self.kernel + 1
        shifted = [x[:, i : i + frames] for i in range(self.kernel)]
        stacked = torch.cat(shifted, dim=2)  # (B, T, k*C, H, W)
        stacked = stacked.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        weight = self.conv.weight.transpose(1, 2).flatten(1, 2)  # (C', k*C, 1, 1)
        return F.relu(F.conv2d(stacked, weight, self.conv.bias))


class MotionBranch(nn.Module):
    """What the front end found ► [N, D]; and from its peaks straight to the axes' bins."""

    def __init__(self, front_end: MotionFrontEnd, width: int, bins: int, dropout: float):
        super().__init__()
        config, peaks = front_end.config, front_end.num_peaks
        self.across = CorrelationNet(front_end.across_shape, config, width, dropout)
        self.along = CorrelationNet(front_end.along_shape, config, width, dropout)
        self.peaks = nn.Sequential(nn.Linear(peaks, width), nn.ReLU(), nn.Linear(width, width))
        self.peaks_skip = nn.Linear(peaks, width)
        self.to_axes = nn.Linear(peaks, bins)
        nn.init.zeros_(self.to_axes.weight)
        nn.init.zeros_(self.to_axes.bias)
        # A game without a mouse gives it no gradient, which DDP would wait for.
        self.to_axes.requires_grad_(bins > 0)

    def forward(self, motion: Motion) -> Tensor:
        x = self.peaks(motion.peaks) + self.peaks_skip(motion.peaks)
        return x + self.across(motion.across) + self.along(motion.along)


class CorrelationNet(nn.Module):
    """Three strided convolutions over a correlation volume, bands as channels: ► [N, D]."""

    def __init__(
        self, shape: tuple[int, int, int], config: MotionConfig, width: int, dropout: float
    ):
        super().__init__()
        bands, patches, shifts = shape
        first, second, third = config.channels
        padding = (config.kernel[0] // 2, config.kernel[1] // 2)
        self.convs = nn.Sequential(
            nn.Conv2d(bands, first, config.kernel, stride=config.stride, padding=padding),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        for down_patches, down_shifts in (config.stride, (2, 2), (2, 2)):
            patches, shifts = -(-patches // down_patches), -(-shifts // down_shifts)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(third * patches * shifts, width)
        self.convs.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convs(x.contiguous(memory_format=torch.channels_last))
        return self.linear(self.dropout(x.flatten(1)))


class TimeBlock(nn.Module):
    """x + linear(relu(convolution over 5 ticks(norm(x)))); absent ticks are zeros."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.linear = nn.Linear(width, width)
        nn.init.zeros_(self.linear.weight)  # a block starts as the identity
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """[B, T, D], present bool [B, T] ► [B, T, D]."""
        y = self.norm(x) * present[..., None].to(x.dtype)
        y = F.relu(self.conv(y.transpose(1, 2))).transpose(1, 2)  # (B, T, D)
        return x + self.linear(y)


class PublishedTensors(nn.Module):
    """What the published IDM has beyond this graph, so that its weights can be imported whole.

    `released` counts: the published head has two logits per button, and the log-odds are their
    difference. The others its arithmetic never touches, and they stay frozen: a last layer whose
    output is overwritten, and relative-attention layers of a bias with no entries.
    """

    def __init__(self, config: IDMConfig, buttons: int):
        super().__init__()
        self.released = nn.Linear(config.width, buttons)
        self.lastlayer = normed_linear(config.width, config.width).requires_grad_(False)
        self.r_layers = nn.ModuleList(
            nn.Linear(config.width, RELATIVE_BASIS * config.attention_heads).requires_grad_(False)
            for _ in range(config.attention_blocks)
        )
