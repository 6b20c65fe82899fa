"""A running average of the weights: less noisy than the last step's, and what is evaluated and
saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of a module's floating-point state.

    Args:
        module: the module that is trained.
        decay: share of the old average that a step keeps. In the first steps it is lower, (1 + n) /
            (10 + n), so that the random start is soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float = 0.998):
        self.decay = decay
        self.updates = 0
        self.average = {
            name: tensor.detach().clone() for name, tensor in module.state_dict().items()
        }

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged, current = [], []
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                averaged.append(self.average[name])
                current.append(tensor.detach())
            else:
                self.average[name].copy_(tensor)
        torch._foreach_lerp_(averaged, current, 1 - keep)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Within the block the module has the averaged weights."""
        own = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        module.load_state_dict(self.average)
        try:
            yield
        finally:
            module.load_state_dict(own)

    def state_dict(self) -> dict[str, object]:
        return {"updates": self.updates, "average": dict(self.average)}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        average: dict[str, Tensor] = state["average"]  # type: ignore[assignment]
        for name, tensor in average.items():
            self.average[name].copy_(tensor)
