"""Probing through Beam: `Create ► Reshuffle ► LookAtSources`; what comes out are rows of
`sources.parquet`.

Sources travel in small batches. A worker puts the rows of a batch into `_probes/` of the dataset
before it takes the next one, so a plan of thousands of hours that is interrupted resumes where it
was, and the machine that plans reads what others probed. The folder is gone when the plan is
written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner

from ... import storage
from ...datasets.shards.dataset import Dataset
from ...datasets.video.config import DecoderConfig
from ...datasets.video.sandbox import open_decoder
from ...progress import Progress
from ..gathering import note_raised, require_not_stopped, run_stage
from .marks import marks_of
from .near_duplicates import DIGITS, FRAME
from .probe import SourceRecord, hash_source, probe_source
from .sources import Source

MAX_BATCH = 32  # sources: what an interruption costs each worker
# At least: so one with long videos does not hold up the others for long.
MIN_BATCHES_PER_WORKER = 8
FEW = 64  # sources: fewer are probed on this machine, since a job on a cluster takes 20 s to start
READERS = 16  # rows are small and buckets slow to answer


@dataclass(frozen=True, kw_only=True, slots=True)
class LookSettings:
    """What a worker needs to look at sources."""

    dataset: Dataset
    tick_hz: Fraction
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    pictures: int = 0
    """0: probe; else hash this many pictures of what was probed."""

    @property
    def suffix(self) -> str:
        """The end of the names of rows: their ticks are counted at this rate."""
        return f".{self.tick_hz.numerator}-{self.tick_hz.denominator}hz.json"


Item = Source | SourceRecord


class LookAtSources(beam.DoFn):
    """Probes the sources of a batch, or hashes pictures of them, and writes their rows."""

    def __init__(self, settings: LookSettings):
        self.settings = settings

    def setup(self) -> None:
        self.decoder = open_decoder(self.settings.decoder, FRAME)

    def process(self, batch: tuple[Item, ...]) -> Iterator[int]:
        rows = []
        for item in batch:
            require_not_stopped()
            try:
                rows.append(self._look(item))
            except Exception as error:
                note_raised(error)
                raise
        data = json.dumps([asdict(row) for row in rows]).encode()
        name = f"{hashlib.sha256(data).hexdigest()[:32]}{self.settings.suffix}"
        storage.write_atomic(self.settings.dataset.probe_uri(name), data)
        yield len(rows)

    def teardown(self) -> None:
        if hasattr(self, "decoder"):
            self.decoder.close()

    def _look(self, item: Item) -> SourceRecord:
        if isinstance(item, Source):
            return probe_source(item, self.settings.tick_hz, self.decoder)
        hashes = hash_source(item, self.settings.tick_hz, self.settings.pictures, self.decoder)
        return replace(item, picture_hashes=hashes)


class Prober:
    """Looks at sources in parallel.

    Args:
        dataset: where rows are kept until the plan is written.
        workers: on this machine.
        runner: `local`, or the name of a portable runner, which is used for more than `FEW`
        sources.
        options: of that runner.
    """

    def __init__(
        self,
        dataset: Dataset,
        tick_hz: Fraction,
        *,
        workers: int,
        decoder: DecoderConfig,
        runner: str = "local",
        options: Sequence[str] = (),
    ):
        self.settings = LookSettings(dataset=dataset, tick_hz=tick_hz, decoder=decoder)
        self.workers, self.runner, self.options = max(workers, 1), runner, tuple(options)
        self._read: set[str] = set()
        self._rows: dict[str, dict[str, SourceRecord]] = {}  # by URI, then by fingerprint

    def probe(self, sources: Sequence[Source]) -> list[SourceRecord]:
        """Probe what is not known yet; returns rows in the order of `sources`."""
        self._gather()
        marks = {source.uri: source.mark or None for source in sources}
        marks |= marks_of(s.uri for s in sources if s.uri in self._rows and not s.mark)
        new = [source for source in sources if not self._row(source, marks.get(source.uri))]
        while new:
            self._run("Probing", self.settings, new)
            # Another planner may have cleared rows away before they were read here.
            new = [source for source in new if source.uri not in self._rows]
        rows = []
        for source in sources:
            row = self._row(source, marks.get(source.uri)) or next(
                reversed(self._rows[source.uri].values())
            )
            rows.append(replace(row, group=source.group, licence=source.licence, picture_hashes=""))
        return rows

    def look(self, records: Sequence[SourceRecord], pictures: int) -> list[str]:
        """Hash pictures; returns hashes in the order of `records`, empty for unreadable videos."""
        self._gather()
        new = [record for record in records if len(self._hashes(record)) < pictures * DIGITS]
        self._run("Looking for re-encodes", replace(self.settings, pictures=pictures), new)
        return [self._hashes(record)[: pictures * DIGITS] for record in records]

    def forget(self) -> None:
        """Remove the rows that were read: the plan has them. Others are another planner's, but
        for those of another tick rate, which this plan cannot have.
        """
        names = self.settings.dataset.probes()
        suffix = self.settings.suffix
        self.settings.dataset.forget_probes(
            [name for name in names if name in self._read or not name.endswith(suffix)]
        )

    def _run(self, title: str, settings: LookSettings, items: Sequence[Item]) -> None:
        if not items:
            return
        size = min(max(len(items) // (MIN_BATCHES_PER_WORKER * self.workers), 1), MAX_BATCH)
        batches = [tuple(items[i : i + size]) for i in range(0, len(items), size)]
        pipeline = self._pipeline(len(items), min(self.workers, len(batches)))
        build(pipeline, batches, settings)
        progress = Progress(title, total=len(items), unit="videos")
        run_stage(pipeline, progress, self._gather, on_cluster=self._on_cluster(len(items)))

    def _on_cluster(self, items: int) -> bool:
        return self.runner != "local" and items > FEW

    def _pipeline(self, items: int, workers: int) -> beam.Pipeline:
        if self._on_cluster(items):
            return beam.Pipeline(
                options=PipelineOptions([f"--runner={self.runner}", *self.options])
            )
        # Threads are enough: reading, demuxing and waiting for a decoder child leave Python's lock.
        mode = "in_memory" if workers == 1 else "multi_threading"
        options = PipelineOptions(
            [f"--direct_running_mode={mode}", f"--direct_num_workers={workers}"]
        )
        return beam.Pipeline(runner=fn_runner.FnApiRunner(), options=options)

    def _gather(self) -> int:
        """Read what was written since the last time; returns the number of rows."""
        names = self.settings.dataset.probes(self.settings.suffix)
        new = [name for name in names if name not in self._read]
        self._read.update(new)
        count = 0
        with ThreadPoolExecutor(READERS) as pool:
            for data in pool.map(_read_rows, new):
                for row in json.loads(data):
                    self._keep(SourceRecord(**row))
                    count += 1
        return count

    def _keep(self, row: SourceRecord) -> None:
        known = self._rows.setdefault(row.uri, {})
        before = known.get(row.fingerprint)
        if before is None or len(before.picture_hashes) <= len(row.picture_hashes):
            known[row.fingerprint] = row

    def _row(self, source: Source, mark: str | None) -> SourceRecord | None:
        """What was found out about the file as it is now."""
        return self._rows.get(source.uri, {}).get(mark) if mark else None

    def _hashes(self, record: SourceRecord) -> str:
        row = self._rows.get(record.uri, {}).get(record.fingerprint)
        return max(record.picture_hashes, "" if row is None else row.picture_hashes, key=len)


def _read_rows(uri: str) -> bytes:
    """The rows of a batch; none where another planner has cleared them away."""
    try:
        return storage.read_bytes(uri)
    except FileNotFoundError:
        return b"[]"


def build(
    pipeline: beam.Pipeline, batches: Sequence[tuple[Item, ...]], settings: LookSettings
) -> beam.PCollection:
    """Append the looking at sources to a pipeline; gives the number of rows of each batch."""
    return (
        pipeline
        | "Sources" >> beam.Create(batches)
        | "Reshuffle" >> beam.Reshuffle()
        | "LookAtSources" >> beam.ParDo(LookAtSources(settings))
    )
