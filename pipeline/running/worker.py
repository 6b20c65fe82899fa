"""What one process of a job does: it opens a labeller once, and labels shard after shard."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from ...attempts import this_process
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.stats import write_stats
from ...errors import ConfigError, VidactError
from ...storage_failures import in_words, mistake, pauses, storage_failure
from ..labelling.attempts import ShardOutcome
from ..labelling.labeller import LabelWork
from ..labelling.reading import wait_alive
from ..labelling.relabeller import RelabelWork
from ..labelling.tasks import ShardTask, Unit, units_of
from .draining import DRAIN, wait_for_exit
from .environment import environment
from .run_folder import RunFolder, claim_gpu, scratch_folder
from .shared_run import SharedRun

if TYPE_CHECKING:  # torch is for workers; the driver does without
    from ...idm.labels.predict import Predictor

Work = LabelWork | RelabelWork

# Shards in a row that a worker gives up because of storage: then it is not the shards, and the
# supervisor pauses the whole job.
MAX_GIVEN_UP = 3
# Units a worker, where there are shards enough: the more, the better the balance at the end; the
# fewer, the fewer workers fetch the same source.
LOCAL_UNITS = 32
CLUSTER_UNITS = 2
STORAGE_FAILED = "storage failed"  # how a shard begins to say why it waits

log = logging.getLogger(__name__)

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
    scratch: str = ""
    """A folder on each worker's machine for sources that are fetched and unfinished shards of a
    dataset that is not local; the system's folder of temporary files where it is empty.
    """
    workers: int = 1
    """How many there are, as far as is known."""

    def to_json(self) -> str:
        """The settings as JSON."""
        return TypeAdapter(WorkerSettings).dump_json(self, indent=1).decode()

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """The settings that `to_json` wrote."""
        return TypeAdapter(cls).validate_json(text)

    environment: dict[str, Any] = field(default_factory=dict)
    """What the bytes depend on beside input and options, as `environment` said where the job was
    begun; empty for not to look.
    """
    any_environment: bool = False
    """Whether workers may have other versions."""

    def open_run(self) -> RunFolder | SharedRun:
        """Where workers tell what they are at: the run folder, on a cluster the dataset."""
        return RunFolder(Path(self.run_folder)) if self.run_folder else SharedRun(self.dataset)

    def open_tasks(self) -> Iterator[ShardTask]:
        """The shards that have no record yet, in order."""
        run = self.open_run()
        quarantined = run.quarantined() if isinstance(run, RunFolder) else {}
        return self.work.open_tasks(self.dataset, quarantined)

    def open_units(self) -> list[Unit]:
        """Those shards, as they are handed out to workers.

        On one machine the workers share what they fetch, and Beam's runner deals units in turn:
        there balance counts more, and each worker's next unit is known.
        """
        tasks = list(self.open_tasks())
        if self.run_folder:
            return units_of(tasks, most=LOCAL_UNITS * self.workers, ahead=self.workers)
        return units_of(tasks, most=CLUSTER_UNITS * self.workers)

    def spool(self) -> Path:
        """The worker's folder for what need not outlive the job."""
        run = self.open_run()
        return (
            run.spool if isinstance(run, RunFolder) else scratch_folder(self.dataset, self.scratch)
        )


class Worker:
    """What a process needs to label shards: model, decoder, run folder. Made inside the
    process, never sent to it.
    """

    def __init__(self, settings: WorkerSettings):
        self.settings, self.run = settings, settings.open_run()
        self.environment = environment(settings.device)
        if not settings.any_environment:
            require_same_environment(settings.environment, self.environment)
        self.labeller = settings.work.open_labeller(
            load_predictor(settings.idm, settings.device),
            settings.dataset,
            scratch=settings.spool(),
            alive=self._alive,
        )
        self._at: tuple[str, int] | None = None
        self._shard = ""
        self._given_up = 0  # shards in a row, because of storage

    def label(self, task: ShardTask) -> ShardOutcome:
        """Label one shard, telling the supervisor where it is.

        Where storage fails the shard is tried again after a while, and then waits for the next run.

        Raises:
            ConfigError: a store refuses for a reason that waiting does not mend.
            Exception: storage failed for one shard after another, or a defect.
        """
        if DRAIN.asked.is_set():
            wait_for_exit()
        if self.run.is_draining:
            return ShardOutcome(task.shard, "waiting")
        with DRAIN.working(lambda: self.run.mark_done(task.shard)):
            return self._label(task)

    def _label(self, task: ShardTask) -> ShardOutcome:
        self._shard, self._at = task.shard, None
        if isinstance(self.run, SharedRun):
            task = replace(task, quarantined=self.run.begin(task.shard))
        outcome = self._label_patiently(task)
        self.run.mark_done(task.shard)
        if outcome.status == "waiting":
            self.run.defer(task.shard, outcome.detail)
        if outcome.status == "labelled":
            self._write_stats(outcome)
        if outcome.detail:
            log.warning("shard %s: %s", task.shard, outcome.detail)
        return outcome

    def close(self) -> None:
        """Stop the decoder."""
        self.labeller.close()

    def _label_patiently(self, task: ShardTask) -> ShardOutcome:
        left = pauses()
        while True:
            try:
                outcome = self.labeller.label(task)
                self._given_up = 0
                return outcome
            except Exception as error:
                kind = "" if isinstance(error, VidactError) else storage_failure(error)
                if kind == "mistake":
                    raise mistake(error) from error
                if not kind:
                    raise
                said = f"{STORAGE_FAILED} ({in_words(error)})"
                pause_s = next(left, None)
                if pause_s is None:
                    self._given_up += 1
                    if self._given_up == MAX_GIVEN_UP:
                        raise
                    return ShardOutcome(task.shard, "waiting", said)
                log.warning("shard %s: %s; again in %.0f s", task.shard, said, pause_s)
                wait_alive(pause_s, lambda: self.run.touch(self._shard))

    def _write_stats(self, outcome: ShardOutcome) -> None:
        """Say how the shard was made. That is for people: where it fails nothing is lost."""
        times = self.labeller.times
        content = {
            "worker": this_process(),
            "environment": self.environment,
            "ended_s": round(time.time(), 3),
            "wall_s": round(times.wall_s, 3),
            "seconds": {stage: round(spent, 3) for stage, spent in times.seconds.items()},
            "ticks": outcome.ticks,
        }
        try:
            write_stats(self.settings.dataset, outcome.shard, content)
        except Exception as error:
            if not storage_failure(error):
                raise
            log.warning("shard %s: its stats were not written: %s", outcome.shard, error)

    def _alive(self, segment: int) -> None:
        if self._at != (self._shard, segment):
            self.run.mark_started(self._shard, segment)
            self._at = self._shard, segment
        else:
            self.run.touch(self._shard)


def require_same_environment(wanted: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse to work under other versions than those under which the job was begun. The kind of
    processor may differ from that of the machine which began it, and is told by the stats.

    Raises:
        ConfigError: a version differs.
    """
    for name in wanted.keys() - {"processor"}:
        if here.get(name) != wanted[name]:
            raise ConfigError(
                f"the worker on {socket.gethostname()} has {name} {here.get(name)!r}, where the "
                f"job was begun it is {wanted[name]!r}; the bytes of its shards may differ. Give "
                "the workers the same, or allow it with --allow-other-environment (it is recorded)"
            )


def load_predictor(idm: str, device: str) -> Predictor:
    """The model of this process, one thread on a CPU, so that labels do not depend on the
    number of cores.
    """
    import torch

    from ...idm.labels.predict import Predictor

    if (idm, device) not in _LOADED:
        torch.set_num_threads(1)
        _LOADED[idm, device] = Predictor.load(idm, device=own_device(device), threads=1)
    return _LOADED[idm, device]


def own_device(device: str, gpus: int | None = None) -> str:
    """One GPU per worker, where there are several and none was named. All workers of this machine,
    of whichever job, share its GPUs.

    Args:
        gpus: how many there are; torch's count unless given.
    """
    if gpus is None:
        import torch

        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device != "auto" or gpus < 2:
        return device
    return f"cuda:{claim_gpu(gpus)}"
