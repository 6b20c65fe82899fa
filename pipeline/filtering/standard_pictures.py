"""Pictures as networks trained on photographs take them.

N frames, H rows, W columns
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SIDE = 224  # pixels, which most classifiers were trained at
# The statistics of their pictures: those of ImageNet, as torchvision, timm and most others use.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@torch.inference_mode()
def in_batches(
    frames: NDArray[np.uint8],
    look: Callable[[Tensor], NDArray[np.float32]],
    *,
    count: int,
    size: tuple[int, int] = (SIDE, SIDE),
) -> NDArray[np.float32]:
    """What a network says of frames uint8 [N, H, W, 3], joined along the first axis.

    Args:
        look: the network: float32 [count, 3, *size] ► an array of as many.
        count: frames at a time; always as many, so that what is said of a frame does not depend on
            its neighbors.
        size: rows and columns.
    """
    found = []
    mean, deviation = (torch.tensor(of).view(3, 1, 1) for of in (MEAN, DEVIATION))
    for i in range(0, len(frames), count):
        some = frames[i : i + count]
        padded = np.pad(some, ((0, count - len(some)), (0, 0), (0, 0), (0, 0)))
        x = torch.from_numpy(padded).permute(0, 3, 1, 2).float() / 255  # (count, 3, H, W)
        x = F.interpolate(x, size, mode="bilinear", antialias=True)
        found.append(look((x - mean) / deviation)[: len(some)])
    return np.concatenate(found)
