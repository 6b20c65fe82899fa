"""Training on several processes or GPUs: `torchrun --nproc-per-node 8 -m vidact.cli train-idm …`.

Every process takes its share of a step's batches; the gradients are averaged, so that all hold the
same weights. The first one is the leader: it decides when the run ends, writes, measures, and logs.
Without torchrun a process is its own group.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import torch

# Before there is a group: read later, its functions would keep that as their default.
import torch.distributed.nn.functional
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError
from ..machine import launched_rank
from ..progress import silence
from .device import pick_device

# For each other: the leader decodes all play before the others continue.
MAX_WAIT = timedelta(hours=24)


def num_processes() -> int:
    """How many processes torchrun started; 1 without it."""
    return launched_rank()[1]


def require_one_process() -> None:
    """Raise ConfigError where torchrun started several: a training without a `Group` would run once
    in each.
    """
    if (size := num_processes()) > 1:
        raise ConfigError(
            f"WORLD_SIZE must be 1 here, got {size}: torchrun starts {size} copies, which would "
            "all write the same files. Start this command without torchrun (train-idm and clone "
            "are those that can share their steps)"
        )


class Group:
    """The processes of one training run.

    Attributes:
        rank: the number of this one. size: how many there are. device: this one's.
    """

    def __init__(self, device: str = "auto"):
        """Join the group that torchrun's environment names (RANK, WORLD_SIZE, LOCAL_RANK)."""
        self.rank, self.size = launched_rank()
        self.device = pick_device(device)
        if self.device.type == "cuda" and self.size > 1:
            here = int(os.environ.get("LOCAL_RANK", "0"))
            if here >= torch.cuda.device_count():
                raise ConfigError(
                    f"device: {torch.cuda.device_count()} GPUs here, "
                    "and more processes on this machine"
                )
            self.device = torch.device("cuda", here)
            torch.cuda.set_device(self.device)
        if self.size > 1:
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            distributed.init_process_group(backend, timeout=MAX_WAIT)
        if not self.is_leader:
            silence()

    @property
    def is_leader(self) -> bool:
        """Whether this is the process that decides and writes."""
        return self.rank == 0

    def learner(self, module: nn.Module) -> nn.Module:
        """The module, its gradients averaged over the group in each backward pass."""
        if self.size == 1:
            return module
        with warnings.catch_warnings():
            # Buffers never change: none are sent. The successor of this option is not whole yet,
            # says the warning.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            return DistributedDataParallel(module, broadcast_buffers=False)

    def no_sync(self, learner: nn.Module) -> AbstractContextManager[None]:
        """Within the block gradients only add up: more of the step's batches are to come."""
        return learner.no_sync() if isinstance(learner, DistributedDataParallel) else nullcontext()

    def broadcast(self, value: float) -> float:
        """The leader's value, in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def all_reduce_mean(self, values: Sequence[float]) -> tuple[float, ...]:
        """The mean over the processes of each value."""
        if self.size == 1:
            return tuple(values)
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(shared)
        return tuple((shared / self.size).tolist())

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows [n, …] of all processes below each other, in their order: [size * n, …]."""
        if self.size == 1:
            return rows
        # Not all backends carry bools.
        sent = rows.to(self.device, torch.uint8 if rows.dtype == torch.bool else rows.dtype)
        parts = [torch.empty_like(sent) for _ in range(self.size)]
        distributed.all_gather(parts, sent.contiguous())
        return torch.cat(parts).to(rows.device, rows.dtype)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The leader runs the block before the others do: what it leaves on the disk, they find."""
        if not self.is_leader:
            self._wait()
        yield
        if self.is_leader:
            self._wait()

    def close(self) -> None:
        """Leave the group: nothing more is done together, and no learner is in use any more.

        The threads that carry values between the processes end here. One that lets go of Python's
        tensor only while the interpreter ends aborts the process: "terminate called without an
        active exception".
        """
        if self.size > 1:
            gc.collect()  # a learner refers to itself, and to the group
            distributed.destroy_process_group()

    def _wait(self) -> None:
        if self.size > 1:
            distributed.barrier()
