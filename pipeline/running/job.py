"""The ceremony of every job on a dataset: claim, identity, sweep, run, compact, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.info import DatasetInfo
from ...datasets.verify import check_dataset
from ...errors import CheckFailed, Interrupted
from ...progress import log, shortened
from ..config import LabelConfig, RelabelConfig
from ..labelling.source_statistics import Reference, source_statistics, write_source_statistics
from .engine import Runner, worker_count
from .identity import environment, require_identity, write_identity
from .run_folder import RunFolder
from .tracker import Tracker
from .worker import Work, WorkerSettings

SHOWN_PROBLEMS = 20
SHOWN_SHARDS = 5
SHOWN_REASONS = 20


class DatasetJob:
    """A job on a dataset; from `with` to the end of its block the only one on this machine.

    Args:
        dataset: what is worked on.
        resumable: where the job is interrupted, its run folder stays for the one that resumes it.
    """

    def __init__(self, dataset: Dataset, *, resumable: bool = False):
        self.dataset = dataset
        self.run_folder = RunFolder.of(dataset)
        self.new: list[str] = []
        """The shards that had no record yet when the job began to run."""
        self.environments: list[dict[str, Any]] = []
        """Under which versions and on which kinds of processor the dataset was labelled."""
        self._identity: Mapping[str, Any] = {}
        self._spec: ActionSpec | None = None
        self._done = not resumable

    def __enter__(self) -> DatasetJob:
        self.run_folder.lock()
        return self

    def __exit__(self, *_: object) -> None:
        self.run_folder.release(done=self._done)

    def require_identity(
        self, identity: Mapping[str, Any], spec: ActionSpec, config: LabelConfig | RelabelConfig
    ) -> None:
        """Refuse a dataset that was begun otherwise; see `identity.require_identity`. Writes
        nothing.
        """
        self._identity, self._spec = identity, spec
        self.environments = require_identity(
            self.dataset,
            identity,
            environment(config.device),
            allow_other_environment=config.allow_other_environment,
        )

    def begin(self, *, retry_quarantined: bool = False) -> None:
        """Write the identity, and clear away what an interrupted job left.

        Args:
            retry_quarantined: try the segments again that killed their worker twice.
        """
        if self._spec is None:
            raise ValueError("require_identity comes before begin")
        write_identity(self.dataset, self.run_folder, self._identity, self.environments, self._spec)
        if retry_quarantined:
            forget_quarantined(self.dataset)
            self.run_folder.forget_crashes()
        self.dataset.sweep()
        self.dataset.forget_lost()

    def run(
        self,
        config: LabelConfig | RelabelConfig,
        work: Work,
        tracker: Tracker,
        runner: Runner,
    ) -> None:
        """Do all shards that have no record yet. Raises Interrupted where some are left."""
        local = config.runner == "local"  # a cluster's workers see no folder of this machine
        settings = WorkerSettings(
            dataset=self.dataset,
            idm=config.idm,
            device=config.device,
            work=work,
            run_folder=str(self.run_folder.path) if local else "",
        )
        self.new = tracker.missing()
        if self.new:
            runner(config, settings, self.run_folder, tracker)
        self.dataset.sweep()
        if left := tracker.missing():
            raise Interrupted(_what_is_left(left, self.run_folder.deferred()))
        self._done = True

    def publish(
        self, info: DatasetInfo, reference: Reference | None = None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Compact the records into tables, and compare the sources with each other.

        Args:
            reference: what is usual in the model's training set; where it is not given, sources are
                compared only in a dataset where they were before.

        Returns:
            The content of `dataset.json`, and the rows of the sources' statistics.
        """
        content = self.dataset.compact(info)
        if reference is None and not storage.exists(self.dataset.source_statistics_uri):
            return content, []
        records = self.dataset.commits()
        rows = source_statistics(records, info.spec, reference or Reference())
        write_source_statistics(self.dataset, rows, info.spec)
        return content, rows

    def verify(self, config: LabelConfig | RelabelConfig) -> None:
        """Read back what is new, unless that is not wanted. Raises CheckFailed."""
        if not config.verify or not self.new:
            return
        report = check_dataset(self.dataset, threads=worker_count(config), shards=self.new)
        if report.problems:
            shown = "\n".join(f"  {problem}" for problem in report.problems[:SHOWN_PROBLEMS])
            raise CheckFailed(f"{self.dataset}: {len(report.problems)} problems:\n{shown}")
        log(f"{self.dataset}: verified {report.counted}.")


def forget_quarantined(dataset: Dataset) -> None:
    """Take back the records of shards with quarantined segments, so that they are tried again."""
    for record in dataset.commits():
        if any(letter.reason == "killed_worker" for letter in record.dead_letters):
            dataset.forget_commit(record.shard)


def _what_is_left(shards: Sequence[str], waits: Mapping[str, str]) -> str:
    count = f"{len(shards)} shards are still to be done ({shortened(shards, SHOWN_SHARDS)})"
    reasons = sorted({waits[shard] for shard in shards if shard in waits})
    if not reasons:
        return f"{count}; run again"
    listed = "\n".join(f"  {reason}" for reason in reasons[:SHOWN_REASONS])
    return (
        f"{count}.\n{listed}\n"
        "Put the sources back and run again, or let them go with --drop-missing."
    )
