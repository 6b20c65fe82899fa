"""`vidact plan`: probe what is new, and lay out which stretch of which video goes into which shard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..datasets.config import DecoderConfig
from ..datasets.shards.commits import PLAN_FILE, committed_shards, require_own_folder
from ..datasets.shards.manifest import removed_sources
from ..errors import DatasetError
from ..machine import cores
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import LayoutConfig, PlanConfig
from .planning.extend import extend
from .planning.plan import SOURCES_FILE, Plan, describe, read_plan, removed_record, write_plan
from .planning.probe import SourceRecord, fingerprint
from .planning.sources import Source, find_sources
from .run_folder import RunFolder

if TYPE_CHECKING:
    from .planning.prober import Prober

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
        runner: Beam's runner for probing, with its `beam_options`; see `planning/prober.py`.

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
        from .planning.prober import Prober
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
