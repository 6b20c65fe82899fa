"""The plan of a dataset: what every source is, and which of its ticks go into which shard.

`sources.parquet` has a row for each source ever given, `plan.parquet` a row for each segment. A
plan only grows: what is new is probed and laid out in new shards; no shard is ever renamed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from ...conditional_writes import ChangedMeanwhile, read_versioned, replace_if
from ...datasets.shards.commits import DeadLetter, SegmentKey, tombstone
from ...datasets.shards.dataset import Dataset
from ...errors import DatasetError
from ...progress import hours_of
from ...signed_addresses import without_keys
from .layout import Segment
from .probe import SourceRecord
from .tables import Row, rows_from_parquet, rows_to_parquet

BYTES_PER_TICK = 2_100  # a clip's share of a shard: 128 x 128 H.264 at crf 17 with its labels
USED = "free_shards"  # in the metadata of `plan.parquet`
NAMED = 20  # sources of several video tracks
PIXELS_PER_CORE_S = 230e6  # decoded and resized (1,000 frames of 640 x 360 a second and core)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan of a dataset."""

    tick_hz: Fraction
    sources: tuple[SourceRecord, ...] = ()
    segments: tuple[Segment, ...] = ()
    token: str = field(default="", compare=False)
    """Of the version of `plan.parquet` that was read; empty where there was none."""
    used: Mapping[str, int] = field(default_factory=dict, compare=False)
    """By split, the first shard number that was never given, as the table says; see
    `free_shards`.
    """

    @property
    def free_shards(self) -> dict[str, int]:
        """By split, the first shard number that was never given: names of removed shards are not
        used again, since a worker may still be at them.
        """
        free = dict(self.used)
        for shard in {segment.shard for segment in self.segments}:
            split, _, number = shard.rpartition("-")
            free[split] = max(free.get(split, 0), int(number) + 1)
        return free

    @property
    def shards(self) -> dict[str, tuple[Segment, ...]]:
        """The segments of each shard, in order."""
        found: dict[str, list[Segment]] = {}
        for segment in self.segments:
            found.setdefault(segment.shard, []).append(segment)
        return {shard: tuple(segments) for shard, segments in found.items()}

    @property
    def keys(self) -> dict[str, list[SegmentKey]]:
        """What the segments of each shard are, wherever their videos lie."""
        found: dict[str, list[SegmentKey]] = {}
        for segment in self.segments:
            found.setdefault(segment.shard, []).append(segment.key)
        return found

    @property
    def removed(self) -> set[str]:
        """The content hashes of sources that were taken out of the dataset."""
        return {record.sha256 for record in self.sources if record.status == "removed"}

    @property
    def hours(self) -> float:
        """Hours of video in the segments."""
        return float(sum(segment.ticks for segment in self.segments) / self.tick_hz / 3600)


def read_plan(dataset: Dataset) -> Plan | None:
    """The plan of a dataset, or None where it has none. Raises DatasetError where a table of it
    is damaged.
    """
    segments, metadata, token = _read_rows(dataset.plan_uri, Segment)
    if segments is None:
        return None
    try:
        tick_hz = Fraction(metadata["tick_hz"])
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise DatasetError(
            f"{dataset.plan_uri}: does not say its tick rate; put back a whole one"
        ) from error
    # Killed between the two writes, there are no sources: they are probed again.
    sources, _, _ = _read_rows(dataset.sources_uri, SourceRecord)
    used = json.loads(metadata.get(USED, "{}"))
    return Plan(tick_hz, sources or (), segments, token, used)


def read_open_shards(
    dataset: Dataset, done: Collection[str]
) -> dict[str, tuple[Segment, ...]] | None:
    """All shards of a plan in order, with the segments of those that are not done; of the others
    none, since a job of weeks has millions of them. None where there is no plan.

    Raises DatasetError where the table is damaged.
    """
    found: dict[str, list[Segment]] = {}
    known = pa.array(sorted(done), pa.string())

    def keep(batch: pa.RecordBatch) -> pa.Array:
        shards = batch.column("shard")
        for shard in shards.unique().to_pylist():
            found.setdefault(shard, [])
        return pc.invert(pc.is_in(shards, value_set=known))

    segments, _, _ = _read_rows(dataset.plan_uri, Segment, keep)
    if segments is None:
        return None
    for segment in segments:
        found[segment.shard].append(segment)
    return {shard: tuple(segments) for shard, segments in found.items()}


def _read_rows(
    uri: str, kind: type[Row], keep: Callable[[pa.RecordBatch], pa.Array] | None = None
) -> tuple[tuple[Row, ...] | None, dict[str, str], str]:
    """The rows (None where there is no table), the metadata and the version of a table."""
    data, token = read_versioned(uri)
    if data is None:
        return None, {}, token
    try:
        rows, metadata = rows_from_parquet(data, kind, keep)
    except (ValueError, TypeError) as error:  # Arrow's errors, and columns that are missing
        raise DatasetError(f"{uri}: is damaged ({error}); put back a whole one") from error
    return rows, metadata, token


def write_plan(plan: Plan, dataset: Dataset, old: Plan | None = None) -> Plan:
    """Write both tables; segments first, so that a source never counts as known before it is
    planned. Returns the plan as it was written.

    Args:
        old: what was read and is replaced; None where there was no plan.

    Raises:
        ChangedMeanwhile: the plan is not `old` any more: nothing was written.
    """
    metadata = {"tick_hz": str(plan.tick_hz)}
    numbers = {USED: json.dumps(plan.free_shards, sort_keys=True)}
    data = rows_to_parquet(plan.segments, Segment, metadata | numbers)
    token = replace_if(dataset.plan_uri, data, "" if old is None else old.token)
    before = {} if old is None else {record.uri: record for record in old.sources}
    while True:
        found, _, version = _read_rows(dataset.sources_uri, SourceRecord)
        sources = _merged(found or (), before, plan.sources)
        table = rows_to_parquet(sources, SourceRecord, metadata)
        try:
            replace_if(dataset.sources_uri, table, version)
        except ChangedMeanwhile:
            continue
        return replace(plan, sources=sources, token=token)


def _merged(
    found: Iterable[SourceRecord],
    before: Mapping[str, SourceRecord],
    after: Iterable[SourceRecord],
) -> tuple[SourceRecord, ...]:
    """The sources that were `found`, with what changed from `before` to `after`.

    Plans are written one after the other, but the table of sources comes after its plan: another
    plan's may have come in between.
    """
    now = {record.uri: record for record in after}
    removed = {record.sha256 for record in now.values() if record.status == "removed"}
    kept = {record.uri: record for record in found if record.sha256 not in removed}
    for uri in before.keys() - now.keys():
        kept.pop(uri, None)
    for uri, record in now.items():
        if uri not in kept or before.get(uri) != record:
            kept[uri] = record
    return tuple(kept[uri] for uri in sorted(kept))


def plan_dead_letters(plan: Plan) -> tuple[DeadLetter, ...]:
    """Sources, or ends of sources, that never came as far as a shard."""
    letters = []
    for record in plan.sources:
        if record.status == "removed":
            letters.append(tombstone(record.sha256))
        elif record.status == "unreadable":
            letters.append(
                DeadLetter(
                    source_uri=without_keys(record.uri),
                    stage="probe",
                    reason=record.reason,
                    detail=record.detail,
                )
            )
        elif record.lost_ticks and record.status == "planned":
            letters.append(
                DeadLetter(
                    source_uri=without_keys(record.uri),
                    source_sha256=record.sha256,
                    start_tick=record.ticks,
                    end_tick=record.ticks + record.lost_ticks,
                    stage="probe",
                    reason=record.reason,
                    detail=record.detail,
                )
            )
    return tuple(letters)


def duplicates(plan: Plan) -> dict[str, int]:
    """How many sources are left out because another is the same, by kind."""
    statuses = sorted(
        record.status for record in plan.sources if record.status in ("duplicate", "near_duplicate")
    )
    return dict(Counter(statuses))


def removed_record(sha256: str) -> SourceRecord:
    """The row of a source that was taken out of the dataset: only the hash of its content is
    left.
    """
    return SourceRecord(uri=f"removed:{sha256}", status="removed", sha256=sha256)


def without(plan: Plan, gone: Iterable[str]) -> Plan:
    """The plan with tombstones: of removed sources, and of their duplicates, only the hash is left.

    Args:
        gone: content hashes, or the URIs of sources that could not be read.
    """
    gone = set(gone)
    there = [record for record in plan.sources if record.status != "removed"]
    uris: set[str] = set()
    lost = [record for record in there if record.sha256 in gone or record.uri in gone]
    while len(lost) > len(uris):  # duplicates of duplicates too
        uris |= {record.uri for record in lost}
        shas = {record.sha256 for record in lost if record.sha256}
        lost = [
            record
            for record in there
            if record.uri in uris or record.detail in uris or record.sha256 in shas
        ]
    hashes = {one for one in gone if "/" not in one} | {r.sha256 for r in lost if r.sha256}
    kept = {record.uri: record for record in plan.sources}
    kept |= {record.uri: record for record in map(removed_record, hashes - plan.removed)}
    for record in lost:
        del kept[record.uri]
    return replace(
        plan,
        used=plan.free_shards,
        sources=tuple(kept[uri] for uri in sorted(kept)),
        segments=tuple(s for s in plan.segments if s.source_sha256 not in hashes),
    )


def licence_of(plan: Plan) -> str:
    """The licence of the whole: `other` unless all sources have the same."""
    named = {segment.licence for segment in plan.segments}
    return (named.pop() if len(named) == 1 else "") or "other"


def describe(plan: Plan) -> str:
    """The plan in a few lines: what was found, and what to expect of labelling it."""
    counts = Counter(
        f"{record.status} ({record.reason})" if record.reason else record.status
        for record in plan.sources
    )
    used = [record for record in plan.sources if record.status == "planned"]
    pixels = sum(record.frames * record.width * record.height for record in used)
    core_hours = pixels / PIXELS_PER_CORE_S / 3600
    megabytes = sum(segment.ticks for segment in plan.segments) * BYTES_PER_TICK / 1e6
    sources = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
    tracks = [f"{without_keys(r.uri)}: {r.track}.\n" for r in used if r.track]
    more = [f"{len(tracks) - NAMED:,} more have several tracks.\n"] if len(tracks) > NAMED else []
    return (
        f"Sources: {sources}.\n"
        f"{''.join([*tracks[:NAMED], *more])}"
        f"Plan: {hours_of(plan.hours)} in {len(plan.segments):,} segments and "
        f"{len(plan.shards):,} shards; about {megabytes:,.0f} MB, and "
        f"{hours_of(core_hours)} of a core for decoding."
    )
