"""The Beam pipeline: `ReadPlan ► Reshuffle ► LabelShards ► Commit`.

The same chain runs on this machine's worker processes and on a cluster. What travels between steps
are lists of segments, by units of consecutive shards of one source: a worker reads, decodes,
labels, writes and commits a shard in one go, so no pixel ever enters a shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics

from ..labelling.attempts import ShardOutcome
from ..labelling.tasks import Unit
from .worker import Worker, WorkerSettings


def build(pipeline: beam.Pipeline, settings: WorkerSettings) -> beam.PCollection:
    """Append the labelling job to a pipeline; gives an outcome per shard."""
    return (
        pipeline
        | "Dataset" >> beam.Create([settings.dataset.uri])
        | "ReadPlan" >> beam.FlatMap(lambda _: settings.open_units())
        | "Reshuffle" >> beam.Reshuffle()
        | "LabelShards" >> beam.ParDo(LabelShards(settings))
        | "Commit" >> beam.Map(count)
    )


class LabelShards(beam.DoFn):
    """Labels the shards of a unit and commits them, but for those that have their record by now (a
    runner's recovery repeats whole stages).
    """

    def __init__(self, settings: WorkerSettings):
        self.settings = settings

    def setup(self) -> None:
        self.worker = Worker(self.settings)

    def process(self, unit: Unit) -> Iterator[ShardOutcome]:
        for task in unit:
            yield self.worker.label(task)

    def teardown(self) -> None:
        if hasattr(self, "worker"):
            self.worker.close()


def count(outcome: ShardOutcome) -> ShardOutcome:
    """Count an outcome for the runner's own displays; what is true lies in the commit records."""
    Metrics.counter("vidact", f"shards_{outcome.status}").inc()
    Metrics.counter("vidact", "ticks").inc(outcome.ticks)
    return outcome
