"""From frames to what the network takes: a small picture and the motion between frames.

B clips, T ticks, N = B*T frames, H rows, W columns

Nothing here is learned, so in training it runs ahead of the network, in threads of its own.
Augmentation comes between the pixels and the motion front end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...datasets.actions.spec import FrameSpec
from .augment import ClipDraw, augment_picture
from .config import IDMConfig
from .motion import Motion, MotionFrontEnd
from .view import CylinderView

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma of red, green, blue


class Inputs(NamedTuple):
    """Frames as the network takes them."""

    picture: Tensor
    """float [B, T + 2 radius, 3, H/pool, W/pool] in 0..1."""
    motion: Motion | None
    """Of the T frames in the middle of each clip, N of them, or None for a network without that
    branch.
    """

    def to(self, device: torch.device) -> Inputs:
        motion = None if self.motion is None else Motion(*(part.to(device) for part in self.motion))
        return Inputs(self.picture.to(device), motion)


class InputPipeline(nn.Module):
    """uint8 frames ► `Inputs`.

    Args:
        config: of the network.
        frame: the size of the frames.
    """

    def __init__(self, config: IDMConfig, frame: FrameSpec):
        super().__init__()
        self.radius = config.radius
        self.pool = config.picture_pool
        self.status = frame.status_share
        self.view: CylinderView | None = None
        self.front_end: MotionFrontEnd | None = None
        if config.motion is not None:
            rows = int(frame.height * config.motion.rows_used)
            band = config.motion.blur_across * config.motion.band_across
            height = -(-rows // band) * band
            self.view = CylinderView(
                (frame.height, frame.width), rows, config.motion.fov_deg, height
            )
            self.front_end = MotionFrontEnd(config.motion, (height, frame.width))

    def reset_constants(self) -> None:
        """Compute what is neither learned nor stored, after the module was made without memory."""
        if self.view is not None:
            self.view.reset_constants()

    @torch.no_grad()
    def forward(
        self,
        frames: Tensor,
        *,
        draws: Sequence[ClipDraw] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Inputs:
        """
        Args:
            frames: uint8 [B, T + 2 radius, H, W, 3]; frames that do not exist are black.
            draws: a clip's augmentation each, or None for none.
            dtype: of the front end's matrix products.
        """
        pictures, motions = [], []
        # One clip after the other: what a clip needs fits the processor's cache, a batch does not
        # (1.6 times slower).
        for index, clip in enumerate(frames):
            one = draws[index] if draws is not None else None
            picture = pooled_pictures(clip, self.pool)
            pictures.append(picture if one is None else augment_picture(picture, one, self.status))
            if self.view is not None and self.front_end is not None:
                grey = grey_frames(clip[self.radius : len(clip) - self.radius + 1])  # (T + 1, H, W)
                motions.append(self.front_end(self.view(grey, one), dtype=dtype))
        motion = (
            Motion(*(torch.cat(parts) for parts in zip(*motions, strict=True))) if motions else None
        )
        return Inputs(torch.stack(pictures), motion)


def grey_frames(frames: Tensor) -> Tensor:
    """uint8 [..., H, W, 3] ► float luma [..., H, W] in 0..255."""
    red, green, blue = frames.unbind(-1)
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def pooled_pictures(frames: Tensor, pool: int) -> Tensor:
    """uint8 [T, H, W, 3] ► float [T, 3, H/pool, W/pool] in 0..1, averaged over pool x pool pixels.

    Sums whole rows, then columns, as integers: five times faster here than average pooling.
    """
    height, width = frames.shape[1] // pool * pool, frames.shape[2] // pool * pool
    x = frames.to(torch.int16) if pool > 1 else frames
    x = sum((x[:, i:height:pool] for i in range(1, pool)), start=x[:, 0:height:pool])
    x = sum((x[:, :, i:width:pool] for i in range(1, pool)), start=x[:, :, 0:width:pool])
    return x.permute(0, 3, 1, 2).contiguous().to(torch.float32).mul_(1.0 / (255 * pool * pool))
