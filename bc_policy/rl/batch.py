"""Chunks of play as tensors on the learner's device.

L lanes, T ticks
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...networks.attention import Memory
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
        return cls(**arrays, memory=memory_on(rollout.memory, device))

    def of_lanes(self, lanes: Tensor) -> Batch:
        """Those lanes alone."""
        arrays = {name: part[lanes] for name, part in self._asdict().items() if name != "memory"}
        return Batch(**arrays, memory=memory_of(self.memory, lanes))

    def previous(self) -> Tensor:
        """int64 [L, T, 2]: each tick's last action."""
        return previous_actions(self.joint, self.camera, self.first, self.before)


def memory_on(memory: list[Memory], device: torch.device) -> list[Memory]:
    """The memory on a device."""
    return [Memory(*(part.to(device) for part in block)) for block in memory]


def memory_of(memory: list[Memory] | None, lanes: Tensor) -> list[Memory] | None:
    """The memory of those lanes alone."""
    return memory and [Memory(*(part[lanes] for part in block)) for block in memory]


def joined_memory(memories: list[list[Memory]]) -> list[Memory]:
    """Memories of several groups of lanes as one, lane after lane."""
    return [
        Memory(*(torch.cat(parts) for parts in zip(*block, strict=True)))
        for block in zip(*memories, strict=True)
    ]
