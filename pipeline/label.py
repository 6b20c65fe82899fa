"""`vidact label`: plan what is new, label it under a supervisor, compact the tables, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..datasets.shards.commits import REMOVED
from ..datasets.shards.dataset import Dataset
from ..datasets.shards.info import DatasetInfo
from ..datasets.video.view import MEASURED
from ..errors import CheckFailed, DatasetError
from ..progress import hours_of, log
from ..settings import require, to_plain
from ..storage_failures import interrupted_by_storage
from .compact import compacted_meanwhile
from .config import LabelConfig, share_of
from .labelling.labeller import LabelWork
from .labelling.previews import keep_previews
from .labelling.source_statistics import flagged_lines
from .labelling.tasks import part_of
from .plan import make_plan
from .planning.plan import Plan, describe, duplicates, licence_of, plan_dead_letters, read_plan
from .planning.probe import SourceRecord
from .planning.source_rules import left_out_by_rules
from .running.asked_filter import filter_to_ask
from .running.asked_game import game_to_ask, was_begun_before
from .running.engine import Runner, run_on_engine, worker_count
from .running.job import DatasetJob
from .running.looser_filter import begun_tighter, set_aside_for_loosening
from .running.model import JobModel
from .running.tracker import Tracker

SHOWN_UNREADABLE = 5
# Settings that say how a dataset was made, not how a run of the job went.
OPTIONS = ("layout", "filter", "chroma", "drop_missing")


@interrupted_by_storage()
def label(config: LabelConfig, *, runner: Runner = run_on_engine) -> int:
    """Label all sources that are not labelled yet.

    Args:
        runner: does the shards; on an engine under a supervisor unless given.

    Returns:
        0 when every shard of the plan has its record; dead letters are no failure.

    Raises:
        VidactError: the user's mistake (exit 2); CheckFailed (1) where verification fails or, with
            `strict`, where there are dead letters; Interrupted (75) where something is still to be
            done.
    """
    model = JobModel.of(config)
    dataset = Dataset(config.out)
    clean, clean_sha256 = filter_to_ask(config.clean, model)
    work = LabelWork(
        filter=config.filter,
        decoder=config.decoder,
        chroma=config.chroma,
        game="" if config.any_game else game_to_ask(dataset, model),
        any_game=config.any_game and not was_begun_before(dataset),
        clean=clean,
        clean_sha256=clean_sha256,
        drop_missing=config.drop_missing,
        view=config.view,
        part=config.part,
        retry=config.retry_dead_letters,
    )
    known = config.view != MEASURED or bool(model.game_sha256)
    require(known, "view", config.view, "measured only with an IDM that knows what its game is")
    with DatasetJob(dataset, resumable=True, scratch=config.scratch, part=config.part) as job:
        # Before the plan grows: what another model was to label is not planned.
        identity = model.identity | work.identity
        tighter = begun_tighter(dataset, identity)
        job.require_identity(identity, model.spec, config, begun=tighter)
        if tighter:
            require(not config.part, "part", config.part, "no part where thresholds are loosened")
            set_aside_for_loosening(dataset)
        plan = _plan_of(config, dataset, model)
        log(describe(plan))
        tracker = Tracker.of_plan(job.begin(config.retry_dead_letters, plan), plan)
        whole = read_plan(dataset) if config.part else plan
        info = _info(config, model, work, whole or plan, job.environments)
        with compacted_meanwhile(dataset, info):
            job.run(config, work, tracker, runner, plan)
        if not config.part:  # others may still need what was set aside for theirs
            dataset.aside.forget(dataset.aside.shards())
    if config.part:
        job.require_few_errors(config, tracker)
        log(f"{dataset}: part {config.part} is done; after all parts, run without --part")
        return 0
    plan = read_plan(dataset) or plan  # as others extended it, and without what was removed
    content, rows = job.publish(_info(config, model, work, plan, job.environments), model.reference)
    _report(dataset, plan, content)
    for line in flagged_lines(rows):
        log(line)
    if share := share_of(config.previews):
        keep_previews(dataset, share, config.decoder, scratch=config.scratch)
    job.verify(config)
    job.require_few_errors(config, tracker)
    # What was taken out on purpose is no failure.
    if config.strict and set(content["dead_letter_reasons"]) - {REMOVED}:
        raise CheckFailed(f"{dataset}: {_dead_letters(content)}; see its table")
    return 0


def _plan_of(config: LabelConfig, dataset: Dataset, model: JobModel) -> Plan:
    """The plan, made or extended; of a part only what there is, since others read it too."""
    if not config.part:
        return make_plan(
            config.sources,
            dataset,
            tick_hz=model.spec.tick_hz,
            layout=config.layout,
            workers=worker_count(config),
            decoder=config.decoder,
            runner=config.runner,
            beam_options=config.beam_options,
            rules=config.rules,
        )
    plan = read_plan(dataset)
    if plan is None:
        raise DatasetError(
            f"{dataset}: there is no plan, and a part (--part {config.part}) makes none; run "
            "`vidact plan` with the same sources first"
        )
    if plan.tick_hz != model.spec.tick_hz:
        raise DatasetError(
            f"{dataset.plan_uri}: planned at {plan.tick_hz} ticks a second, the model labels at "
            f"{model.spec.tick_hz}; use the action spec of the model, or another --out"
        )
    own = set(part_of(list(plan.shards), config.part))
    return replace(plan, segments=tuple(s for s in plan.segments if s.shard in own))


def _info(
    config: LabelConfig,
    model: JobModel,
    work: LabelWork,
    plan: Plan,
    environments: Sequence[Mapping[str, Any]],
) -> DatasetInfo:
    options = {name: value for name, value in to_plain(config).items() if name in OPTIONS}
    if work.any_game:
        options["any_game"] = True
    if work.view:
        options["view"] = work.view
    if work.clean_sha256:
        options["clean"] = {"uri": config.clean.filter, **work.clean.identity(work.clean_sha256)}
    game = {"game": {"sha256": work.game}} if work.game else {}
    removed = sorted(plan.removed | set(Dataset(config.out).removed_sources()))
    return DatasetInfo(
        name=Dataset(config.out).name,
        spec=model.spec,
        description="Gameplay video, labelled with actions by an inverse dynamics model.",
        license=licence_of(plan),
        idm=model.info | game,
        options=options | ({"removed": removed} if removed else {}),
        environment={"environments": environments},
        dead_letters=plan_dead_letters(plan),
        duplicates=duplicates(plan) | left_out_by_rules(Dataset(config.out)),
    )


def _report(dataset: Dataset, plan: Plan, content: Mapping[str, Any]) -> None:
    """Say what came out, and what did not."""
    clips, hours = content["counts"]["clips"], content["hours"]
    log(f"{dataset}: {clips:,} clips, {hours_of(hours)} of labelled play.")
    if content["counts"]["dead_letters"]:
        log(f"{_dead_letters(content)}: {dataset.dead_letters_uri} names them.")
        unreadable = [
            letter
            for letter in plan_dead_letters(plan)
            if letter.start_tick is None and letter.source_uri
        ]
        for letter in unreadable[:SHOWN_UNREADABLE]:
            log(f"  {letter.source_uri}: {letter.reason}: {letter.detail}")
        if len(unreadable) > SHOWN_UNREADABLE:
            log(f"  … and {len(unreadable) - SHOWN_UNREADABLE:,} more sources")
    for twin in twins_of_damaged(plan, dataset.dead_letters().to_pylist()):
        log(
            f"{twin.detail} is damaged; {twin.uri} looks the same and was left out: it may be whole"
        )


def _dead_letters(content: Mapping[str, Any]) -> str:
    reasons = content["dead_letter_reasons"].items()
    listed = ", ".join(f"{reason} x{count}" for reason, count in reasons)
    return f"{content['counts']['dead_letters']:,} dead letters ({listed})"


def twins_of_damaged(plan: Plan, dead_letters: Sequence[Mapping[str, Any]]) -> list[SourceRecord]:
    """Sources left out because they look like one of which a part turned out to be lost."""
    damaged = {letter["source_uri"] for letter in dead_letters if letter["start_tick"] is not None}
    return [
        record
        for record in plan.sources
        if record.status == "near_duplicate" and record.detail in damaged
    ]
