"""Checking shards through Beam: `Shards ► Reshuffle ► CheckShards`, for datasets that one machine
would read for days.

A worker puts what it found in a shard's tar into `_checks/<shard>.json`, and the process that asked
takes it into its log of checks. So a check that was stopped goes on where it was; the folder is
gone when it has ended.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from ... import storage
from ...datasets.shards.check_log import CheckLog, digest, finding
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.shard_checks import shard_problems
from ...errors import VidactError
from ...progress import Progress
from ...storage_failures import patiently, storage_failure
from ..gathering import note_raised, require_not_stopped, run_stage
from .cluster_jobs import forget_job, job_to_submit, note_job, options_for, wait_for_running

CHECKS = "_checks"
READERS = 16  # findings are small and buckets slow to answer
# Findings of a check that was stopped count for a day: a tar may be damaged after it was read.
FRESH_S = 24 * 3600.0

log = logging.getLogger(__name__)


class CheckShards(beam.DoFn):
    """Reads shards from end to end, and writes what it found.

    Args:
        dataset: whose shards they are.
        decode: decode every frame too.
    """

    def __init__(self, dataset: Dataset, *, decode: bool):
        self.dataset, self.decode = dataset, decode

    def setup(self) -> None:
        self.spec = self.dataset.spec()

    def process(self, element: tuple[str, str]) -> Iterator[str]:
        """Check a shard, given with the hash of its tar that was checked before."""
        require_not_stopped()
        shard, known = element
        try:
            if (found := patiently(lambda: self._check(shard, known))) is not None:
                data = json.dumps(found).encode()
                uri = storage.join(self.dataset, CHECKS, f"{shard}.json")
                patiently(lambda: storage.write_atomic(uri, data))
        except Exception as error:
            if not (isinstance(error, VidactError | FileNotFoundError) or storage_failure(error)):
                note_raised(error)
                raise
            # Who asked meets it too, and says it as it says all else.
            log.warning("%s was not checked: %s", shard, error)
        yield shard

    def _check(self, shard: str, known: str) -> dict[str, Any] | None:
        record = self.dataset.read_commit(shard)
        if record.tar is None or digest(record) == known:
            return None
        problems = list(shard_problems(self.dataset, record, self.spec, decode=self.decode))
        return finding(record, problems, decode=self.decode)


@contextmanager
def checked_on_runner(
    dataset: Dataset,
    shards: Sequence[str],
    log_file: CheckLog,
    *,
    runner: str,
    options: Sequence[str] = (),
) -> Iterator[None]:
    """Have the workers of a portable runner check shards; for the block, the log has what they
    found. Where the block ends well the findings are forgotten.

    What a worker could not check is not in the log. A check of the dataset that runs there already,
    submitted by a command that was stopped, is waited for first.

    Args:
        shards: by name.
        log_file: what is in it already is not read again.
        runner: its name.
        options: of that runner.
    """
    findings = _Findings(dataset, log_file)
    wait_for_running(dataset, work="verify")
    findings.gather()
    known = log_file.digests()
    job = job_to_submit(dataset, runner, options, "verify")
    pipeline = beam.Pipeline(options=PipelineOptions(options_for(job, options)))
    elements = [(shard, known.get(shard, "")) for shard in shards]
    build(pipeline, elements, CheckShards(dataset, decode=log_file.decode))
    progress = Progress("Checking shards", total=len(elements), unit="shards")
    progress.resume_at(len(known.keys() & set(shards)))
    run_stage(
        pipeline,
        progress,
        findings.gather,
        on_cluster=True,
        submitted=lambda result: note_job(dataset, job, result),
    )
    forget_job(dataset, "verify")
    yield
    findings.forget()


def build(
    pipeline: beam.Pipeline, elements: Sequence[tuple[str, str]], check: CheckShards
) -> beam.PCollection:
    """Append the check to a pipeline; gives the name of each shard."""
    return (
        pipeline
        | "Shards" >> beam.Create(elements)
        | "Reshuffle" >> beam.Reshuffle()
        | "CheckShards" >> beam.ParDo(check)
    )


class _Findings:
    """What workers found, as files in the dataset."""

    def __init__(self, dataset: Dataset, log_file: CheckLog):
        self._folder = storage.join(dataset, CHECKS)
        self._log_file = log_file
        self._read: dict[str, float] = {}  # by URI: when it was written

    def gather(self) -> int:
        """Take what has come since the last time into the log; returns how many shards that are."""
        now = time.time()
        times = storage.modified_times(self._folder, ".json")
        new = [uri for uri, at in times.items() if at != self._read.get(uri)]
        self._read.update(times)
        fresh = [uri for uri in new if not now - times[uri] > FRESH_S]  # of nan too
        with ThreadPoolExecutor(READERS) as pool:
            for data in pool.map(storage.read_bytes, fresh):
                self._log_file.take(json.loads(data))
        return len(fresh)

    def forget(self) -> None:
        """Remove what was read."""
        for uri in self._read:
            storage.remove(uri)
        storage.remove_abandoned(self._folder)  # of workers that were killed while they wrote
        storage.remove_if_empty(self._folder)
