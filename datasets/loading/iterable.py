"""The loader as torch's DataLoader takes it: its workers share each epoch step by step.

    clips = IterableClips(["runs/dataset"], batch_size=64)
    for batch in DataLoader(clips, batch_size=None, num_workers=4, pin_memory=True):
        ...
        state = clips.state_after(batch)

The batches and their order are those of a `ClipLoader` with the same arguments, however many
workers there are. `ClipLoader` itself decodes in threads and needs no workers; this is for trainers
that insist on a DataLoader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ...errors import DatasetError
from .batch import Batch
from .clips import ClipLoader


class IterableClips(IterableDataset[dict[str, Any]]):
    """Batches of clips for `DataLoader(..., batch_size=None)`.

    An item is a whole batch: a dict of the fields of `Batch` as tensors (`keys` as a list), with
    `epoch` and `step` of the batch. The versions of the datasets are those of when this was made,
    or of a state that was loaded.

    Args:
        datasets: as for `ClipLoader`.
        options: the other arguments of `ClipLoader`. Ranks are as torchrun's variables say unless
            given; `threads` and `prefetch` are of each worker.
    """

    def __init__(self, datasets: Sequence[Any], **options: Any):
        super().__init__()
        self._datasets, self._options = list(datasets), dict(options)
        # In this process, so that all workers agree on versions and ranks.
        self._loader: ClipLoader | None = ClipLoader(self._datasets, **self._options)
        self._options |= {
            "rank": self._loader.rank,
            "world_size": self._loader.world_size,
            "version": self._loader.versions,
        }
        self.epoch = self.step = 0

    def __getstate__(self) -> dict[str, Any]:
        """Without the loader, whose locks cannot travel: a worker that is spawned opens its own."""
        return {**self.__dict__, "_loader": None}

    @property
    def loader(self) -> ClipLoader:
        """This process's loader."""
        if self._loader is None:
            self._loader = ClipLoader(self._datasets, **self._options)
        return self._loader

    def __len__(self) -> int:
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: workers are told of nothing else, and would repeat the last one."""
        self.epoch, self.step = epoch, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The batches of an epoch, in a worker each so manieth of them."""
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        loader, epoch = self.loader, self.epoch
        loader.epoch, loader.step = epoch, self.step
        for step, batch in loader.numbered(offset, stride):
            yield {**tensors_of(batch), "epoch": epoch, "step": step}
        self.set_epoch(epoch + 1)  # where workers persist, and without workers

    def state_after(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The state after a batch, as `ClipLoader.state_dict` gives it."""
        epoch, step = int(batch["epoch"]), int(batch["step"]) + 1
        if step == len(self):
            epoch, step = epoch + 1, 0
        return self.loader.state_dict() | {"epoch": epoch, "step": step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state was taken, by this or by a `ClipLoader`; before the DataLoader is
        iterated. Raises DatasetError as `ClipLoader.load_state_dict` does.
        """
        if not isinstance(state, Mapping):
            raise DatasetError(f"the loader's state must be a mapping, got {state!r:.40}")
        self.loader.load_state_dict(state)
        self._options["version"] = self.loader.versions
        self.epoch, self.step = self.loader.epoch, self.loader.step


def tensors_of(batch: Batch) -> dict[str, Any]:
    """The fields of a batch: arrays as tensors that share their memory, those it lacks left out."""
    found = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {
        name: value if name == "keys" else torch.from_numpy(value)
        for name, value in found.items()
        if value is not None
    }
