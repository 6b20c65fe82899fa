"""What one process of a job does: it opens a labeller once, and labels shard after shard."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from ...datasets.shards.dataset import Dataset
from ..labelling.labeller import LabelWork, ShardOutcome, ShardTask
from ..labelling.relabeller import RelabelWork
from .run_folder import RunFolder

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

Work = LabelWork | RelabelWork

# The model of this process: loaded once, whatever the runner makes of DoFns.
_LOADED: dict[tuple[str, str], Predictor] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """What a worker needs; it travels to the workers inside the Beam step, and to the driver as
    JSON.
    """

    dataset: Dataset
    idm: str
    work: Annotated[Work, Field(discriminator="verb")]
    device: str = "auto"
    run_folder: str = ""
    """The run folder on this machine; empty on a cluster, whose workers see no common disk."""

    def to_json(self) -> str:
        """The settings as JSON."""
        return TypeAdapter(WorkerSettings).dump_json(self, indent=1).decode()

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """The settings that `to_json` wrote."""
        return TypeAdapter(cls).validate_json(text)

    def open_run(self) -> RunFolder | None:
        """The run folder, where workers see it."""
        return RunFolder(Path(self.run_folder)) if self.run_folder else None

    def open_tasks(self) -> Iterator[ShardTask]:
        """The shards that have no record yet, in order."""
        run = self.open_run()
        return self.work.open_tasks(self.dataset, run.quarantined() if run is not None else {})


class Worker:
    """What a process needs to label shards: model, decoder, run folder. Made inside the
    process, never sent to it.
    """

    def __init__(self, settings: WorkerSettings):
        self.run = settings.open_run()
        scratch = self.run.spool if self.run is not None else Path(tempfile.gettempdir())
        self.labeller = settings.work.open_labeller(
            load_predictor(settings.idm, settings.device, self.run),
            settings.dataset,
            scratch=scratch,
            alive=self._alive,
        )
        self._at: tuple[str, int] | None = None
        self._shard = ""

    def label(self, task: ShardTask) -> ShardOutcome:
        """Label one shard, telling the supervisor where it is."""
        self._shard, self._at = task.shard, None
        outcome = self.labeller.label(task)
        if self.run is not None:
            self.run.mark_done(task.shard)
            if outcome.status == "waiting":
                self.run.defer(task.shard, outcome.detail)
        if outcome.detail:
            logging.getLogger(__name__).warning("shard %s: %s", task.shard, outcome.detail)
        return outcome

    def close(self) -> None:
        """Stop the decoder."""
        self.labeller.close()

    def _alive(self, segment: int) -> None:
        if self.run is None:
            return
        if self._at != (self._shard, segment):
            self.run.mark_started(self._shard, segment)
            self._at = self._shard, segment
        else:
            self.run.touch(self._shard)


def load_predictor(idm: str, device: str, run: RunFolder | None = None) -> Predictor:
    """The model of this process, one thread on a CPU, so that labels do not depend on the
    number of cores.
    """
    import torch

    from ...idm.labels.predict import Predictor

    if (idm, device) not in _LOADED:
        torch.set_num_threads(1)
        _LOADED[idm, device] = Predictor.load(idm, device=_own_device(device, run), threads=1)
    return _LOADED[idm, device]


def _own_device(device: str, run: RunFolder | None) -> str:
    """One GPU per worker, where there are several and none was named."""
    import torch

    gpus = torch.cuda.device_count() if device == "auto" and torch.cuda.is_available() else 0
    return f"cuda:{run.claim_gpu(gpus)}" if gpus > 1 and run is not None else device
