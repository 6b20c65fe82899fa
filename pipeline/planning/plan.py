"""The plan of a dataset: what every source is, and which of its ticks go into which shard.

`sources.parquet` has a row for each source ever given, `plan.parquet` a row for each segment. A plan only grows: what
is new is probed and laid out in new shards; no shard is ever renamed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...datasets.config import DecoderConfig
from ...datasets.shards.commits import (
    PLAN_FILE,
    DeadLetter,
    committed_shards,
    require_own_folder,
    split_of_shard,
    tombstone,
)
from ...datasets.shards.manifest import removed_sources
from ...errors import DatasetError
from ...machine import cores
from ...progress import log
from ...storage_failures import interrupted_by_storage
from ..config import LayoutConfig, PlanConfig
from ..run_folder import RunFolder
from .layout import Planned, Segment, lay_out
from .near_duplicates import DIGITS, find_near_duplicates
from .probe import SourceRecord, fingerprint
from .sources import Source, find_sources
from .tables import Row, rows_from_parquet, rows_to_parquet

if TYPE_CHECKING:
    from .prober import Prober

SOURCES_FILE = "sources.parquet"
# Why a source could not be read, where that may have changed though its bytes have not: rights, limits, disks.
PASSING = {
    "no_permission",
    "not_found",
    "cannot_open",
    "too_large",
    "memory_limit",
    "decoder_hung",
    "decoder_crashed",
}
BYTES_PER_TICK = 2_100  # a clip's share of a shard: 128 x 128 H.264 at crf 17 with its labels
PIXELS_PER_CORE_S = 230e6  # decoded and resized (1,000 frames of 640 x 360 a second and core)


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


@interrupted_by_storage()
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
            runner=config.runner,
            beam_options=config.beam_options,
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
    runner: str = "local",
    beam_options: Sequence[str] = (),
) -> Plan:
    """Make the plan of `out`, or extend it by the sources that are new, and write it.

    Args:
        runner: Beam's runner for probing, with its `beam_options`; see `probing.py`.

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
    if old is None and committed_shards(out):
        raise DatasetError(
            f"{out}: has shards, but {PLAN_FILE} is gone: what they hold would be planned and labelled again; "
            f"put it and {SOURCES_FILE} back, or use another --out"
        )
    require_own_folder(out)
    old = old or Plan(tick_hz)
    stones = {record.sha256 for record in old.sources if record.status == "removed"}
    lost = map(
        removed_record, sorted(set(removed_sources(out)) - stones)
    )  # the table of sources may be gone
    old = replace(old, sources=(*old.sources, *lost))
    known = {record.uri: record for record in old.sources}
    new_sources = [
        source for source in find_sources(names) if not _is_known(source, known.get(source.uri))
    ]
    if not new_sources and old.sources:
        return old
    if (folder := storage.local_path(out)) is not None:
        folder.mkdir(
            parents=True, exist_ok=True
        )  # where that fails, here it is one line, in Beam a traceback
    prober = _prober_class()(
        out,
        tick_hz,
        workers=workers,
        decoder=decoder or DecoderConfig(),
        runner=runner,
        options=beam_options,
    )
    probed = prober.probe(new_sources)
    look = prober.look if layout.near_duplicates else None
    plan = extend(old, probed, layout, workers=workers, taken=committed_shards(out), look=look)
    before = {(segment.source_uri, segment.source_sha256) for segment in old.segments}
    laid_out = {(segment.source_uri, segment.source_sha256) for segment in plan.segments}
    for uri in sorted({uri for uri, _ in before} & {uri for uri, _ in laid_out - before}):
        log(
            f"{uri} has changed since it was planned: what it was stays beside what it is now, in the same split"
        )
    write_plan(plan, out)
    prober.forget()
    return plan


def _prober_class() -> type[Prober]:
    """Beam is for those who plan, not for those who read a plan; what it warns of when it is imported is for nobody."""
    logging.disable(logging.WARNING)
    try:
        from .prober import Prober
    finally:
        logging.disable(logging.NOTSET)
    return Prober


def _is_known(source: Source, record: SourceRecord | None) -> bool:
    """Whether the source was probed before and has not changed since, nor what kept it from being read."""
    if record is None or record.reason in PASSING:
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
            known[record.uri] = replace(
                record, status="duplicate", reason="same_content", detail=first
            )
        elif record.sha256 not in old:
            new.append(record)
    again = {record.uri for record in probed}  # what lies there now is not what was planned
    before = [
        r for r in plan.sources if r.status == "planned" and r.sha256 in old and r.uri not in again
    ]
    new.sort(
        key=lambda r: (-r.frames * r.width * r.height, r.sha256)
    )  # the best of several re-encodes is kept
    if look is not None:
        known |= {record.uri: record for record in _near_duplicates(before, new, look)}
    split_by_group = {segment.group: segment.split for segment in plan.segments if segment.group}
    split_by_uri = {segment.source_uri: segment.split for segment in plan.segments}
    first_shard: dict[str, int] = {}
    for shard in {segment.shard for segment in plan.segments} | set(taken):
        split = split_of_shard(shard)
        first_shard[split] = max(
            first_shard.get(split, 0), int(shard.removeprefix(f"{split}-")) + 1
        )
    segments = lay_out(
        [
            Planned(
                uri=r.uri,
                sha256=r.sha256,
                ticks=r.ticks,
                group=r.group,
                licence=r.licence,
                split=split_by_group.get(r.group) or split_by_uri.get(r.uri, ""),
            )
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
    hashes = {
        i: record.picture_hashes for i, record in enumerate(everyone) if record.picture_hashes
    }

    def look_at(videos: Sequence[int], pictures: int) -> dict[int, str]:
        lacking = [i for i in videos if len(hashes.get(i, "")) < pictures * DIGITS]
        seen = look([everyone[i] for i in lacking], pictures)
        hashes.update({i: text for i, text in zip(lacking, seen, strict=True) if text})
        return {
            i: hashes[i][: pictures * DIGITS]
            for i in videos
            if len(hashes.get(i, "")) >= pictures * DIGITS
        }

    same = find_near_duplicates(
        [record.ticks for record in everyone], look_at, first_new=len(before)
    )
    for i, text in hashes.items():
        record = replace(everyone[i], picture_hashes=text)
        if i in same:
            record = replace(
                record,
                status="near_duplicate",
                reason="same_pictures",
                detail=everyone[same[i]].uri,
            )
        yield record


def read_plan(out: str) -> Plan | None:
    """The plan of a dataset, or None where it has none. Raises DatasetError where a table of it is damaged."""
    segments, metadata = _read_rows(storage.join(out, PLAN_FILE), Segment)
    if segments is None:
        return None
    try:
        tick_hz = Fraction(metadata["tick_hz"])
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise DatasetError(
            f"{storage.join(out, PLAN_FILE)}: does not say its tick rate; put back a whole one"
        ) from error
    sources, _ = _read_rows(storage.join(out, SOURCES_FILE), SourceRecord)
    return Plan(
        tick_hz, sources or (), segments
    )  # killed between the two writes: the sources are probed again


def _read_rows(uri: str, kind: type[Row]) -> tuple[tuple[Row, ...] | None, dict[str, str]]:
    """The rows and the metadata of a table, None where there is none."""
    try:
        return rows_from_parquet(storage.read_bytes(uri), kind)
    except FileNotFoundError:
        return None, {}
    except (ValueError, TypeError) as error:  # Arrow's errors, and columns that are missing
        raise DatasetError(f"{uri}: is damaged ({error}); put back a whole one") from error


def write_plan(plan: Plan, out: str) -> None:
    """Write both tables; segments first, so that a source never counts as known before it is planned."""
    metadata = {"tick_hz": str(plan.tick_hz)}
    storage.write_atomic(
        storage.join(out, PLAN_FILE), rows_to_parquet(plan.segments, Segment, metadata)
    )
    storage.write_atomic(
        storage.join(out, SOURCES_FILE), rows_to_parquet(plan.sources, SourceRecord, metadata)
    )


def plan_dead_letters(plan: Plan) -> tuple[DeadLetter, ...]:
    """Sources, or ends of sources, that never came as far as a shard."""
    letters = []
    for record in plan.sources:
        if record.status == "removed":
            letters.append(tombstone(record.sha256))
        elif record.status == "unreadable":
            letters.append(
                DeadLetter(
                    source_uri=record.uri, stage="probe", reason=record.reason, detail=record.detail
                )
            )
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


def duplicates(plan: Plan) -> dict[str, int]:
    """How many sources are left out because another is the same, by kind."""
    statuses = sorted(
        record.status for record in plan.sources if record.status in ("duplicate", "near_duplicate")
    )
    return dict(Counter(statuses))


def removed_record(sha256: str) -> SourceRecord:
    """The row of a source that was taken out of the dataset: only the hash of its content is left."""
    return SourceRecord(uri=f"removed:{sha256}", status="removed", sha256=sha256)


def licence_of(plan: Plan) -> str:
    """The licence of the whole: `other` unless all sources have the same."""
    named = {segment.licence for segment in plan.segments}
    return (named.pop() if len(named) == 1 else "") or "other"


def describe(plan: Plan) -> str:
    """The plan in a few lines: what was found, and what to expect of labelling it."""
    counts: dict[str, Any] = {}
    for record in plan.sources:
        key = record.status if not record.reason else f"{record.status} ({record.reason})"
        counts[key] = counts.get(key, 0) + 1
    used = [record for record in plan.sources if record.status == "planned"]
    pixels = sum(record.frames * record.width * record.height for record in used)
    megabytes = sum(segment.ticks for segment in plan.segments) * BYTES_PER_TICK / 1e6
    sources = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
    return (
        f"Sources: {sources}.\n"
        f"Plan: {_duration(plan.hours)} in {len(plan.segments):,} segments and {len(plan.shards):,} shards; about "
        f"{megabytes:,.0f} MB, and {_duration(pixels / PIXELS_PER_CORE_S / 3600)} of a core for decoding."
    )


def _duration(hours: float) -> str:
    """In the unit that suits it."""
    for unit, most in (("seconds", 1 / 60), ("minutes", 1)):
        if hours < most:
            return f"{60 * hours / most:.1f} {unit}"
    return f"{hours:,.1f} hours"
