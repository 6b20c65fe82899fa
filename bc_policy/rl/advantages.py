"""What actions turned out to be worth: advantages and returns of play.

L lanes, T ticks
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Share that the running variance keeps at an iteration: some fifty iterations are remembered.
VARIANCE_KEPT = 0.98
SMALLEST_DEVIATION = 1e-8  # of advantages; below there is nothing to tell actions apart by


class Advantages(NamedTuple):
    """What actions turned out to be worth."""

    advantages: Tensor
    """float32 [L, T]: how much better the action was than the policy's average there."""
    returns: Tensor
    """float32 [L, T]: the targets of the value head, in the reward's units."""


def generalized_advantages(
    *,
    reward: Tensor,
    value: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    final_value: Tensor,
    last_value: Tensor,
    discount: float,
    gae_lambda: float,
) -> Advantages:
    """Generalized advantage estimation (Schulman et al. 2016) over chunks in which episodes end.

    After a terminated tick comes nothing; after a truncated one comes `final_value`; after the last
    one of the chunk `last_value`.

    Args:
        reward, value, final_value: float [L, T].
        terminated, truncated: bool [L, T].
        last_value: float [L].
    """
    next_value = torch.cat([value[:, 1:], last_value[:, None]], dim=1)  # (L, T)
    next_value = torch.where(truncated, final_value, next_value).masked_fill(terminated, 0.0)
    delta = reward + discount * next_value - value  # (L, T): the temporal-difference errors
    # No error of the next episode flows back into this one, whichever way it ended.
    continues = 1.0 - (terminated | truncated).float()
    advantages = torch.zeros_like(delta)
    running = torch.zeros_like(last_value)
    for tick in reversed(range(reward.shape[1])):
        running = delta[:, tick] + discount * gae_lambda * continues[:, tick] * running
        advantages[:, tick] = running
    return Advantages(advantages, advantages + value)


def explained_variance(returns: Tensor, value: Tensor) -> float:
    """Share of the returns' variance that the values foretold: 1 is all, 0 no more than their mean.

    Returns that do not vary are foretold by any value that does not.
    """
    return float(1 - (returns - value).var() / returns.var().clamp_min(1e-8))


class AdvantageScale:
    """Brings the advantages of an iteration to at most the deviation 1.

    They are divided by their own deviation or by the running one, whichever is larger. An iteration
    without reward has nothing but the errors of the values: divided by their own deviation these
    would move the policy as far as rewards do.
    """

    def __init__(self) -> None:
        self.variance = self.weight = 0.0

    def __call__(self, advantages: Tensor) -> Tensor:
        """float [L, T] ► float [L, T], of mean 0; their variance enters the running one."""
        variance = float(advantages.var())
        self.variance = VARIANCE_KEPT * self.variance + (1 - VARIANCE_KEPT) * variance
        self.weight = VARIANCE_KEPT * self.weight + (1 - VARIANCE_KEPT)
        deviation = max(variance, self.variance / self.weight) ** 0.5
        return (advantages - advantages.mean()) / max(deviation, SMALLEST_DEVIATION)

    def state_dict(self) -> dict[str, float]:
        return {"variance": self.variance, "weight": self.weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.variance, self.weight = state["variance"], state["weight"]
