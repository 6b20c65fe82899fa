"""What stops a training run from continuing with broken numbers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import VidactError


class DivergedError(VidactError):
    """Loss or gradients were no numbers, again and again."""


class FiniteGuard:
    """Skips steps whose loss or gradients are not finite, and gives up after `patience` of them in
    a row.

    One overflow in bf16 costs a batch; a run that diverged must not continue and overwrite good
    checkpoints.
    """

    def __init__(self, patience: int = 10):
        self.patience = patience
        self.in_a_row = 0
        self.skipped = 0

    def accepts(self, loss: float, gradient_norm: float, step: int) -> bool:
        """Whether the optimizer may take this step.

        Raises DivergedError when patience is at its end.
        """
        if torch.isfinite(torch.tensor([loss, gradient_norm])).all():
            self.in_a_row = 0
            return True
        self.in_a_row += 1
        self.skipped += 1
        if self.in_a_row >= self.patience:
            raise DivergedError(
                f"step {step}: loss {loss}, gradient norm {gradient_norm}; "
                f"{self.in_a_row} steps in a row were not finite. Lower the learning rate, or look "
                "at the data of these steps; the last snapshot is from before them"
            )
        return False

    def state_dict(self) -> dict[str, int]:
        return {"in_a_row": self.in_a_row, "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.in_a_row, self.skipped = state["in_a_row"], state["skipped"]


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale the gradients to at most `max_norm` together; returns the norm they had.

    Raises ValueError where nothing has a gradient: a generator that was consumed before would clip
    nothing, silently.
    """
    with_gradient = [parameter for parameter in list(parameters) if parameter.grad is not None]
    if not with_gradient:
        raise ValueError(
            "clip_gradients: no parameter has a gradient "
            "(an exhausted generator, or no backward pass?)"
        )
    return float(torch.nn.utils.clip_grad_norm_(with_gradient, max_norm))
