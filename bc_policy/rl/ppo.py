"""Proximal policy optimization towards a task's reward, held near a frozen prior.

L lanes, T ticks, B lanes of a minibatch, D features, J joint actions, C joint camera bins

    rollout ► values, old log-probabilities, prior's logits ► advantages ► epochs of clipped steps

In place of an entropy bonus there is the divergence to the prior, as in VPT's fine-tuning: what the
prior learned from people stays while the reward is still rare. The prior sees the same frames and
carries a memory of its own. A learner from scratch has the bonus and no prior.

The network is always in evaluation mode, with gradients while it learns: dropout would make another
policy of it than the one that played, and the ratio of the two is what everything rests on.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...networks.attention import Memory, joined_memory, mapped_memory
from ...networks.heads import JointLogits
from ...training.guards import FiniteGuard, clip_gradients
from ...training.precision import autocast
from ...training.schedule import Schedule, set_learning_rate
from ..policy.policy import Policy, PolicyOutput
from .advantages import AdvantageScale, explained_variance, generalized_advantages
from .batch import Batch
from .best_episodes import BestEpisodes
from .config import BonusConfig, ImitationConfig, PPOConfig
from .former import learner_state
from .novelty import Novelty
from .rollout import Rollout
from .value_warmup import Played, ValueWarmup

# The eps of OpenAI Baselines' PPO; Adam's own 1e-8 makes large steps of tiny gradients.
ADAM_EPS = 1e-5
STOP_AT = 1.5  # times target_kl, as in OpenAI's Spinning Up


class _Targets(NamedTuple):
    """What the steps of an iteration aim at, [L, T] each but for the prior's logits."""

    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor
    """In the value normalizer's units."""
    prior: JointLogits | None
    """[L, T, J] and [L, T, C]."""

    def of_lanes(self, lanes: Tensor) -> _Targets:
        parts = (self.old_log_prob[lanes], self.advantages[lanes], self.returns[lanes])
        return _Targets(*parts, self.prior and _logits_of(self.prior, lanes))


class PPO:
    """A learner: the policy, its optimizers, the frozen prior and the prior's memory.

    Args:
        policy: is trained in place. A copy of it, as it is now, is the prior.
        prior: whether there is one. Where `config.kl` is 0 it is only measured against.
        imitation: of the run's best episodes; off by default.
        bonus: for what is new; off by default.
        dtype: of the matrix products while learning. seed: of the minibatches' order.
    """

    def __init__(
        self,
        policy: Policy,
        config: PPOConfig,
        *,
        prior: bool = True,
        imitation: ImitationConfig | None = None,
        bonus: BonusConfig | None = None,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ):
        self.config, self.policy, self.dtype = config, policy.eval(), dtype
        self.device = next(policy.parameters()).device
        self.prior = copy.deepcopy(policy).requires_grad_(False) if prior else None
        self.discount = config.discount(float(policy.spec.tick_hz))
        self._value_parameters = list(policy.value_head.parameters())
        values = {id(parameter) for parameter in self._value_parameters}
        self._policy_parameters = [p for p in policy.parameters() if id(p) not in values]
        # Two optimizers: the value head learns before the policy moves, at a rate and under a norm
        # of its own.
        rates = (config.learning_rate, config.value_learning_rate)
        self.optimizer, self.value_optimizer = (
            torch.optim.Adam(parameters, lr=rate, eps=ADAM_EPS)
            for parameters, rate in zip(
                (self._policy_parameters, self._value_parameters), rates, strict=True
            )
        )
        self._rate = Schedule(
            peak=config.learning_rate,
            warmup_steps=config.warmup_steps,
            floor=config.learning_rate * config.learning_rate_end,
        )
        self.guard = FiniteGuard()
        self.iteration = 0
        self.steps = 0  # of the policy
        self.warmup: ValueWarmup | None = ValueWarmup() if config.value_warmup else None
        self.advantage_scale = AdvantageScale()
        self.best = BestEpisodes(imitation, seed=seed) if imitation and imitation.weight else None
        self.novelty: Novelty | None = None
        if bonus is not None and bonus.weight:
            self.novelty = Novelty(
                bonus, policy.frame_size, discount=self.discount, seed=seed, device=self.device
            )
        self._order = np.random.default_rng(seed)
        self._prior_memory: list[Memory] | None = None

    def kl_weight(self, fraction: float) -> float:
        """ρ where this share of the budget is spent: geometrically from `kl` to `kl_end`."""
        config = self.config
        return config.kl * (config.kl_end / config.kl) ** fraction if config.kl else 0.0

    def learn(self, rollout: Rollout, fraction: float = 0.0) -> dict[str, float]:
        """One iteration. Returns what was measured over its steps.

        Args:
            fraction: how much of the run's budget is spent, 0..1.
        """
        data = Batch.of(rollout, self.device)
        rewarded = {"reward_per_tick": data.reward.mean().item()}
        if self.novelty is not None:
            bonus = self.novelty.bonus(data.frames)
            rewarded["bonus_per_tick"] = bonus.mean().item()
            data = data._replace(reward=data.reward + bonus)
        old_log_prob, out_value, features, entropy = self._evaluate(data)
        prior = self._prior_logits(data)
        if self.best is not None:
            self.best.add(rollout)
        head = self.policy.value_head
        measured: dict[str, float]
        if self.warmup is not None:
            played = Played(features, data.reward, data.terminated, data.truncated)
            measured = {"entropy": entropy, **self._warm_up(self.warmup, played)}
            value = head.denormalized(out_value)
            returns = self._returns(data, value)[1]
        else:
            value = head.denormalized(out_value)
            advantages, returns = self._returns(data, value)
            self._update_normalizer(returns)
            # Over the whole iteration, so that ρ weighs against the same unit in all of its steps.
            if self.config.normalise_advantages:
                advantages = self.advantage_scale(advantages)
            targets = _Targets(old_log_prob, advantages, head.normalized(returns), prior)
            measured = self._steps(data, targets, fraction)
        self.iteration += 1
        return {
            **measured,
            # Of the values that played: the head says something else by now.
            "explained_variance": explained_variance(returns, value),
            "value": value.mean().item(),
            "return": returns.mean().item(),
            "kl_weight": self.kl_weight(fraction),
            **rewarded,
        }

    def _returns(self, data: Batch, value: Tensor) -> tuple[Tensor, Tensor]:
        """Advantages and returns [L, T] under values in the reward's units."""
        return generalized_advantages(
            reward=data.reward,
            value=value,
            terminated=data.terminated,
            truncated=data.truncated,
            final_value=data.final_value,
            last_value=data.last_value,
            discount=self.discount,
            gae_lambda=self.config.gae_lambda,
        )

    def _warm_up(self, warmup: ValueWarmup, played: Played) -> dict[str, float]:
        """Fit the value head on all play so far; the policy does not move."""
        warmup.add(played)
        explained = warmup.fit(
            self.policy.value_head, discount=self.discount, gae_lambda=self.config.gae_lambda
        )
        enough = explained >= self.config.value_explained
        if enough or self.iteration + 1 >= self.config.value_warmup:
            self.warmup = None
        return {"value_explained": explained, "steps": 0.0}

    @torch.no_grad()
    def _update_normalizer(self, returns: Tensor) -> None:
        """Take the returns into the value head's statistics.

        Its layer is rescaled to the new unit, and with it what Adam remembers of the gradients,
        which are as much larger or smaller.
        """
        head = self.policy.value_head
        before, known = head.statistics()[1], bool(head.weight > 0)
        head.update(returns, self.config.value_beta)
        if not known:
            return
        scale = (before / head.statistics()[1]).item()
        for state in self.value_optimizer.state.values():
            state["exp_avg"].mul_(scale)
            state["exp_avg_sq"].mul_(scale**2)

    def _steps(self, data: Batch, targets: _Targets, fraction: float) -> dict[str, float]:
        """The iteration's optimizer steps; returns the means of what they measured."""
        found: dict[str, list[float]] = {}
        batches = [
            lanes
            for _ in range(self.config.epochs)
            for lanes in self._minibatches(len(data.reward))
        ]
        before = self.steps
        for lanes in batches:
            measured, goes_on = self._step(data.of_lanes(lanes), targets.of_lanes(lanes), fraction)
            for name, number in measured.items():
                found.setdefault(name, []).append(number)
            if not goes_on:
                break
        means = {name: sum(numbers) / len(numbers) for name, numbers in found.items()}
        return {**means, "steps": float(self.steps - before)}

    def _step(
        self, data: Batch, targets: _Targets, fraction: float
    ) -> tuple[dict[str, float], bool]:
        """One optimizer step on some lanes; shapes [B, T].

        Returns what was measured, and False where the policy is so far from the one that played
        that the step was left out.
        """
        config, head = self.config, self.policy.head
        out = self._forward(self.policy, data)
        log_ratio = head.log_prob(out.logits, data.joint, data.camera) - targets.old_log_prob
        ratio = log_ratio.exp()  # (B, T)
        clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
        # The smaller of the two: a ratio that moved too far the wrong way is still pulled back.
        surrogate = torch.minimum(ratio * targets.advantages, clipped * targets.advantages).mean()
        entropy = head.entropy(out.logits).mean()
        loss = -surrogate - config.entropy * entropy
        # Schulman's estimate: without bias, never below 0, and of low variance.
        approx_kl = (ratio - 1 - log_ratio).mean().item()
        measured = {"policy_gain": surrogate.item(), "entropy": entropy.item()}
        if targets.prior is not None:
            pair = (targets.prior, out.logits)
            p, q = pair if config.kl_direction == "prior_to_policy" else reversed(pair)
            kl_to_prior = head.kl(p, q).mean()
            loss = loss + self.kl_weight(fraction) * kl_to_prior
            measured["kl_to_prior"] = kl_to_prior.item()
        # Huber's loss: the first success among nothing but failures lies many deviations off.
        value_loss = F.smooth_l1_loss(out.value.float(), targets.returns)
        measured |= {
            "value_loss": value_loss.item(),
            "approx_kl": approx_kl,
            "clip_fraction": ((ratio - 1).abs() > config.clip).float().mean().item(),
        }
        if config.target_kl and approx_kl > STOP_AT * config.target_kl:
            return measured, False
        self._backward(out.features, loss, value_loss)
        if self.best is not None and (likelihood := self._imitate(self.best)) is not None:
            measured["imitation_loss"] = likelihood
        norm = clip_gradients(self._policy_parameters, config.clip_norm)
        value_norm = clip_gradients(self._value_parameters, config.value_clip_norm)
        set_learning_rate(self.optimizer, self._rate.at(self.steps, fraction))
        if self.guard.accepts(loss.item() + value_loss.item(), norm + value_norm, self.steps):
            self.optimizer.step()
            self.value_optimizer.step()
        self.steps += 1
        return {**measured, "gradient_norm": norm, "value_gradient_norm": value_norm}, True

    def _backward(self, features: Tensor, loss: Tensor, value_loss: Tensor) -> None:
        """Gradients of both losses, that of the value bounded where it meets the policy's.

        Both heads read the same features: down to there the two are taken apart, and only their sum
        goes through the trunk, in one pass.
        """
        for parameter in (*self._policy_parameters, *self._value_parameters):
            parameter.grad = None
        meeting = []  # the gradient of each loss at the features, (B, T, D)
        for one, head in ((loss, self.policy.head), (value_loss, self.policy.value_head)):
            own = list(head.parameters())
            at_features, *gradients = torch.autograd.grad(one, [features, *own])
            for parameter, gradient in zip(own, gradients, strict=True):
                parameter.grad = gradient
            meeting.append(at_features)
        of_policy, of_value = meeting
        most = self.config.value_share * of_policy.norm()
        share = (most / of_value.norm().clamp_min(1e-12)).clamp_max(1.0)
        features.backward(of_policy + share * of_value)

    def _imitate(self, best: BestEpisodes) -> float | None:
        """Add the gradient of the best episodes' likelihood; None where there are none yet."""
        drawn = best.draw(self.device)
        if drawn is None:
            return None
        batch, imitated = drawn
        out = self._forward(self.policy, batch)
        log_prob = self.policy.head.log_prob(out.logits, batch.joint, batch.camera)  # (B, T)
        loss = -(log_prob * imitated).sum() / imitated.sum()
        (best.config.weight * loss).backward()
        return loss.item()

    def _forward(self, policy: Policy, data: Batch) -> PolicyOutput:
        with autocast(self.device, self.dtype):
            return policy(data.frames, data.first, data.memory, data.previous())

    @torch.no_grad()
    def _evaluate(self, data: Batch) -> tuple[Tensor, Tensor, Tensor, float]:
        """Of the weights that played: log-probabilities and normalized values [L, T], features
        [L, T, D] and the mean entropy.

        They are computed anew in the way that learning computes them: play went tick by tick and in
        float32, and the difference in rounding would look like a change of policy.
        """
        log_probs, values, features, entropies = [], [], [], []
        for lanes in self._groups(len(data.reward)):
            chosen = data.of_lanes(lanes)
            out = self._forward(self.policy, chosen)
            log_probs.append(self.policy.head.log_prob(out.logits, chosen.joint, chosen.camera))
            values.append(out.value.float())
            features.append(out.features.float())
            entropies.append(self.policy.head.entropy(out.logits))
        entropy = torch.cat(entropies).mean().item()
        return torch.cat(log_probs), torch.cat(values), torch.cat(features), entropy

    @torch.no_grad()
    def _prior_logits(self, data: Batch) -> JointLogits | None:
        """The prior's logits [L, T, J] and [L, T, C]; its memory is kept for the next rollout."""
        if self.prior is None:
            return None
        parts, memories = [], []
        for lanes in self._groups(len(data.reward)):
            chosen = data._replace(memory=self._prior_memory).of_lanes(lanes)
            out = self._forward(self.prior, chosen)
            parts.append(out.logits)
            memories.append(out.memory)
        self._prior_memory = joined_memory(memories)
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
            "prior": self.prior and self.prior.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "value_optimizer": self.value_optimizer.state_dict(),
            "guard": self.guard.state_dict(),
            "iteration": self.iteration,
            "steps": self.steps,
            "warmup": self.warmup and self.warmup.state_dict(),
            "advantage_scale": self.advantage_scale.state_dict(),
            "best": self.best and self.best.state_dict(),
            "novelty": self.novelty and self.novelty.state_dict(),
            "order": self._order.bit_generator.state,
            "prior_memory": self._prior_memory and [tuple(block) for block in self._prior_memory],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "value_optimizer" not in state:
            names = [name for name, _ in self.policy.named_parameters()]
            state = learner_state(state, names, self.config)
        for name in ("policy", "optimizer", "value_optimizer", "guard", "advantage_scale"):
            getattr(self, name).load_state_dict(state[name])
        for name in ("prior", "best", "novelty"):
            if (part := getattr(self, name)) is not None:
                part.load_state_dict(state[name])
        self.iteration, self.steps = state["iteration"], state["steps"]
        if state["warmup"] is None:
            self.warmup = None
        elif self.warmup is not None:
            self.warmup.load_state_dict(state["warmup"])
        self._order.bit_generator.state = state["order"]
        memory = state["prior_memory"]
        self._prior_memory = memory and mapped_memory(memory, lambda part: part.to(self.device))


def _logits_of(logits: JointLogits, lanes: Tensor) -> JointLogits:
    return JointLogits(logits.joint[lanes], None if logits.camera is None else logits.camera[lanes])
