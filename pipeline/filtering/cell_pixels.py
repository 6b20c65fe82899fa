"""What the pixels of each cell of a picture say, and those around it: colors, contrast, edges.

N frames, H rows, W columns, G cells a side, P figures of a cell

An IDM's first layers look at pictures made small; letters, edges and flat patches are seen here, at
the full size of the frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

AT_ONCE = 8  # frames; their pictures in float32 fit the processor's cache


@torch.inference_mode()
def cell_pixels(frames: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Of frames uint8 [N, H, W, 3] what is said of each cell, [N, P, G, G], G = `side`: its own
    figures, and their means over it and its neighbors, since a word covers several cells.
    """
    return np.concatenate(
        [
            _figures(torch.from_numpy(frames[i : i + AT_ONCE]), side).numpy()
            for i in range(0, len(frames), AT_ONCE)
        ]
    )


def _figures(frames: Tensor, side: int) -> Tensor:
    x = frames.permute(0, 3, 1, 2).contiguous().float().div_(255)  # (N, 3, H, W)
    height, width = (-(-length // side) * side for length in x.shape[2:])
    if x.shape[2:] != (height, width):  # every cell has as many pixels
        x = F.interpolate(x, (height, width))
    gray, highest, lowest = x.mean(1), x.amax(1), x.amin(1)  # (N, H, W)
    vivid = highest - lowest
    # Differences to the next pixel; the last one has none.
    across, down, thin = (torch.zeros_like(gray) for _ in range(3))
    torch.sub(gray[:, :, 1:], gray[:, :, :-1], out=across[:, :, :-1])
    torch.sub(gray[:, 1:], gray[:, :-1], out=down[:, :-1])
    torch.sub(across[:, :, :-1], across[:, :, 1:], out=thin[:, :, :-1])  # of a line one pixel wide
    across, down, thin = across.abs_(), down.abs_(), thin.abs_()
    figures = [gray, vivid, lowest, across, down, thin]
    most = torch.stack([_of_cells(one, side, torch.amax) for one in (*figures, -gray)], 1)
    mean = torch.stack(
        [_of_cells(one, side, torch.mean) for one in (*x.unbind(1), *figures[1:], gray * gray)], 1
    )
    of_gray = mean[:, :3].mean(1)
    contrast = (mean[:, -1] - of_gray * of_gray).clamp_min(0).sqrt()
    own = torch.cat([mean[:, :3], mean[:, 3:-1].sqrt(), contrast[:, None], most], 1)
    around = F.avg_pool2d(F.pad(own, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return torch.cat([own, around], 1)


def _of_cells(x: Tensor, side: int, what: Callable[[Tensor, int], Tensor]) -> Tensor:
    """A figure of the pixels of each cell, [N, G, G] of [N, H, W]."""
    count, height, width = x.shape
    # Rows first: whole lines are joined, which is fast.
    rows = what(x.view(count, side, height // side, width), 2)
    return what(rows.view(count, side, side, width // side), 3)
