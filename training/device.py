"""The device that a network computes on."""

from __future__ import annotations

import torch

from ..errors import ConfigError


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU.

    Raises ConfigError where there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device must be cpu, cuda, cuda:1 … or auto, got {name!r}") from error
    if device.type != "cpu" and not _is_here(device):
        raise ConfigError(f"device: {name} is asked for, but torch finds none here to compute on")
    return device


def _is_here(device: torch.device) -> bool:
    """Only asks: using a GPU would leave a context in its memory, in every process that looks."""
    try:
        backend = torch.get_device_module(device)
    except RuntimeError:  # torch also has names for devices that hold no numbers
        return False
    return backend.is_available() and (device.index or 0) < backend.device_count()
