"""A policy in training by imitation: everything that one step reads and writes.

B clips of this process in a step, T ticks
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.loading.batch import Batch
from ...datasets.shards.dataset import Dataset
from ...machine import cores
from ...networks.attention import Memory, joined_memory, mapped_memory
from ...networks.checkpoints import Checkpoint, load_into
from ...training.ema import EMA
from ...training.guards import FiniteGuard, clip_gradients
from ...training.optim import parameter_groups
from ...training.parallel import Group
from ...training.precision import autocast, resolve_precision
from ...training.schedule import Schedule, set_learning_rate
from ...training.seeds import seed_chance
from ..policy.config import preset_config
from ..policy.policy import Policy, PolicyOutput
from .augment import Augmentation
from .baselines import ActionBaselines
from .config import CloneConfig
from .held_out import HeldOut
from .imitation import ImitationLoss, TickLosses, imitation_loss, mean_loss, tick_losses
from .loaders import Loaders
from .targets import UNTOLD, Lesson, TargetMaker, Targets

NEWEST = 0.01  # share of the newest step in the mean weight: it is that of about a hundred
OWN_DICE = 11  # beside the seed, so that what is not told has a stream of its own
PARTS = ("policy", "optimizer", "ema", "guard", "loader", "augmentation")
FAULTS = ("bad_clips", "removed_clips", "retries", "timeouts")
"""What the loaders of all processes met so far, in `metrics.jsonl` where it is not 0."""
LOSSES = {
    "loss": "total",
    "loss_buttons": "buttons",
    "loss_camera": "camera",
    "accuracy": "accuracy",
}
"""Figures of a step: their names in `metrics.jsonl`, and in an `ImitationLoss`."""


class Inputs(NamedTuple):
    """What the policy is given of some clips."""

    frames: Tensor
    """uint8 [B, T, H, W, 3]."""
    first: Tensor
    """bool [B, T]: where the memory must be empty."""
    present: Tensor
    """bool [B, T]: which ticks exist."""
    previous: Tensor
    """int64 [B, T, 2]: the last actions."""
    memory: list[Memory] | None
    """What the clips before left."""


class Learned(NamedTuple):
    """What a part of a batch gives."""

    loss: ImitationLoss
    memory: list[Memory]


class Imitation(nn.Module):
    """A part of a batch ► its loss: policy and loss as one module, which processes train together.

    Args:
        policy: that learns. dtype: of its matrix products.
    """

    def __init__(self, policy: Policy, dtype: torch.dtype):
        super().__init__()
        self.policy, self.dtype = policy, dtype

    def forward(self, inputs: Inputs, targets: Targets) -> Learned:
        out = asked(self.policy, inputs, self.dtype)
        return Learned(imitation_loss(self.policy.head, out.logits, targets), out.memory)


def asked(policy: Policy, inputs: Inputs, dtype: torch.dtype) -> PolicyOutput:
    """What a policy says of clips, its matrix products in `dtype`."""
    with autocast(inputs.frames.device, dtype):
        return policy(inputs.frames, inputs.first, inputs.memory, inputs.previous, inputs.present)


class Cloner:
    """The state of a cloning run; `state_dict` holds all of it.

    Args:
        init: the policy whose weights the network starts from; None for a fresh one.
        group: the processes that train together; this one alone by default.
    """

    def __init__(
        self, config: CloneConfig, init: Checkpoint | None = None, group: Group | None = None
    ):
        self.config = config
        self.group = group or Group(config.device)
        self.device = self.group.device
        self.dtype = resolve_precision(config.precision, self.device)
        torch.set_num_threads(config.threads or max(1, cores() // self.group.size))
        torch.manual_seed(config.seed)
        self.loaders = Loaders(config, self.group)
        spec = Dataset(config.data[0]).spec()
        if init is not None:  # a head of the same shape may still mean other actions
            spec.require_same(init.spec(), f"checkpoint {init.uri}")
        network = config.network or preset_config(config.preset, spec)
        self.policy = Policy(spec, replace(network, blind=True) if config.blind else network)
        if init is not None:
            load_into(self.policy, init)
        self.policy.to(self.device).train()
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.policy, config.weight_decay), betas=(0.9, 0.98)
        )
        # Imitation says nothing of values; processes that wait for their gradients wait for ever.
        self.policy.value_head.requires_grad_(False)
        self.learner = self.group.learner(Imitation(self.policy, self.dtype))
        self.loader = self.loaders.training(self.policy)
        self.batches = self.loader.batches()
        self.ema = EMA(self.policy, config.ema_decay)
        self.guard = FiniteGuard()
        self.make_targets = TargetMaker(spec, config)
        self.sure_targets = TargetMaker(spec, config, soft=False)
        self.schedule = Schedule(peak=config.learning_rate, warmup_steps=config.warmup_steps)
        self.augmentation = Augmentation(
            spec,
            brightness=config.brightness,
            mirror=config.mirror,
            seed=config.seed,
            keep=config.order == "episodes",
            rank=self.group.rank,
            world_size=self.group.size,
            threads=config.loader_threads,
        )
        self.lanes = Lanes()
        self._gathered: Lanes | None = None  # those of all processes, where there are several
        self._gathered_draws: np.ndarray | None = None
        # Of the last steps, exponentially weighted: the mean weight of a tick that exists, and the
        # sum of the weights of that mean itself, so that it starts without bias.
        self.mean_weight = (0.0, 0.0)

    def step(self, step: int, fraction: float) -> dict[str, float]:
        """Learn from the next batch and return what was measured.

        Args:
            step: counts from 0. fraction: how much of the run is done.
        """
        learning_rate = self.schedule.at(step, fraction)
        set_learning_rate(self.optimizer, learning_rate)
        batch = self.augmentation(next(self.batches))
        lesson = self.make_targets.lesson(batch, self.lanes.last_actions)
        met = self.loaders.faults.counts
        ticks, weight, valid, *counts = self.group.all_reduce_mean(
            (
                float(batch.ticks.sum()),
                lesson.targets.weight.sum().item(),
                float(batch.valid.sum()),
                *(float(met[name]) for name in FAULTS),
            )
        )
        faults = {
            name: round(count * self.group.size) for name, count in zip(FAULTS, counts, strict=True)
        }
        # Ticks count alike whichever others their batch holds: its loss is divided by its size, and
        # by the mean weight of many batches. Divided by its own weight, three sure ticks would move
        # the policy as far as a thousand.
        mean, sum_of_weights = (
            (1 - NEWEST) * before + NEWEST * now
            for before, now in zip(self.mean_weight, (weight / max(ticks, 1.0), 1.0), strict=True)
        )
        divisor = max(ticks * mean / sum_of_weights, 1e-6)
        self.optimizer.zero_grad(set_to_none=True)
        losses, memory = self._backward(batch, lesson, divisor, step)
        norm = clip_gradients(self.policy.parameters(), self.config.clip_norm)
        if self.guard.accepts(losses["loss"], norm, step):
            self.optimizer.step()
            self.ema.update(self.policy)
            # Only now: what a broken batch left in the memory would break every later one.
            self.mean_weight = (mean, sum_of_weights)
            if self.config.order == "episodes":
                self.lanes = Lanes(memory, lesson.last)
        return {
            **losses,
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            "frames": valid * self.group.size,
            **{name: count for name, count in faults.items() if count},
        }

    def _backward(
        self, batch: Batch, lesson: Lesson, divisor: float, step: int
    ) -> tuple[dict[str, float], list[Memory]]:
        """Gradients of a step, part by part.

        Args:
            divisor: of each part's weighted sum of losses.

        Returns the mean losses over all processes, and the memory that the clips leave.
        """
        parts, size = self.config.accumulate, self.group.size
        rows = len(batch.frames) // parts
        previous = self._forgetful(lesson.previous, step)
        sums, memories = np.zeros(len(LOSSES) + 1), []
        for part in range(parts):
            # Dropout, the same after a resume and whichever process has the part.
            number = (step * size + self.group.rank) * parts + part
            seed_chance(self.device, self.config.seed, number)
            own = slice(part * rows, (part + 1) * rows)
            with nullcontext() if part + 1 == parts else self.group.no_sync(self.learner):
                learned = self.learner(
                    self._inputs(batch, previous, self.lanes, own),
                    lesson.targets.rows(own).to(self.device),
                )
                (learned.loss.sum / divisor).backward()
            weight = learned.loss.weight.item()
            means = [getattr(learned.loss, name).item() for name in LOSSES.values()]
            sums += weight * np.array([*means, 1.0])
            memories.append(learned.memory)
        *sums_of_losses, whole = self.group.all_reduce_mean(sums.tolist())
        measured = {
            name: value / max(whole, 1e-6)
            for name, value in zip(LOSSES, sums_of_losses, strict=True)
        }
        return measured, joined_memory(memories)

    def _inputs(self, batch: Batch, previous: Tensor, lanes: Lanes, rows: slice) -> Inputs:
        """Some rows of a batch, on the device."""
        ticks = torch.from_numpy(batch.ticks[rows])[:, None]
        present = torch.arange(batch.valid.shape[1]) < ticks  # (B, T)
        return Inputs(
            torch.from_numpy(batch.frames[rows]).to(self.device),
            torch.from_numpy(batch.first[rows]).to(self.device),
            present.to(self.device),
            previous[rows].to(self.device),
            lanes.memory_of(rows),
        )

    def _forgetful(self, previous: Tensor, step: int) -> Tensor:
        """The last actions, int64 [B, T, 2], some of them untold."""
        if not self.config.previous_dropout:
            return previous
        rows, rank = len(previous), self.group.rank
        dice = np.random.default_rng([self.config.seed, OWN_DICE, step])
        drawn = dice.random((rows * self.group.size, previous.shape[1]))
        untold = drawn[rank * rows : (rank + 1) * rows] < self.config.previous_dropout
        return previous.masked_fill(torch.from_numpy(untold)[..., None], UNTOLD)

    def held_out(self, split: str) -> HeldOut:
        """What measures held-out losses on a split; see `measure`."""
        baselines = ActionBaselines(self.loaders.labels(), self.sure_targets, self.policy.head)
        loader = self.loaders.held_out(self.policy, split)
        return HeldOut(loader, self.config.eval_batches, split, baselines)

    @torch.no_grad()
    def measure(self, held_out: HeldOut) -> dict[str, float]:
        """Figures of the averaged weights, by the labels' actions also where these are soft."""
        lanes = Lanes()

        def ask(batch: Batch) -> tuple[Lesson, ImitationLoss, TickLosses]:
            nonlocal lanes
            lesson = self.sure_targets.lesson(batch, lanes.last_actions)
            targets = lesson.targets.to(self.device)
            inputs = self._inputs(batch, lesson.previous, lanes, slice(None))
            out = asked(self.policy, inputs, self.dtype)
            if self.config.order == "episodes":
                lanes = Lanes(out.memory, lesson.last)
            losses = tick_losses(self.policy.head, out.logits, targets)
            return lesson, mean_loss(losses, targets), losses

        self.policy.eval()
        with self.ema.applied(self.policy):
            figures = held_out.measure(ask)
        self.policy.train()
        return figures

    def averaged_state(self) -> dict[str, Tensor]:
        """The averaged weights: what is saved as the policy."""
        return dict(self.ema.average)

    def gather(self) -> None:
        """Bring the lanes of all processes together, for the snapshot of one of them."""
        if self.group.size == 1 or self.config.order != "episodes":
            return
        self._gathered = self.lanes.each(self.group.gather)
        kept = self.augmentation.kept
        if kept is not None:
            self._gathered_draws = self.group.gather(torch.from_numpy(kept.T)).T.numpy()

    def state_dict(self) -> dict[str, Any]:
        lanes = self.lanes if self._gathered is None else self._gathered
        state = {name: getattr(self, name).state_dict() for name in PARTS}
        if self._gathered_draws is not None:
            state["augmentation"] = {**state["augmentation"], "kept": self._gathered_draws}
        return {
            **state,
            "memory": lanes.memory,
            "last_actions": lanes.last_actions,
            "mean_weight": self.mean_weight,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.batches = self.loader.batches()  # from the position that was loaded
        rows = self.config.batch_size // self.group.size
        own = slice(self.group.rank * rows, (self.group.rank + 1) * rows)
        if self.augmentation.kept is not None:
            self.augmentation.kept = self.augmentation.kept[:, own]
        memory = state["memory"] and mapped_memory(
            state["memory"], lambda part: part[own].to(self.device)
        )
        actions = state["last_actions"]
        self.lanes = Lanes(memory, None if actions is None else actions[own])
        # None in snapshots of when the weight was not averaged: as if every tick had counted fully.
        mean, sum_of_weights = state.get("mean_weight", (0.0, 0.0))
        self.mean_weight = (mean, sum_of_weights)


class Lanes(NamedTuple):
    """What the rows of one batch leave for those of the next, where episodes go on."""

    memory: list[Memory] | None = None
    """Of each block [B, …]; None where every row begins something new."""
    last_actions: Tensor | None = None
    """int64 [B, 2]: what was done last."""

    def each(self, change: Callable[[Tensor], Tensor]) -> Lanes:
        """These with every tensor changed."""
        return Lanes(
            self.memory and mapped_memory(self.memory, change),
            None if self.last_actions is None else change(self.last_actions),
        )

    def memory_of(self, rows: slice) -> list[Memory] | None:
        """The memory of some rows."""
        return self.each(lambda part: part[rows]).memory
