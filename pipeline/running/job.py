"""The ceremony of every job on a dataset: claim, identity, sweep, run, compact, verify."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from contextlib import ExitStack
from typing import Any

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.check_log import CheckLog
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.dataset_checks import check_dataset
from ...datasets.shards.foreign import forget_foreign
from ...datasets.shards.info import DatasetInfo
from ...datasets.shards.inventory import Inventory
from ...datasets.shards.lost import forget_lost
from ...datasets.shards.stats import summed_stats
from ...errors import CheckFailed, Interrupted
from ...machine import cores, share_heaps, speak_directly
from ...progress import log, shortened
from ..config import LabelConfig, RelabelConfig
from ..labelling.reading import UNREACHABLE
from ..labelling.source_statistics import Reference, source_statistics, write_source_statistics
from ..planning.plan import Plan
from .engine import Runner, worker_count
from .environment import environment
from .identity import require_identity, write_identity
from .run_folder import RunFolder
from .shared_run import SharedRun
from .takedown import finish_takedowns
from .tracker import Tracker
from .unverified import forget_unverified, note_unverified, unverified
from .worker import STORAGE_FAILED, Work, WorkerSettings

SHOWN_PROBLEMS = 20
SHOWN_SHARDS = 5
SHOWN_REASONS = 20


class DatasetJob:
    """A job on a dataset; from `with` to the end of its block the only one on this machine.

    Args:
        dataset: what is worked on.
        resumable: where the job is interrupted, its run folder stays for the one that resumes it.
        scratch: the folder for downloads and unfinished shards; a temporary one unless given.
        part: `I/N` where the job does a part of a plan, beside others on this machine.
    """

    def __init__(
        self, dataset: Dataset, *, resumable: bool = False, scratch: str = "", part: str = ""
    ):
        self.dataset, self.part = dataset, part
        self.run_folder = RunFolder.of(dataset, scratch=scratch, part=part)
        self.environments: list[dict[str, Any]] = []
        """Under which versions and on which kinds of processor the dataset was labelled."""
        self._identity: Mapping[str, Any] = {}
        self._spec: ActionSpec | None = None
        self._done = not resumable

    def __enter__(self) -> DatasetJob:
        self.run_folder.lock()
        share_heaps()
        speak_directly()  # Beam's processes call each other, before that any proxy would be asked
        return self

    def __exit__(self, *_: object) -> None:
        self.run_folder.release(done=self._done)

    def require_identity(
        self,
        identity: Mapping[str, Any],
        spec: ActionSpec,
        config: LabelConfig | RelabelConfig,
        *,
        begun: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse a dataset that was begun otherwise; see `identity.require_identity`. Writes
        nothing.

        Args:
            begun: what the dataset may have been begun with instead, which this job changes.
        """
        self._identity, self._spec = identity, spec
        self.environments = require_identity(
            self.dataset,
            begun or identity,
            environment(config.device),
            allow_other_environment=config.allow_other_environment,
            any_processor=config.runner != "local",
        )

    def begin(self, retry: Collection[str] = (), plan: Plan | None = None) -> Inventory:
        """Write the identity, and clear away what an interrupted job left.

        Args:
            retry: reasons of dead letters whose segments are to be tried again.
            plan: what is to be made: only in its shards dead letters are tried again, and shards
                of other segments than it says are made again. In all, and none, unless given.

        Returns:
            What the dataset holds now.
        """
        if self._spec is None:
            raise ValueError("require_identity comes before begin")
        write_identity(self.dataset, self.run_folder, self._identity, self.environments, self._spec)
        # Once for all steps that follow, and after the plan was written; see `Inventory`.
        found = Inventory(self.dataset)
        # What was done has no strikes left: where its record is taken back, it begins anew.
        self.run_folder.forget_crashes(found.committed)
        if retry:
            self.run_folder.forget_crashes()
            SharedRun(self.dataset).forget_crashes()
        keys = None if plan is None else plan.keys
        some = [shard for shard in found.committed if keys is None or shard in keys]
        forget_dead_letters(found, {*retry, UNREACHABLE}, some)
        self.dataset.sweep()
        forget_lost(found)
        finish_takedowns(found)
        if keys is not None:
            forget_foreign(found, keys)
        return found

    def run(
        self,
        config: LabelConfig | RelabelConfig,
        work: Work,
        tracker: Tracker,
        runner: Runner,
        plan: Plan | None = None,
    ) -> None:
        """Do all shards that have no record yet. Raises Interrupted where some are left.

        Args:
            plan: as for `begin`: what a worker of another plan has committed under one of its names
                since then is left too.
        """
        local = config.runner == "local"  # a cluster's workers see no folder of this machine
        settings = WorkerSettings(
            dataset=self.dataset,
            idm=config.idm,
            device=config.device,
            work=work,
            run_folder=str(self.run_folder.path) if local else "",
            scratch=config.scratch,
            workers=worker_count(config),
            environment={} if local else environment(config.device),
            any_environment=config.allow_other_environment,
        )
        if missing := tracker.missing():
            if config.verify:
                note_unverified(self.dataset, missing)
            if not local:
                SharedRun(self.dataset).clear_waiting()
            runner(config, settings, self.run_folder, tracker)
            found = tracker.look()
            if plan is not None:
                forget_foreign(found, plan.keys)
        self.dataset.sweep()
        shared = SharedRun(self.dataset)
        if left := tracker.missing():
            waits = self.run_folder.deferred() if local else shared.deferred()
            raise Interrupted(_what_is_left(left, waits))
        if not local:
            shared.clear()
            self._note_environments()
        self._done = True

    def _note_environments(self) -> None:
        """Add the environments of a cluster's workers to those of the dataset."""
        for one in summed_stats(self.dataset)["environments"]:
            del one["shards"]
            if one and one not in self.environments:
                self.environments.append(one)

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

    def require_few_errors(self, config: LabelConfig | RelabelConfig, tracker: Tracker) -> None:
        """Raise CheckFailed where more failed with an error of the program than is allowed."""
        tracker.state()
        if error := tracker.too_many_errors(config.max_failed_share, fewest=1):
            raise error

    def verify(self, config: LabelConfig | RelabelConfig) -> None:
        """Read back what is new, and what earlier jobs did not come to, unless that is not wanted:
        by the cluster's workers, where they have made it. Raises CheckFailed.
        """
        # What another job has listed, but not made yet, that one verifies.
        committed = set(self.dataset.committed_shards()) if config.verify else set()
        if not (shards := [s for s in unverified(self.dataset) if s in committed]):
            return
        local, log_file = config.runner == "local", CheckLog("", decode=True)
        with ExitStack() as stack:
            if not local:
                from .checks import checked_on_runner  # loads Beam

                stack.enter_context(
                    checked_on_runner(
                        self.dataset,
                        shards,
                        log_file,
                        runner=config.runner,
                        options=config.beam_options,
                    )
                )
            # A cluster may have more workers than this machine can have threads.
            threads = worker_count(config) if local else cores()
            report = check_dataset(self.dataset, threads=threads, shards=shards, log_file=log_file)
        if report.problems:
            shown = "\n".join(f"  {problem}" for problem in report.problems[:SHOWN_PROBLEMS])
            raise CheckFailed(f"{self.dataset}: {len(report.problems)} problems:\n{shown}")
        forget_unverified(self.dataset, shards)
        log(f"{self.dataset}: verified {report.counted}.")


def forget_dead_letters(found: Inventory, reasons: Set[str], shards: Sequence[str]) -> None:
    """Take back the records of shards with dead letters of these reasons, so that they are tried
    again.

    Args:
        shards: those that are looked at.
    """
    summaries = found.read_summaries(shards)
    found.forget([s for s, one in summaries if not reasons.isdisjoint(one["dead_letters"])])


def _what_is_left(shards: Sequence[str], waits: Mapping[str, str]) -> str:
    count = f"{len(shards)} shards are still to be done ({shortened(shards, SHOWN_SHARDS)})"
    reasons = sorted({waits[shard] for shard in shards if shard in waits})
    if not reasons:
        return f"{count}; run again"
    listed = "\n".join(f"  {reason}" for reason in reasons[:SHOWN_REASONS])
    if all(reason.startswith(STORAGE_FAILED) for reason in reasons):
        return f"{count}.\n{listed}\nRun again when the storage is back."
    return (
        f"{count}.\n{listed}\n"
        "Put the sources back and run again, or let them go with --drop-missing."
    )
