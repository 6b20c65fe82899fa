"""What one process of a job does: find the shards that are still open, open a labeller once, label shard after shard."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ... import storage
from ...datasets.shards.commits import committed_shards, split_of_shard
from ...datasets.video.sandbox import open_decoder
from ...errors import DatasetError
from ..labelling.labeller import ShardLabeller, ShardOptions, ShardOutcome, ShardTask
from ..labelling.relabeller import ShardRelabeller
from ..planning.plan import read_plan
from ..run_folder import RunFolder
from .identity import WorkerSettings

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

# The model of this process: loaded once, whatever the runner makes of DoFns.
_LOADED: dict[tuple[str, str], Predictor] = {}


def open_tasks(settings: WorkerSettings) -> Iterator[ShardTask]:
    """The shards that have no record yet, in order: of the plan, or of the dataset that gets new labels."""
    if settings.relabel_from:
        done = set(committed_shards(settings.dataset))
        for shard in committed_shards(settings.relabel_from):
            if shard not in done:
                yield ShardTask(shard=shard, split=split_of_shard(shard))
        return
    plan = read_plan(settings.dataset)
    if plan is None:
        raise DatasetError(
            f"{settings.dataset}: there is no plan; run `vidact plan` or `vidact label` with sources"
        )
    done = set(committed_shards(settings.dataset))
    quarantined = RunFolder(Path(settings.run_folder)).quarantined() if settings.run_folder else {}
    for shard, segments in plan.shards.items():
        if shard not in done:
            yield ShardTask(
                shard=shard,
                split=segments[0].split,
                segments=segments,
                quarantined=quarantined.get(shard, ()),
            )


class Worker:
    """What a process needs to label shards: model, decoder, run folder. Made inside the process, never sent to it."""

    def __init__(self, settings: WorkerSettings):
        self.settings = settings
        self.run = RunFolder(Path(settings.run_folder)) if settings.run_folder else None
        self.predictor = load_predictor(settings.idm, settings.device, self.run)
        self.decoder = (
            None
            if settings.relabel_from
            else open_decoder(settings.decoder, self.predictor.spec.frame)
        )
        self._at: tuple[str, int] | None = None
        self._shard = ""
        self.labeller = self._labeller()

    def label(self, task: ShardTask) -> ShardOutcome:
        """Label one shard, telling the supervisor where it is."""
        self._shard, self._at = task.shard, None
        outcome = self.labeller.label(task)
        if self.run is not None:
            self.run.left(task.shard)
            if outcome.status == "waiting":
                self.run.wait(task.shard, outcome.detail)
        if outcome.detail:
            logging.getLogger(__name__).warning("shard %s: %s", task.shard, outcome.detail)
        return outcome

    def close(self) -> None:
        """Stop the decoder."""
        if self.decoder is not None:
            self.decoder.close()

    def _labeller(self) -> ShardLabeller | ShardRelabeller:
        spool = self.run.spool if self.run is not None else Path(tempfile.gettempdir())
        settings = self.settings
        # A local dataset spools beside its shards, so that a shard gets to its place by a rename.
        beside = None if storage.local_path(settings.dataset) is not None else spool
        if self.decoder is None:
            return ShardRelabeller(
                self.predictor,
                settings.relabel_from,
                settings.dataset,
                spool=beside,
                alive=self._alive,
            )
        options = ShardOptions(
            dataset=settings.dataset,
            filter=settings.filter,
            chroma=settings.chroma,
            drop_missing=settings.drop_missing,
        )
        return ShardLabeller(
            self.predictor, self.decoder, options, spool=beside, downloads=spool, alive=self._alive
        )

    def _alive(self, segment: int) -> None:
        if self.run is None:
            return
        if self._at != (self._shard, segment):
            self.run.at(self._shard, segment)
            self._at = self._shard, segment
        else:
            self.run.touch(self._shard)


def load_predictor(idm: str, device: str, run: RunFolder | None = None) -> Predictor:
    """The model of this process, one thread on a CPU, so that labels do not depend on the number of cores."""
    import torch

    from ...idm.labels.predict import Predictor

    if (idm, device) not in _LOADED:
        torch.set_num_threads(1)
        _LOADED[idm, device] = Predictor.load(idm, device=_own_device(device, run), threads=1)
    return _LOADED[idm, device]


def _own_device(device: str, run: RunFolder | None) -> str:
    """One GPU a worker, where there are several and none was named."""
    import torch

    gpus = torch.cuda.device_count() if device == "auto" and torch.cuda.is_available() else 0
    return f"cuda:{run.claim(gpus)}" if gpus > 1 and run is not None else device
