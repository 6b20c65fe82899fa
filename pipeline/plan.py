"""`vidact plan`: probe what is new, and lay out which stretch of which video goes into which
shard.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from ..conditional_writes import ChangedMeanwhile
from ..datasets.actions.spec import ActionSpec
from ..datasets.shards.dataset import PLAN_FILE, SOURCES_FILE, Dataset
from ..datasets.shards.inventory import Inventory
from ..datasets.video.config import DecoderConfig
from ..errors import DatasetError
from ..machine import cores
from ..progress import log
from ..signed_addresses import without_keys
from ..storage_failures import interrupted_by_storage
from .config import LayoutConfig, PlanConfig
from .planning.addresses import moved_sources, renewed_addresses, with_addresses, with_details
from .planning.extend import extend
from .planning.marks import is_gone, marks_of
from .planning.plan import Plan, describe, read_plan, without, write_plan
from .planning.probe import SourceRecord
from .planning.source_rules import wanted_sources
from .planning.sources import Source, find_sources
from .running.job import DatasetJob
from .running.takedown import cut_out, finish_takedowns

if TYPE_CHECKING:
    from .planning.prober import Prober

# Why a source could not be read, where that may have changed though its bytes have not: rights,
# limits, disks.
PASSING = {
    "no_permission",
    "not_found",
    "cannot_open",
    "unreachable",
    "still_growing",
    "too_large",
    "memory_limit",
    "decoder_hung",
    "decoder_crashed",
}


@interrupted_by_storage()
def plan(config: PlanConfig) -> int:
    """Plan and print what is to be expected."""
    spec = ActionSpec.load(config.spec)
    dataset = Dataset(config.out)
    with DatasetJob(dataset):  # a labeling job reads the plan
        planned = make_plan(
            config.sources,
            dataset,
            tick_hz=spec.tick_hz,
            layout=config.layout,
            workers=config.workers or cores(),
            decoder=config.decoder,
            runner=config.runner,
            beam_options=config.beam_options,
            rules=config.rules,
        )
        if dataset.tombstones():
            finish_takedowns(Inventory(dataset))
    log(describe(planned))
    return 0


def make_plan(
    names: Sequence[str],
    dataset: Dataset,
    *,
    tick_hz: Fraction,
    layout: LayoutConfig,
    workers: int,
    decoder: DecoderConfig | None = None,
    runner: str = "local",
    beam_options: Sequence[str] = (),
    rules: str = "",
) -> Plan:
    """Make the plan of a dataset, or extend it by the sources that are new, and write it.

    Args:
        rules: a file of rules, by which sources are left out; see `planning/source_rules.py`.
        runner: Beam's runner for probing, with its `beam_options`; see `planning/prober.py`.

    Raises:
        ConfigError: a source leads to nothing.
        DatasetError: the existing plan has another tick rate.
    """
    # A listing of 100,000 objects and the plan of as many are not to be in memory at once.
    sources = find_sources(names, dataset)
    if rules:
        sources = wanted_sources(sources, rules, dataset)
    found, old = _old_plan(dataset, tick_hz)
    new_sources = _unknown(sources, old)
    probed: list[SourceRecord] = []
    look = None
    if new_sources or not old.sources:
        if dataset.local is not None:  # where that fails, here it is one line, in Beam a traceback
            dataset.local.mkdir(parents=True, exist_ok=True)
        prober = _prober_class()(
            dataset,
            tick_hz,
            workers=workers,
            decoder=decoder or DecoderConfig(),
            runner=runner,
            options=beam_options,
        )
        probed = prober.probe(new_sources)
        look = prober.look if layout.near_duplicates else None
    grown = _grown(old, probed)
    splits = {s.source_uri: s.split for s in old.segments if s.source_uri in grown}
    if grown:
        # Play is there once: what a recording was leaves, whatever was labeled of it, and comes
        # again as a part of what it is.
        cut_out(dataset, set(grown.values()))
        found, old = _old_plan(dataset, tick_hz)
    # A long listing, asked for where it matters: which names are taken, and what is labelled.
    asked = bool(probed) or any(source.group or source.licence for source in sources)
    while True:
        committed = dataset.committed_shards() if asked else []
        new = with_addresses(old, renewed_addresses(old, sources))
        new = extend(
            new, probed, layout, workers=workers, taken=committed, splits=splits, look=look
        )
        present = {source.uri for source in sources}
        new = with_addresses(new, moved_sources(new, present, is_gone))
        new, said = with_details(new, sources, committed)
        if new == found and found.token:
            break
        try:
            new = write_plan(new, dataset, found)
            if dataset.tombstones() <= new.removed:
                break
        except ChangedMeanwhile:
            log(f"{dataset}: somebody else planned meanwhile; what is new here comes after that")
        # On top of what others planned, without what was taken down while sources were probed.
        found, old = _old_plan(dataset, tick_hz)
    for line in said:
        log(line)
    for uri in sorted(grown):
        log(f"{uri} has grown since it was planned: what it is now replaces what it was")
    for uri in _changed(old, new):
        log(
            f"{uri} has changed since it was planned: what it was stays beside what it is now, "
            "in the same split"
        )
    if new_sources:
        prober.forget()  # after the plan is written: an interrupted one begins with what was probed
    return new


def _old_plan(dataset: Dataset, tick_hz: Fraction) -> tuple[Plan, Plan]:
    """What is planned already: as it was found, and with all tombstones of removed sources."""
    old = read_plan(dataset)
    if old is not None and old.tick_hz != tick_hz:
        raise DatasetError(
            f"{dataset.plan_uri}: planned at {old.tick_hz} ticks a second, but now asked for "
            f"{tick_hz}; use the action spec of the plan, or another --out"
        )
    if old is None and dataset.committed_shards():
        raise DatasetError(
            f"{dataset}: has shards, but {PLAN_FILE} is gone: what they hold would be planned and "
            f"labelled again; put it and {SOURCES_FILE} back, or use another --out"
        )
    dataset.require_own_folder()
    old = old or Plan(tick_hz)
    return old, without(old, dataset.removed_sources())


def _changed(old: Plan, new: Plan) -> list[str]:
    """Sources that were planned before with another content."""
    before = {(segment.source_uri, segment.source_sha256) for segment in old.segments}
    added = {(segment.source_uri, segment.source_sha256) for segment in new.segments} - before
    return sorted({uri for uri, _ in before} & {uri for uri, _ in added})


def _grown(old: Plan, probed: Sequence[SourceRecord]) -> dict[str, str]:
    """Planned recordings that go on where they ended: the content hash of what they were, by
    URI.
    """
    planned = {record.uri: record for record in old.sources if record.status == "planned"}
    return {
        record.uri: planned[record.uri].sha256
        for record in probed
        if record.uri in planned and record.is_grown(planned[record.uri])
    }


def _prober_class() -> type[Prober]:
    """The prober, imported where it is needed: Beam is not for those who only read a plan."""
    root = logging.getLogger()
    root.addFilter(_drop)  # Beam warns of client libraries of a cloud when it is imported
    try:
        from .planning.prober import Prober
    finally:
        root.removeFilter(_drop)
    return Prober


def _drop(record: logging.LogRecord) -> bool:
    return False


def _unknown(sources: Sequence[Source], plan: Plan) -> list[Source]:
    """The sources that were not probed before, or have changed since, or could not be read for a
    reason that passes.

    Listings tell the signs of most; the rest is asked for at the same time.
    """
    known = {without_keys(record.uri): record for record in plan.sources}
    found, asked = [], []
    for source in sources:
        record = known.get(without_keys(source.uri))
        if record is None or record.reason in PASSING:
            found.append(source)
        elif not source.mark:
            asked.append((source, record.fingerprint))
        elif source.mark != record.fingerprint:
            found.append(source)
    marks = marks_of(source.uri for source, _ in asked)
    # Where it is gone for now, what is known of it stays.
    found += [source for source, mark in asked if marks[source.uri] not in (mark, None)]
    return sorted(found, key=lambda source: source.uri)
