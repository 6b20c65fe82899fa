"""`vidact label`: plan what is new, label it under a supervisor, compact the tables, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .. import storage
from ..datasets.shards.commits import commit_uri, committed_shards, forget_lost, read_commits
from ..datasets.shards.manifest import DEAD_LETTERS, DatasetInfo, compact, read_dead_letters
from ..errors import CheckFailed, Interrupted
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import LabelConfig, share_of
from .labelling.previews import keep_previews
from .labelling.source_statistics import (
    Reference,
    flagged_lines,
    source_statistics,
    write_source_statistics,
)
from .plan import make_plan
from .planning.plan import Plan, describe, duplicates, licence_of, plan_dead_letters
from .planning.probe import SourceRecord
from .run_folder import RunFolder
from .running.identity import (
    WorkerSettings,
    environment,
    identity,
    require_identity,
    write_identity,
)
from .running.job import run_shards, sweep, verify_shards, worker_count
from .running.tracker import Tracker

SHOWN_UNREADABLE = 5


@interrupted_by_storage()
def run_label(config: LabelConfig) -> int:
    """Label all sources that are not labelled yet.

    Returns:
        0 when every shard of the plan has its record; dead letters are no failure.

    Raises:
        VidactError: the user's mistake (exit 2); CheckFailed (1) where verification fails or, with `strict`, where
            there are dead letters; Interrupted (75) where something is still to be done.
    """
    from ..idm.labels.checkpoint import load_idm, spec_of
    from ..training.device import pick_device

    if config.runner == "local":
        pick_device(config.device)  # now rather than in each worker
    checkpoint = load_idm(config.idm)
    spec = spec_of(checkpoint)
    run = RunFolder.of(config.out)
    settings = WorkerSettings.of(config, run.path if config.runner == "local" else None)
    workers = worker_count(config)
    run.lock()
    finished = False
    try:
        ours = identity(settings, idm_sha256=checkpoint.sha256, spec_sha256=spec.sha256)
        environments = require_identity(
            config.out,
            ours,
            environment(config.device),
            allow_other_environment=config.allow_other_environment,
        )
        plan = make_plan(
            config.sources,
            config.out,
            tick_hz=spec.tick_hz,
            layout=config.layout,
            workers=workers,
            decoder=config.decoder,
            runner=config.runner,
            beam_options=config.beam_options,
        )
        log(describe(plan))
        write_identity(config.out, run, ours, environments)
        if config.retry_quarantined:
            forget_quarantined(config.out)
            run.forgive()
        sweep(config.out)
        forget_lost(config.out)
        new = missing(config.out, plan)
        if new:
            label_shards(config, settings, run, plan)
        sweep(config.out)
        if left := missing(config.out, plan):
            raise Interrupted(_what_is_missing(left, run.waits()))
        finished = True
    finally:
        run.release(done=finished)
    removed = sorted(record.sha256 for record in plan.sources if record.status == "removed")
    info = DatasetInfo(
        name=config.out.rstrip("/").rsplit("/", 1)[-1],
        spec=spec,
        description="Gameplay video, labelled with actions by an inverse dynamics model.",
        license=licence_of(plan),
        idm={
            "uri": config.idm,
            "sha256": checkpoint.sha256,
            "metrics": checkpoint.config.get("metrics"),
        },
        options=_options(config) | ({"removed": removed} if removed else {}),
        environment={"environments": environments},
        dead_letters=plan_dead_letters(plan),
        duplicates=duplicates(plan),
    )
    content = compact(config.out, info)
    log(
        f"{config.out}: {content['counts']['clips']:,} clips, {content['hours']:.2f} hours of labelled play."
    )
    unreadable = [
        letter
        for letter in plan_dead_letters(plan)
        if letter.start_tick is None and letter.source_uri
    ]
    dead = content["counts"]["dead_letters"]
    dead_reasons = ", ".join(
        f"{reason} x{count}" for reason, count in content["dead_letter_reasons"].items()
    )
    if dead:
        log(
            f"{dead:,} dead letters ({dead_reasons}): {storage.join(config.out, DEAD_LETTERS)} names them."
        )
        for letter in unreadable[:SHOWN_UNREADABLE]:
            log(f"  {letter.source_uri}: {letter.reason}: {letter.detail}")
        if len(unreadable) > SHOWN_UNREADABLE:
            log(f"  … and {len(unreadable) - SHOWN_UNREADABLE:,} more sources")
    for twin in twins_of_damaged(plan, read_dead_letters(config.out).to_pylist()):
        log(
            f"{twin.detail} is damaged; {twin.uri} looks the same and was left out: it may be whole"
        )
    rows = source_statistics(
        read_commits(config.out), spec, Reference.of_checkpoint(checkpoint.config, spec)
    )
    write_source_statistics(config.out, rows, spec)
    for line in flagged_lines(rows):
        log(line)
    if share := share_of(config.previews):
        keep_previews(config.out, share, config.decoder)
    if config.verify and new:
        verify_shards(config.out, new, threads=workers)
    if config.strict and dead:
        raise CheckFailed(f"{config.out}: {dead:,} dead letters ({dead_reasons}); see its table")
    return 0


def label_shards(config: LabelConfig, settings: WorkerSettings, run: RunFolder, plan: Plan) -> None:
    """Label the shards of a plan that have no record yet."""
    run_shards(config, settings, run, Tracker.of_plan(config.out, plan))


def missing(dataset: str, plan: Plan) -> list[str]:
    """The shards of the plan that have no record."""
    done = set(committed_shards(dataset))
    return [shard for shard in plan.shards if shard not in done]


def _what_is_missing(shards: list[str], waits: dict[str, str]) -> str:
    reasons = sorted({waits[shard] for shard in shards if shard in waits})
    count = f"{len(shards)} shards are still to be done ({', '.join(shards[:5])}{' …' if len(shards) > 5 else ''})"
    if not reasons:
        return f"{count}; run again"
    listed = "\n".join(f"  {reason}" for reason in reasons[:20])
    return f"{count}.\n{listed}\nPut the sources back and run again, or let them go with --drop-missing."


def twins_of_damaged(plan: Plan, dead_letters: Sequence[Mapping[str, Any]]) -> list[SourceRecord]:
    """Sources that were left out because they look like one of which a part turned out to be lost."""
    damaged = {letter["source_uri"] for letter in dead_letters if letter["start_tick"] is not None}
    return [
        record
        for record in plan.sources
        if record.status == "near_duplicate" and record.detail in damaged
    ]


def forget_quarantined(dataset: str) -> list[str]:
    """Take back the records of shards with quarantined segments, so that they are tried again; returns their names."""
    forgotten = []
    for record in read_commits(dataset):
        if any(letter.reason == "killed_worker" for letter in record.dead_letters):
            storage.remove(commit_uri(dataset, record.shard))
            forgotten.append(record.shard)
    return forgotten


def _options(config: LabelConfig) -> dict[str, Any]:
    """The settings for dataset.json: those that say how it was made, not how this run went."""
    names = ("layout", "filter", "chroma", "drop_missing")
    return {name: value for name, value in asdict(config).items() if name in names}
