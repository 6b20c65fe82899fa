"""The plan of a dataset: what every source is, and which of its ticks go into which shard.

`sources.parquet` has a row for each source ever given, `plan.parquet` a row for each segment. A plan only grows: what
is new is probed and laid out in new shards; no shard is ever renamed.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..datasets.actions import ActionSpec
from ..datasets.commits import DeadLetter, committed_shards
from ..errors import DatasetError
from ..progress import log
from .config import DecoderConfig, LayoutConfig, PlanConfig
from .layout import Planned, Segment, lay_out
from .near_duplicates import DIGITS, find_near_duplicates
from .probe import Prober, SourceRecord, fingerprint
from .runfolder import RunFolder
from .sources import Source, find_sources

PLAN_FILE = "plan.parquet"
SOURCES_FILE = "sources.parquet"
BYTES_PER_TICK = 2_100  # a clip's share of a shard: 128 x 128 H.264 at crf 17 with its labels
PIXELS_PER_CORE_S = 230e6  # decoded and resized (1,000 frames of 640 x 360 a second and core)

Row = TypeVar("Row", Segment, SourceRecord)
ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan of a dataset."""

    tick_hz: Fraction
    sources: tuple[SourceRecord, ...] = ()
    segments: tuple[Segment, ...] = ()

    @property
    def shards(self) -> dict[str, tuple[Segment, ...]]:
        """Segments by shard, in order."""
        found: dict[str, list[Segment]] = {}
        for segment in self.segments:
            found.setdefault(segment.shard, []).append(segment)
        return {shard: tuple(segments) for shard, segments in found.items()}

    @property
    def hours(self) -> float:
        """Hours of video in the segments."""
        return float(sum(segment.ticks for segment in self.segments) / self.tick_hz / 3600)


def run_plan(config: PlanConfig) -> int:
    """Plan and print what is to be expected."""
    spec = ActionSpec.load(config.spec)
    run = RunFolder.of(config.out)
    run.lock()  # a labelling job reads the plan
    try:
        plan = make_plan(
            config.sources,
            config.out,
            tick_hz=spec.tick_hz,
            layout=config.layout,
            workers=config.workers or cores(),
            decoder=config.decoder,
        )
    finally:
        run.release(done=True)
    log(describe(plan))
    return 0


def make_plan(
    names: Sequence[str],
    out: str,
    *,
    tick_hz: Fraction,
    layout: LayoutConfig,
    workers: int,
    decoder: DecoderConfig | None = None,
) -> Plan:
    """Make the plan of `out`, or extend it by the sources that are new, and write it.

    Raises:
        ConfigError: a source leads to nothing.
        DatasetError: the existing plan has another tick rate.
    """
    old = read_plan(out)
    if old is not None and old.tick_hz != tick_hz:
        raise DatasetError(
            f"{storage.join(out, PLAN_FILE)}: planned at {old.tick_hz} ticks a second, but now asked for {tick_hz}; "
            "use the action spec of the plan, or another --out"
        )
    old = old or Plan(tick_hz)
    known = {record.uri: record for record in old.sources}
    new_sources = [source for source in find_sources(names) if not _is_known(source, known.get(source.uri))]
    if not new_sources and old.sources:
        return old
    with Prober(tick_hz, workers=workers, decoder=decoder or DecoderConfig()) as prober:
        probed = prober.probe(new_sources)
        look = prober.look if layout.near_duplicates else None
        plan = extend(old, probed, layout, workers=workers, taken=committed_shards(out), look=look)
    write_plan(plan, out)
    return plan


def _is_known(source: Source, record: SourceRecord | None) -> bool:
    """Whether the source was probed before and has not changed since."""
    if record is None:
        return False
    try:
        return fingerprint(source.uri)[0] == record.fingerprint
    except OSError:
        return True  # gone for now: what is known of it stays


def extend(
    plan: Plan,
    probed: Sequence[SourceRecord],
    layout: LayoutConfig,
    *,
    workers: int,
    taken: Iterable[str] = (),
    look: Callable[[Sequence[SourceRecord], int], list[str]] | None = None,
) -> Plan:
    """The plan with newly probed sources: each content once, duplicates and near duplicates listed.

    Args:
        taken: names of shards that must not be used again.
        look: hashes the first pictures of sources (`Prober.look`); None leaves near duplicates in.
    """
    planned = {segment.source_sha256: segment.source_uri for segment in plan.segments}
    old = set(planned)
    known = {record.uri: record for record in plan.sources}
    new: list[SourceRecord] = []
    removed = {record.sha256 for record in plan.sources if record.status == "removed"}
    for record in sorted(probed, key=lambda record: record.uri):
        if record.sha256 in removed:
            known.pop(record.uri, None)
            continue
        known[record.uri] = record
        if record.status != "planned":
            continue
        first = planned.setdefault(record.sha256, record.uri)
        if first != record.uri:
            known[record.uri] = replace(record, status="duplicate", reason="same_content", detail=first)
        elif record.sha256 not in old:
            new.append(record)
    before = [r for r in plan.sources if r.status == "planned" and r.sha256 in old]
    new.sort(key=lambda r: (-r.frames * r.width * r.height, r.sha256))  # the best of several re-encodes is kept
    if look is not None:
        known |= {record.uri: record for record in _near_duplicates(before, new, look)}
    first_shard: dict[str, int] = {}
    for shard in {segment.shard for segment in plan.segments} | set(taken):
        split, _, number = shard.rpartition("-")
        first_shard[split] = max(first_shard.get(split, 0), int(number) + 1)
    segments = lay_out(
        [
            Planned(uri=r.uri, sha256=r.sha256, ticks=r.ticks, group=r.group, licence=r.licence)
            for r in new
            if known[r.uri].status == "planned"
        ],
        layout,
        workers=workers,
        first_shard=first_shard,
    )
    sources = tuple(known[uri] for uri in sorted(known))
    return Plan(plan.tick_hz, sources, (*plan.segments, *segments))


def _near_duplicates(
    before: Sequence[SourceRecord],
    new: Sequence[SourceRecord],
    look: Callable[[Sequence[SourceRecord], int], list[str]],
) -> Iterator[SourceRecord]:
    """The rows that change: hashes where pictures were looked at, status and original of near duplicates."""
    everyone = [*before, *new]
    hashes = {i: record.picture_hashes for i, record in enumerate(everyone) if record.picture_hashes}

    def look_at(videos: Sequence[int], pictures: int) -> dict[int, str]:
        lacking = [i for i in videos if len(hashes.get(i, "")) < pictures * DIGITS]
        seen = look([everyone[i] for i in lacking], pictures)
        hashes.update({i: text for i, text in zip(lacking, seen, strict=True) if text})
        return {i: hashes[i][: pictures * DIGITS] for i in videos if len(hashes.get(i, "")) >= pictures * DIGITS}

    same = find_near_duplicates([record.ticks for record in everyone], look_at, first_new=len(before))
    for i, text in hashes.items():
        record = replace(everyone[i], picture_hashes=text)
        if i in same:
            record = replace(record, status="near_duplicate", reason="same_pictures", detail=everyone[same[i]].uri)
        yield record


def read_plan(out: str) -> Plan | None:
    """The plan of a dataset, or None where it has none."""
    try:
        segments = pq.read_table(io.BytesIO(storage.read_bytes(storage.join(out, PLAN_FILE))))
    except FileNotFoundError:
        return None
    tick_hz = Fraction((segments.schema.metadata or {})[b"tick_hz"].decode())
    try:
        sources = pq.read_table(io.BytesIO(storage.read_bytes(storage.join(out, SOURCES_FILE))))
    except FileNotFoundError:  # killed between the two writes: the sources are probed again
        return Plan(tick_hz, (), _rows(segments, Segment))
    return Plan(tick_hz, _rows(sources, SourceRecord), _rows(segments, Segment))


def write_plan(plan: Plan, out: str) -> None:
    """Write both tables; segments first, so that a source never counts as known before it is planned."""
    metadata = {"tick_hz": str(plan.tick_hz)}
    storage.write_atomic(storage.join(out, PLAN_FILE), _parquet(plan.segments, Segment, metadata))
    storage.write_atomic(storage.join(out, SOURCES_FILE), _parquet(plan.sources, SourceRecord, metadata))


def _parquet(rows: Sequence[Row], kind: type[Row], metadata: dict[str, str]) -> bytes:
    schema = pa.schema([pa.field(f.name, ARROW_TYPES[str(f.type)]) for f in fields(kind)], metadata=metadata)
    # Column by column: a million rows as dicts would take a gigabyte.
    columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in schema]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def _rows(table: pa.Table, kind: type[Row]) -> tuple[Row, ...]:
    names = [f.name for f in fields(kind) if f.name in table.column_names]
    columns = [_values(table.column(name)) for name in names]
    return tuple(kind(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    """As Python values; equal strings are one object, since a source's URI stands in each of its segments."""
    values = column.to_pylist()
    if not pa.types.is_string(column.type):
        return values
    same: dict[str, str] = {}
    return [same.setdefault(value, value) for value in values]


def plan_dead_letters(plan: Plan) -> tuple[DeadLetter, ...]:
    """Sources, or ends of sources, that never came as far as a shard."""
    letters = []
    for record in plan.sources:
        if record.status == "removed":
            letters.append(tombstone(record.sha256))
        elif record.status == "unreadable":
            letters.append(DeadLetter(source_uri=record.uri, stage="probe", reason=record.reason, detail=record.detail))
        elif record.lost_ticks and record.status == "planned":
            letters.append(
                DeadLetter(
                    source_uri=record.uri,
                    source_sha256=record.sha256,
                    start_tick=record.ticks,
                    end_tick=record.ticks + record.lost_ticks,
                    stage="probe",
                    reason=record.reason,
                    detail=record.detail,
                )
            )
    return tuple(letters)


def removed_record(sha256: str) -> SourceRecord:
    """The row of a source that was taken out of the dataset: only the hash of its content is left."""
    return SourceRecord(uri=f"removed:{sha256}", status="removed", sha256=sha256)


def tombstone(sha256: str) -> DeadLetter:
    """The dead letter of a source that was taken out of the dataset."""
    return DeadLetter(source_uri="", source_sha256=sha256, stage="remove", reason="removed")


def licences(plan: Plan) -> tuple[str, str]:
    """The licence of the whole, `other` unless all sources have the same; and a sentence that counts them."""
    used = {segment.source_sha256 for segment in plan.segments}
    counts = Counter(record.licence or "unknown" for record in plan.sources if record.sha256 in used)
    if set(counts) <= {"unknown"}:
        return "other", ""
    listed = ", ".join(f"{licence} ({count})" for licence, count in sorted(counts.items()))
    return next(iter(counts)) if len(counts) == 1 else "other", f"Licences of the sources: {listed}."


def describe(plan: Plan) -> str:
    """The plan in a few lines: what was found, and what to expect of labelling it."""
    counts: dict[str, Any] = {}
    for record in plan.sources:
        key = record.status if not record.reason else f"{record.status} ({record.reason})"
        counts[key] = counts.get(key, 0) + 1
    used = [record for record in plan.sources if record.status == "planned"]
    pixels = sum(record.frames * record.width * record.height for record in used)
    ticks = sum(segment.ticks for segment in plan.segments)
    sources = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
    return (
        f"Sources: {sources}.\n"
        f"Plan: {plan.hours:.2f} hours in {len(plan.segments):,} segments and {len(plan.shards):,} shards; about "
        f"{ticks * BYTES_PER_TICK / 1e9:.2f} GB, and {pixels / PIXELS_PER_CORE_S / 3600:.2f} core-hours of decoding."
    )


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
