"""Pictures made smaller by averaging areas, in whole levels: what is kept of a frame that a small
network looks at.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PICTURES_AT_ONCE = 16  # 128x128 of them are 3 MB in float32: they stay in the cache


def averaged(frames: Tensor, pool: int) -> Tensor:
    """Each pixel is the mean of pool x pool pixels, rounded half up.

    Args:
        frames: uint8 [..., H, W, C].
        pool: where it does not divide H or W, the last areas are smaller.

    Returns uint8 [..., ceil(H / pool), ceil(W / pool), C], the frames themselves where pool is 1.
    """
    if pool == 1:
        return frames
    height, width, channels = frames.shape[-3:]
    flat = frames.reshape(-1, height, width, channels)
    out = flat.new_empty((len(flat), -(-height // pool), -(-width // pool), channels))
    whole = height % pool == 0 and width % pool == 0
    parts = zip(flat.split(PICTURES_AT_ONCE), out.split(PICTURES_AT_ONCE), strict=True)
    for part, place in parts:
        if whole:
            # The sums are whole numbers below 2^24, so the quotient is exact where it is whole;
            # as bytes it loses what is behind the point.
            total = group_sum(group_sum(part, 1, pool), 2, pool)
            place.copy_(total.add_(pool**2 // 2).div_(pool**2))
        else:
            mean = F.avg_pool2d(
                part.permute(0, 3, 1, 2).float(), pool, ceil_mode=True, count_include_pad=False
            )
            place.copy_(mean.add_(0.5).permute(0, 2, 3, 1))
    return out.unflatten(0, frames.shape[:-3]) if frames.dim() > 3 else out[0]


def group_sum(x: Tensor, dim: int, size: int) -> Tensor:
    """Sums of each `size` neighbors along `dim`, in float32."""
    groups = x.unflatten(dim, (-1, size))
    total = groups.select(dim + 1, 0).to(torch.float32)
    for index in range(1, size):
        total = total + groups.select(dim + 1, index)
    return total
