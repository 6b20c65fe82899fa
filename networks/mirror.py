"""The mirror image of pictures: what `datasets/actions/mirror.py` is for their actions."""

from __future__ import annotations

import torch
from torch import Tensor


def mirrored(pictures: Tensor, status: float = 0.0, *, columns: int = -1) -> Tensor:
    """Pictures with left and right changed, but for what they show below the world.

    Args:
        pictures: of any size, one that a spec's frame was averaged to, say.
        status: share of the height, at the bottom, that stays as it is (`FrameSpec.status_share`).
        columns: the dimension of the columns; the one before it is that of the rows.
    """
    turned = pictures.flip(columns)
    rows = pictures.shape[columns - 1]
    kept = round(status * rows)
    if not kept:
        return turned
    world = turned.narrow(columns - 1, 0, rows - kept)
    return torch.cat([world, pictures.narrow(columns - 1, rows - kept, kept)], dim=columns - 1)
