"""The plan of a dataset: what every source is, and which of its ticks go into which shard.

`sources.parquet` has a row for each source ever given, `plan.parquet` a row for each segment. A plan only grows: what
is new is probed and laid out in new shards; no shard is ever renamed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..datasets.actions import ActionSpec
from ..errors import DatasetError
from ..progress import log
from .config import DecoderConfig, LayoutConfig, PlanConfig
from .layout import Planned, Segment, lay_out
from .probe import SourceRecord, fingerprint, probe_all
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
    plan = make_plan(
        config.sources,
        config.out,
        tick_hz=spec.tick_hz,
        layout=config.layout,
        workers=config.workers or cores(),
        decoder=config.decoder,
    )
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
    new_sources = [source for source in find_sources(names) if not _is_known(source, old)]
    if not new_sources and old.sources:
        return old
    probed = probe_all(new_sources, tick_hz, workers=workers, decoder=decoder or DecoderConfig())
    plan = extend(old, probed, layout, workers)
    write_plan(plan, out)
    return plan


def _is_known(source: Source, plan: Plan) -> bool:
    """Whether the source was probed before and has not changed since."""
    known = {record.uri: record for record in plan.sources}.get(source.uri)
    if known is None:
        return False
    try:
        return fingerprint(source.uri)[0] == known.fingerprint
    except OSError:
        return True  # gone for now: what is known of it stays


def extend(plan: Plan, probed: Sequence[SourceRecord], layout: LayoutConfig, workers: int) -> Plan:
    """The plan with newly probed sources: each content once, the others listed as duplicates."""
    planned = {segment.source_sha256: segment.source_uri for segment in plan.segments}
    known = {record.uri: record for record in plan.sources}
    new: list[SourceRecord] = []
    for record in sorted(probed, key=lambda record: record.uri):
        known[record.uri] = record
        if record.status != "planned":
            continue
        first = planned.setdefault(record.sha256, record.uri)
        if first != record.uri:
            known[record.uri] = replace(record, status="duplicate", reason="same_content", detail=first)
        elif not any(segment.source_sha256 == record.sha256 for segment in plan.segments):
            new.append(record)
    first_shard: dict[str, int] = {}
    for segment in plan.segments:
        first_shard[segment.split] = max(first_shard.get(segment.split, 0), int(segment.shard.rsplit("-", 1)[1]) + 1)
    segments = lay_out(
        [
            Planned(
                uri=record.uri,
                sha256=record.sha256,
                ticks=record.ticks,
                group=record.group,
                licence=record.licence,
            )
            for record in new
        ],
        layout,
        workers=workers,
        first_shard=first_shard,
    )
    sources = tuple(known[uri] for uri in sorted(known))
    return Plan(plan.tick_hz, sources, (*plan.segments, *segments))


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
        return Plan(tick_hz, (), tuple(Segment(**row) for row in segments.to_pylist()))
    return Plan(
        tick_hz,
        tuple(SourceRecord(**row) for row in sources.to_pylist()),
        tuple(Segment(**row) for row in segments.to_pylist()),
    )


def write_plan(plan: Plan, out: str) -> None:
    """Write both tables; segments first, so that a source never counts as known before it is planned."""
    metadata = {"tick_hz": str(plan.tick_hz)}
    storage.write_atomic(storage.join(out, PLAN_FILE), _parquet(plan.segments, Segment, metadata))
    storage.write_atomic(storage.join(out, SOURCES_FILE), _parquet(plan.sources, SourceRecord, metadata))


def _parquet(rows: Sequence[Row], kind: type[Row], metadata: dict[str, str]) -> bytes:
    schema = pa.schema([pa.field(f.name, ARROW_TYPES[str(f.type)]) for f in fields(kind)], metadata=metadata)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=schema), sink, compression="zstd")
    return sink.getvalue()


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
