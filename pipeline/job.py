"""`vidact label`: plan what is new, label it under a supervisor, compact the tables, verify."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from .. import storage
from ..datasets.commits import DeadLetter, committed_shards, read_commits
from ..datasets.manifest import DatasetInfo, compact
from ..datasets.shards import SPOOL_FOLDER
from ..errors import CheckFailed, Interrupted
from ..progress import log
from .config import LabelConfig
from .display import Display
from .metrics import MetricsServer
from .plan import Plan, cores, describe, make_plan
from .runfolder import RunFolder
from .settings import WorkerSettings, environment, identity, require_identity
from .supervisor import driver_command, supervise
from .tracker import Tracker


def run_label(config: LabelConfig) -> int:
    """Label all sources that are not labelled yet.

    Returns:
        0 when every shard of the plan has its record; dead letters are no failure.

    Raises:
        VidactError: the user's mistake (exit 2); CheckFailed (1) where verification fails or, with `strict`, where
            there are dead letters; Interrupted (75) where something is still to be done.
    """
    from ..idm.predict import checkpoint_spec
    from ..networks.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(config.idm).require_kind("idm")
    spec = checkpoint_spec(config.idm)
    run = RunFolder.of(config.out)
    local = config.runner == "local"
    settings = WorkerSettings.of(config, run.path if local else None)
    workers = config.workers or cores()
    run.lock()
    finished = False
    try:
        plan = make_plan(
            config.sources,
            config.out,
            tick_hz=spec.tick_hz,
            layout=config.layout,
            workers=workers,
            decoder=config.decoder,
        )
        log(describe(plan))
        environments = require_identity(
            config.out,
            identity(settings, idm_sha256=checkpoint.sha256, spec_sha256=spec.sha256),
            environment(config.device),
            allow_other_environment=config.allow_other_environment,
        )
        if config.retry_quarantined:
            forget_quarantined(config.out)
        _sweep(config.out)
        missing = new = _missing(config.out, plan)
        if missing:
            run.settings.write_text(settings.to_json())
            _run_job(config, run, plan, workers=min(workers, len(missing)))
        missing = _missing(config.out, plan)
        waits = run.waits()
        _sweep(config.out)
        if missing:
            raise Interrupted(_what_is_missing(missing, waits))
        finished = True
    finally:
        run.release(done=finished)
    info = DatasetInfo(
        name=config.out.rstrip("/").rsplit("/", 1)[-1],
        spec=spec,
        description="Gameplay video, labelled with actions by an inverse dynamics model.",
        idm={"uri": config.idm, "sha256": checkpoint.sha256, "metrics": checkpoint.config.get("metrics")},
        options=_options(config),
        environment={"environments": environments},
        dead_letters=plan_dead_letters(plan),
    )
    content = compact(config.out, info)
    log(f"{config.out}: {content['counts']['clips']:,} clips, {content['hours']:.2f} hours of labelled play.")
    if config.verify and new:
        _verify(config.out, new, threads=workers)
    if config.strict and content["counts"]["dead_letters"]:
        reasons = ", ".join(f"{reason} x{count}" for reason, count in content["dead_letter_reasons"].items())
        raise CheckFailed(f"{config.out}: {content['counts']['dead_letters']} dead letters ({reasons}); see its table")
    return 0


def _run_job(config: LabelConfig, run: RunFolder, plan: Plan, *, workers: int) -> None:
    tracker = Tracker(config.out, plan)
    local = config.runner == "local"
    remote = storage.local_path(config.out) is None
    with ExitStack() as stack:
        display = stack.enter_context(Display(tracker, json_lines=config.progress_json, remote=remote))
        if config.metrics_port:
            stack.enter_context(MetricsServer(config.metrics_port, lambda: display.state))

        def done() -> int:
            return len(committed_shards(config.out))

        def watch() -> None:
            display.update(len(run.markers()) if local else None)

        supervise(
            run,
            driver_command(run, workers, config.runner, config.beam_options),
            done=done,
            stall_s=config.stall_s if local else float("inf"),  # a cluster's workers give no sign here
            max_restarts=config.max_restarts,
            watch=watch,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )


def _missing(dataset: str, plan: Plan) -> list[str]:
    done = set(committed_shards(dataset))
    return [shard for shard in plan.shards if shard not in done]


def _what_is_missing(missing: list[str], waits: dict[str, str]) -> str:
    reasons = sorted({waits[shard] for shard in missing if shard in waits})
    listed = "\n".join(f"  {reason}" for reason in reasons[:20])
    return (
        f"{len(missing)} shards are still to be done ({', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}).\n"
        f"{listed}\nPut the sources back and run again, or let them go with --drop-missing."
        if reasons
        else f"{len(missing)} shards are still to be done; run again."
    )


def _sweep(dataset: str) -> None:
    """Remove what killed workers left: unfinished shards, and temporary files of writes that never were renamed."""
    root = storage.local_path(dataset)
    if root is None:
        return  # buckets show no half-written objects
    for folder in (root / SPOOL_FOLDER, root, root / "shards", root / "_commits"):
        if folder.is_dir():
            for path in folder.iterdir():
                if path.is_file() and (folder.name == SPOOL_FOLDER or (path.name[0] == "." and path.suffix == ".tmp")):
                    path.unlink(missing_ok=True)
    if (root / SPOOL_FOLDER).is_dir():
        (root / SPOOL_FOLDER).rmdir()


def plan_dead_letters(plan: Plan) -> tuple[DeadLetter, ...]:
    """Sources, or ends of sources, that never came as far as a shard."""
    letters = []
    for record in plan.sources:
        if record.status == "unreadable":
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


def forget_quarantined(dataset: str) -> list[str]:
    """Take back the records of shards with quarantined segments, so that they are tried again; returns their names."""
    from ..datasets.commits import commit_uri

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


def _verify(dataset: str, shards: list[str], *, threads: int) -> None:
    """Read back what is new."""
    from ..datasets.verify import verify

    report = verify(dataset, threads=threads, shards=shards)
    if report.problems:
        shown = "\n".join(f"  {problem}" for problem in report.problems[:20])
        raise CheckFailed(f"{dataset}: {len(report.problems)} problems:\n{shown}")
    log(f"{dataset}: verified {', '.join(f'{number:,} {name}' for name, number in report.counts.items())}.")
