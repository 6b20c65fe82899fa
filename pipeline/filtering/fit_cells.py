"""Fit what is said of a cell: what clean play shows there, and what tells dirt from it.

N frames, C cells of a picture, D size of a cell's vector, K cells of many frames
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .clean_model import CellScore, CleanSpace

Vectors = NDArray[np.float32]
LEAST = 1e-6  # of a variance
CHANGED = 0.3  # mean square of the deviations by which made-up dirt moved a cell that it covers
HIDDEN = 32
PASSES = 4  # over all cells: more would learn few labels by heart
STEPS = 50  # of a pass, at least
LARGEST, SMALLEST = 1024, 32  # cells of a step
MOST_CELLS = 50_000  # of clean ones, and of covered ones: more teach nothing new
RATE = 1e-2
DECAY = 1e-3


def fit_space(vectors: Vectors) -> CleanSpace:
    """What the clean frames [N, C, D] show in each cell."""
    means = vectors.mean(0, dtype=np.float64).astype(np.float32)
    off = (vectors - means).swapaxes(0, 1)  # (C, N, D)
    covariance = np.matmul(off.swapaxes(1, 2), off).astype(np.float64) / max(len(vectors) - 1, 1)
    size = covariance.shape[1]
    # By the spread over all cells, so that no unit counts more than another.
    scale = np.sqrt(np.einsum("cdd->cd", covariance).mean(0) + LEAST)
    relative = covariance / scale[:, None] / scale
    # Towards independence, as far as so few frames demand (Chen et al. 2010, arXiv 0907.4698).
    trace, squares = np.einsum("cdd->c", relative), np.square(relative).sum((1, 2))
    much = (1 - 2 / size) * squares + trace**2
    few = (len(vectors) + 1 - 2 / size) * (squares - trace**2 / size)
    shrink = np.minimum(much / np.maximum(few, LEAST), 1.0)[:, None, None]
    level = np.maximum(trace / size, 1e-3)[:, None, None]
    relative = (1 - shrink) * relative + shrink * level * np.eye(size)
    values, axes = np.linalg.eigh(relative.astype(np.float32))
    roots = np.matmul(axes / np.sqrt(np.maximum(values, LEAST))[:, None], axes.swapaxes(1, 2))
    return CleanSpace(means=means, factors=(roots / scale[:, None]).astype(np.float32))


def covered(painted: Vectors, clean: Vectors) -> NDArray[np.bool_]:
    """Which cells made-up dirt covers, [N, C], by the deviations [N, C, D + 1] with it and without;
    no mask is needed, so any embedding has such cells.
    """
    moved = np.square(painted[..., :-1] - clean[..., :-1]).mean(2)
    found: NDArray[np.bool_] = moved >= CHANGED
    return found


def fit_cell_score(dirty: Vectors, clean: Vectors, *, seed: int) -> CellScore:
    """Fit the network to deviations of cells under dirt and of clean cells, [K, D + 1] each.

    Both kinds weigh the same. The same seed gives the same network.
    """
    generator = np.random.default_rng(seed)
    some = [
        cells[generator.permutation(len(cells))[:MOST_CELLS]] if len(cells) > MOST_CELLS else cells
        for cells in (dirty, clean)
    ]
    x = torch.from_numpy(np.concatenate(some))
    wanted = torch.cat(
        [torch.full((len(cells),), value) for cells, value in zip(some, (1.0, 0.0), strict=True)]
    )
    weights = torch.cat(
        [torch.full((len(cells),), len(x) / 2 / max(len(cells), 1)) for cells in some]
    )
    size = x.shape[1]

    def drawn(*shape: int) -> Tensor:
        values = generator.standard_normal(shape) / np.sqrt(shape[0])
        return torch.from_numpy(values.astype(np.float32)).requires_grad_()

    first, last = drawn(size, HIDDEN), drawn(HIDDEN)
    biases, bias = (torch.zeros(n, requires_grad=True) for n in (HIDDEN, 1))
    parameters = [first, biases, last, bias]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    batch = min(LARGEST, max(SMALLEST, len(x) // STEPS))
    starts = range(0, len(x), batch)
    steps = PASSES * len(starts)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
    for _ in range(PASSES):
        order = torch.from_numpy(generator.permutation(len(x)))
        for start in starts:
            own = order[start : start + batch]
            said = F.relu(x[own] @ first + biases) @ last + bias
            loss = F.binary_cross_entropy_with_logits(said, wanted[own], weight=weights[own])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return CellScore(
        hidden_weights=first.detach().numpy(),
        hidden_biases=biases.detach().numpy(),
        weights=last.detach().numpy(),
        bias=bias.detach().numpy(),
    )
