"""Chunks of play as tensors on the learner's device.

L lanes, T ticks
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...networks.attention import Memory, mapped_memory
from ..policy.policy import previous_actions
from .rollout import Rollout


class Batch(NamedTuple):
    """What a policy saw and did in L lanes, and what came of it; see `Rollout`."""

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
    def of(cls, rollout: Rollout, device: torch.device) -> Batch:
        arrays = {
            name: torch.from_numpy(getattr(rollout, name)).to(device)
            for name in cls._fields
            if name != "memory"
        }
        return cls(**arrays, memory=mapped_memory(rollout.memory, lambda part: part.to(device)))

    def of_lanes(self, lanes: Tensor) -> Batch:
        """Those lanes alone."""
        arrays = {name: part[lanes] for name, part in self._asdict().items() if name != "memory"}
        memory = self.memory and mapped_memory(self.memory, lambda part: part[lanes])
        return Batch(**arrays, memory=memory)

    def previous(self) -> Tensor:
        """int64 [L, T, 2]: each tick's last action."""
        return previous_actions(self.joint, self.camera, self.first, self.before)
