"""Proximal policy optimization towards a task's reward, held near a frozen prior.

L lanes, T ticks, B lanes of a minibatch, J joint actions, C joint camera bins

    rollout ► values, old log-probabilities, prior's logits ► advantages ► epochs of clipped steps

In place of an entropy bonus there is the divergence to the prior, as in VPT's fine-tuning: what the
prior learned from people stays while the reward is still rare. The prior sees the same frames and
carries a memory of its own.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...networks.attention import Memory
from ...networks.heads import JointLogits
from ...training.guards import FiniteGuard, clip_gradients
from ...training.precision import autocast
from ...training.schedule import set_learning_rate
from ..policy.policy import Policy, PolicyOutput, previous_actions
from .config import PPOConfig
from .rollout import Rollout


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


class PPO:
    """A learner: the policy, its optimizer, the frozen prior and the prior's memory.

    Args:
        policy: is trained in place. A copy of it, as it is now, is the prior.
        dtype: of the matrix products while learning. seed: of the minibatches' order.
    """

    def __init__(
        self,
        policy: Policy,
        config: PPOConfig,
        *,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ):
        self.config, self.policy, self.dtype = config, policy, dtype
        self.device = next(policy.parameters()).device
        self.prior = copy.deepcopy(policy).eval().requires_grad_(False)
        # The eps of OpenAI Baselines' PPO; Adam's own 1e-8 makes large steps of tiny gradients.
        self.optimizer = torch.optim.Adam(policy.parameters(), lr=config.learning_rate, eps=1e-5)
        self.guard = FiniteGuard()
        self.iteration = 0
        self.steps = 0
        self._order = np.random.default_rng(seed)
        self._prior_memory: list[Memory] | None = None

    @property
    def kl_weight(self) -> float:
        """ρ of the present iteration."""
        return self.config.kl * self.config.kl_decay**self.iteration

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """One iteration. Returns what was measured over its steps."""
        config = self.config
        data = _Data.of(rollout, self.device)
        old_log_prob, value = self._evaluate(data)
        prior_logits = self._prior_logits(data)
        value = self.policy.value_head.denormalized(value)
        advantages, returns = generalized_advantages(
            reward=data.reward,
            value=value,
            terminated=data.terminated,
            truncated=data.truncated,
            final_value=data.final_value,
            last_value=data.last_value,
            discount=config.discount,
            gae_lambda=config.gae_lambda,
        )
        # Of the values that played: after the update below the head is scaled otherwise.
        explained_variance = 1 - (returns - value).var() / returns.var().clamp_min(1e-8)
        self.policy.value_head.update(returns, config.value_beta)
        targets = self.policy.value_head.normalized(returns)
        # Over the whole iteration, so that ρ weighs against the same unit in all of its steps.
        if config.normalise_advantages:
            advantages = (advantages - advantages.mean()) / advantages.std().clamp_min(1e-6)
        sums: dict[str, float] = {}
        batches = [
            lanes for _ in range(config.epochs) for lanes in self._minibatches(len(data.reward))
        ]
        for lanes in batches:
            measured = self._step(
                data.of_lanes(lanes),
                _logits_of(prior_logits, lanes),
                old_log_prob[lanes],
                advantages[lanes],
                targets[lanes],
            )
            for name, number in measured.items():
                sums[name] = sums.get(name, 0.0) + number
        metrics = {name: total / len(batches) for name, total in sums.items()}
        metrics |= {
            "explained_variance": explained_variance.item(),
            "value": value.mean().item(),
            "return": returns.mean().item(),
            "kl_weight": self.kl_weight,
            "reward_per_tick": data.reward.mean().item(),
        }
        self.iteration += 1
        return metrics

    def _step(
        self,
        data: _Data,
        prior_logits: JointLogits,
        old_log_prob: Tensor,
        advantages: Tensor,
        targets: Tensor,
    ) -> dict[str, float]:
        """One optimizer step on some lanes; shapes [B, T]."""
        config, head = self.config, self.policy.head
        value_only = self.iteration < config.value_warmup
        # Learned from as it was played with: what dropout hides would look like a change of policy.
        self.policy.eval()
        out = self._forward(self.policy, data)
        log_ratio = head.log_prob(out.logits, data.joint, data.camera) - old_log_prob  # (B, T)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
        # The smaller of the two: a ratio that moved too far the wrong way is still pulled back.
        surrogate = torch.minimum(ratio * advantages, clipped * advantages).mean()
        pair = (prior_logits, out.logits)
        p, q = pair if config.kl_direction == "prior_to_policy" else reversed(pair)
        kl_to_prior = head.kl(p, q).mean()
        value_loss = 0.5 * (out.value.float() - targets).square().mean()
        loss = config.value_weight * value_loss
        if not value_only:  # at first only the value head learns: its advantages would be noise
            loss = loss - surrogate + self.kl_weight * kl_to_prior
        warmup = min(1.0, (self.steps + 1) / max(config.warmup_steps, 1))
        set_learning_rate(self.optimizer, config.learning_rate * warmup)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        trained = self.policy.value_head.parameters() if value_only else self.policy.parameters()
        norm = clip_gradients(trained, config.clip_norm)
        if value_only:
            # The value loss reaches the trunk too. Without a gradient Adam passes a parameter over;
            # with one of zero it would still count a step.
            for name, parameter in self.policy.named_parameters():
                if not name.startswith("value_head."):
                    parameter.grad = None
        if self.guard.accepts(loss.item(), norm, self.steps):
            self.optimizer.step()
        self.steps += 1
        with torch.no_grad():
            return {
                "policy_gain": surrogate.item(),
                "value_loss": value_loss.item(),
                "kl_to_prior": kl_to_prior.item(),
                "entropy": head.entropy(out.logits).mean().item(),
                # Schulman's estimate: without bias, never below 0, and of low variance.
                "approx_kl": (ratio - 1 - log_ratio).mean().item(),
                "clip_fraction": ((ratio - 1).abs() > config.clip).float().mean().item(),
                "gradient_norm": norm,
            }

    def _forward(self, policy: Policy, data: _Data) -> PolicyOutput:
        with autocast(self.device, self.dtype):
            return policy(
                data.frames,
                data.first,
                data.memory,
                previous_actions(data.joint, data.camera, data.first, data.before),
            )

    @torch.no_grad()
    def _evaluate(self, data: _Data) -> tuple[Tensor, Tensor]:
        """Log-probabilities and normalized values [L, T] under the weights that played.

        They are computed anew in the way that learning computes them: play went tick by tick and in
        float32, and the difference in rounding would look like a change of policy.
        """
        self.policy.eval()
        log_probs, values = [], []
        for lanes in self._groups(len(data.reward)):
            chosen = data.of_lanes(lanes)
            out = self._forward(self.policy, chosen)
            log_probs.append(self.policy.head.log_prob(out.logits, chosen.joint, chosen.camera))
            values.append(out.value.float())
        return torch.cat(log_probs), torch.cat(values)

    @torch.no_grad()
    def _prior_logits(self, data: _Data) -> JointLogits:
        """The prior's logits [L, T, J] and [L, T, C]; its memory is kept for the next rollout."""
        parts, memories = [], []
        for lanes in self._groups(len(data.reward)):
            chosen = data.of_lanes(lanes)._replace(memory=_memory_of(self._prior_memory, lanes))
            out = self._forward(self.prior, chosen)
            parts.append(out.logits)
            memories.append(out.memory)
        self._prior_memory = [
            Memory(*(torch.cat(same) for same in zip(*block, strict=True)))
            for block in zip(*memories, strict=True)
        ]
        cameras = [part.camera for part in parts if part.camera is not None]
        joint = torch.cat([part.joint for part in parts])
        return JointLogits(joint, torch.cat(cameras) if cameras else None)

    def _groups(self, lanes: int) -> list[Tensor]:
        """All lanes in order, in as many groups as there are minibatches: so much fits at once."""
        return list(torch.arange(lanes, device=self.device).chunk(self.config.minibatches))

    def _minibatches(self, lanes: int) -> list[Tensor]:
        """All lanes in a new order, in groups: whole lanes, because the memory runs along them."""
        order = torch.from_numpy(self._order.permutation(lanes)).to(self.device)
        return list(order.chunk(self.config.minibatches))

    def state_dict(self) -> dict[str, Any]:
        return {
            "policy": self.policy.state_dict(),
            "prior": self.prior.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "guard": self.guard.state_dict(),
            "iteration": self.iteration,
            "steps": self.steps,
            "order": self._order.bit_generator.state,
            "prior_memory": self._prior_memory and [tuple(block) for block in self._prior_memory],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("policy", "prior", "optimizer", "guard"):
            getattr(self, name).load_state_dict(state[name])
        self.iteration, self.steps = state["iteration"], state["steps"]
        self._order.bit_generator.state = state["order"]
        memory = state["prior_memory"]
        self._prior_memory = memory and [
            Memory(*(part.to(self.device) for part in block)) for block in memory
        ]


class _Data(NamedTuple):
    """A rollout as tensors on the learner's device; see `Rollout`."""

    frames: Tensor
    first: Tensor
    joint: Tensor
    camera: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_value: Tensor
    last_value: Tensor
    before: Tensor
    memory: list[Memory] | None

    @classmethod
    def of(cls, rollout: Rollout, device: torch.device) -> _Data:
        arrays = {
            name: torch.from_numpy(getattr(rollout, name)).to(device)
            for name in cls._fields
            if name != "memory"
        }
        return cls(
            **arrays,
            memory=[Memory(*(part.to(device) for part in block)) for block in rollout.memory],
        )

    def of_lanes(self, lanes: Tensor) -> _Data:
        arrays = {name: part[lanes] for name, part in self._asdict().items() if name != "memory"}
        return _Data(**arrays, memory=_memory_of(self.memory, lanes))


def _memory_of(memory: list[Memory] | None, lanes: Tensor) -> list[Memory] | None:
    return memory and [Memory(*(part[lanes] for part in block)) for block in memory]


def _logits_of(logits: JointLogits, lanes: Tensor) -> JointLogits:
    return JointLogits(logits.joint[lanes], None if logits.camera is None else logits.camera[lanes])
