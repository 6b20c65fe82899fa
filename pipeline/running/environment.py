"""What the bytes of a dataset depend on beside input and options: versions, processor, threads."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from ...machine import cpu_model

# What frames, labels and tars are made by.
PACKAGES = ("vidact", "torch", "numpy", "av", "webdataset")


def environment(device: str) -> dict[str, Any]:
    """What the bytes depend on beside input and options: versions, kind of processor, threads."""
    import torch

    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        here = torch.cuda.is_available()  # else the workers of a cluster have one
        processor = torch.cuda.get_device_name() if here else "a GPU elsewhere"
    else:
        processor = cpu_model()
    found = {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "processor": processor,
        "threads_a_worker": 1,
    }
    return dict(sorted(found.items()))  # in the order in which it is read back
