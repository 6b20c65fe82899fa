"""Torch's own chance (of dropout, say), the same after a resume."""

from __future__ import annotations

import torch


def seed_chance(device: torch.device, *numbers: int) -> None:
    """Seed what torch draws on a device with numbers that tell one part of a run from another."""
    seed = hash(numbers) & 0x7FFFFFFF
    if device.type == "cpu":
        # `torch.manual_seed` also notes it for accelerators that are not there, with a stack trace
        # each: 4 % of a small step.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
