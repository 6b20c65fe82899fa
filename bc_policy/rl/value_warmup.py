"""A value head that is warm before the policy moves: fitted in closed form on what was played.

L lanes, T ticks, D features, P lanes of all rollouts so far

A clone comes without a value, and some gradient steps do not make one: until the head foretells
returns, advantages are noise. It is a linear layer, so that ridge regression on the features of the
first rollouts, whose policy does not change, gives at once what steps would come to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..policy.policy import ValueHead
from .advantages import explained_variance, generalized_advantages

# Penalties that are tried, as shares of the features' mean square: the best one in games that were
# not fitted on is taken.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
# Returns look beyond a chunk's end through the values that are being fitted: each round carries
# them one chunk further back.
ROUNDS = 4
SMALLEST_VARIANCE = 1e-12  # of returns, in the reward's units squared


class Played(NamedTuple):
    """What the fit needs of the rollouts of one policy."""

    features: Tensor
    """float [P, T, D]: what the value head reads."""
    reward: Tensor
    """float [P, T]."""
    terminated: Tensor
    """bool [P, T]."""
    truncated: Tensor
    """bool [P, T]."""


class ValueWarmup:
    """Collects rollouts of an unchanging policy and fits its value head on all of them."""

    def __init__(self) -> None:
        self.played: Played | None = None

    def add(self, new: Played) -> None:
        """Take in one rollout."""
        old = self.played
        self.played = (
            new
            if old is None
            else Played(*(torch.cat(pair) for pair in zip(old, new, strict=True)))
        )

    @torch.no_grad()
    def fit(self, head: ValueHead, *, discount: float, gae_lambda: float) -> float:
        """Set the head's layer and its normalizer.

        Returns the share of the returns' variance that heads fitted on one half of the lanes
        explain in the other half. Where that is nothing the head says the mean.
        """
        played = self.played
        if played is None:
            raise ValueError("add a rollout first")
        features = played.features.double()  # (P, T, D)
        value = torch.zeros_like(played.reward, dtype=torch.float64)
        explained = 0.0
        for _ in range(ROUNDS):
            returns = generalized_advantages(
                reward=played.reward.double(),
                value=value,
                terminated=played.terminated,
                truncated=played.truncated,
                # The value of the tick before stands for that of the frame after a cut: the actors'
                # heads, which would tell it, are not fitted yet.
                final_value=value,
                last_value=value[:, -1],
                discount=discount,
                gae_lambda=gae_lambda,
            ).returns
            weight, bias, explained = _fitted(features, returns)
            value = features @ weight + bias
        head.weight.zero_()  # the normalizer's: its statistics are those of these returns alone
        head.mean.zero_()
        head.mean_square.zero_()
        head.update(returns.float(), beta=0.0)
        mean, deviation = (number.double() for number in head.statistics())
        head.linear.weight.copy_((weight / deviation)[None])
        head.linear.bias.copy_((bias - mean) / deviation)
        return explained

    def state_dict(self) -> dict[str, Any]:
        return {} if self.played is None else self.played._asdict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.played = Played(**state) if state else None


def _fitted(features: Tensor, returns: Tensor) -> tuple[Tensor, Tensor, float]:
    """Weight [D], bias [] and the variance explained in lanes that were not fitted on."""
    halves = (torch.arange(len(returns), device=returns.device) % 2).bool()  # (P,)
    best, explained = None, 0.0
    # Returns that do not vary, as before the first reward, teach nothing.
    can_learn = len(returns) > 1 and float(returns.var()) > SMALLEST_VARIANCE
    for penalty in PENALTIES if can_learn else ():
        said = torch.zeros_like(returns)
        for half in (halves, ~halves):
            weight, bias = _ridge(features[half], returns[half], penalty)
            said[~half] = features[~half] @ weight + bias
        if (share := explained_variance(returns, said)) > explained:
            best, explained = penalty, share
    if best is None:
        return torch.zeros_like(features[0, 0]), returns.mean(), 0.0
    return *_ridge(features, returns, best), explained


def _ridge(features: Tensor, returns: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weight [D] and bias [] of least squares with a penalty on the weights."""
    x, y = features.flatten(0, 1), returns.flatten()  # (N, D), (N,)
    center, mean = x.mean(0), y.mean()
    x = x - center
    gram = x.T @ x  # (D, D)
    # Never quite 0: features that do not vary at all have no solution without it.
    diagonal = penalty * gram.diagonal().mean() + 1e-9
    gram = gram + diagonal * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram, x.T @ (y - mean))
    return weight, mean - center @ weight
