"""A policy in training by imitation: everything that one step reads and writes."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.loading.batch import Batch
from ...datasets.loading.clips import ClipLoader
from ...machine import cores
from ...networks.attention import Memory
from ...networks.checkpoints import Checkpoint, load_into
from ...training.device import pick_device
from ...training.ema import EMA
from ...training.guards import FiniteGuard, clip_gradients
from ...training.optim import parameter_groups
from ...training.precision import autocast, resolve_precision
from ...training.schedule import Schedule, set_learning_rate
from ..policy.config import preset_config
from ..policy.policy import Policy, last_actions, previous_actions
from .augment import Augmentation
from .config import CloneConfig
from .imitation import ImitationLoss, TargetMaker, imitation_loss


class Cloner:
    """The state of a cloning run; `state_dict` holds all of it.

    Args:
        init: the policy whose weights the network starts from; None for a fresh one.
    """

    def __init__(self, config: CloneConfig, init: Checkpoint | None = None):
        self.config = config
        self.device = pick_device(config.device)
        self.dtype = resolve_precision(config.precision, self.device)
        torch.set_num_threads(config.threads or cores())
        torch.manual_seed(config.seed)
        self.loader = open_loader(config, "train")
        self.batches = self.loader.batches()
        if init is not None:  # a head of the same shape may still mean other actions
            self.loader.spec.require_same(init.spec(), f"checkpoint {init.uri}")
        network = config.network or preset_config(config.preset, self.loader.spec)
        self.policy = Policy(self.loader.spec, network)
        if init is not None:
            load_into(self.policy, init)
        self.policy.to(self.device).train()
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.policy, config.weight_decay), betas=(0.9, 0.98)
        )
        self.ema = EMA(self.policy, config.ema_decay)
        self.guard = FiniteGuard()
        self.make_targets = TargetMaker(self.policy.spec, config)
        self.schedule = Schedule(peak=config.learning_rate, warmup_steps=config.warmup_steps)
        self.augmentation = Augmentation(
            self.policy.spec,
            brightness=config.brightness,
            mirror=config.mirror,
            seed=config.seed,
            keep=config.order == "episodes",
        )
        self.memory: list[Memory] | None = None
        # int64 [B, 2], of the batch before: what the next one's first ticks see.
        self.last_actions: Tensor | None = None

    def step(self, step: int, fraction: float) -> dict[str, float]:
        """Learn from the next batch and return what was measured.

        Args:
            step: counts from 0. fraction: how much of the run is done.
        """
        learning_rate = self.schedule.at(step, fraction)
        set_learning_rate(self.optimizer, learning_rate)
        batch = self.augmentation(next(self.batches))
        loss = self._loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        norm = clip_gradients(self.policy.parameters(), self.config.clip_norm)
        if self.guard.accepts(loss.total.item(), norm, step):
            self.optimizer.step()
            self.ema.update(self.policy)
        return {
            "loss": loss.total.item(),
            "loss_buttons": loss.buttons.item(),
            "loss_camera": loss.camera.item(),
            "accuracy": loss.accuracy.item(),
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            "frames": float(batch.valid.sum()),
        }

    @torch.no_grad()
    def held_out(self, split: str) -> dict[str, float]:
        """Loss and accuracy of the averaged weights on the first batches of another split."""
        # The memory is that of the training data's episodes: it waits meanwhile.
        kept = (self.memory, self.last_actions)
        self.memory = self.last_actions = None
        sums, total = np.zeros(3), 0.0
        loader = open_loader(self.config, split, drop_last=False)
        self.policy.eval()
        with self.ema.applied(self.policy):
            for batch in islice(loader, self.config.eval_batches):
                loss = self._loss(batch)
                means = (loss.total.item(), loss.buttons.item(), loss.accuracy.item())
                sums += loss.weight.item() * np.array(means)
                total += loss.weight.item()
        self.policy.train()
        self.memory, self.last_actions = kept
        mean = sums / max(total, 1e-6)
        return {
            f"{split}_loss": mean[0],
            f"{split}_loss_buttons": mean[1],
            f"{split}_accuracy": mean[2],
        }

    def averaged_state(self) -> dict[str, Tensor]:
        """The averaged weights: what is saved as the policy."""
        return dict(self.ema.average)

    def state_dict(self) -> dict[str, Any]:
        return {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "guard": self.guard.state_dict(),
            "loader": self.loader.state_dict(),
            "augmentation": self.augmentation.state_dict(),
            "memory": self.memory,
            "last_actions": self.last_actions,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("policy", "optimizer", "ema", "guard", "loader", "augmentation"):
            getattr(self, name).load_state_dict(state[name])
        self.batches = self.loader.batches()  # from the position that was loaded
        actions, memory = state["last_actions"], state["memory"]
        self.last_actions = None if actions is None else actions.to(self.device)
        self.memory = memory and [
            Memory(*(part.to(self.device) for part in block)) for block in memory
        ]

    def _loss(self, batch: Batch) -> ImitationLoss:
        """The loss of a batch; in the order `episodes` the memory is carried to the next one."""
        targets = self.make_targets(batch).to(self.device)
        first = torch.from_numpy(batch.first).to(self.device)
        # (B, T, 2)
        previous = previous_actions(targets.joint, targets.camera, first, self.last_actions)
        ticks = torch.from_numpy(batch.ticks).to(self.device)  # (B,)
        present = torch.arange(first.shape[1], device=self.device) < ticks[:, None]  # (B, T)
        with autocast(self.device, self.dtype):
            out = self.policy(
                torch.from_numpy(batch.frames).to(self.device),
                first,
                self.memory,
                previous,
                present,
            )
        if self.config.order == "episodes":
            self.memory = out.memory
            actions = torch.stack([targets.joint, targets.camera], dim=-1)  # (B, T, 2)
            self.last_actions = last_actions(actions, ticks, self.last_actions)
        return imitation_loss(self.policy.head, out.logits, targets)


def open_loader(config: CloneConfig, split: str, *, drop_last: bool = True) -> ClipLoader:
    """The loader of a split, as the configuration wants it."""
    return ClipLoader(
        config.data,
        batch_size=config.batch_size,
        ticks=config.ticks,
        order=config.order,
        split=split,
        seed=config.seed,
        drop_last=drop_last,
    )
