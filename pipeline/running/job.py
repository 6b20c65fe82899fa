"""Runs a job over shards under the supervisor, with its displays: what labelling and relabelling have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

from ... import storage
from ...datasets.shards.commits import SPOOL_FOLDER, committed_shards
from ...errors import CheckFailed
from ...machine import ONE_THREAD, cores
from ...progress import log
from ..config import EngineConfig
from ..labelling.previews import PREVIEWS
from ..run_folder import RunFolder
from .display import Display
from .identity import WorkerSettings
from .prometheus import MetricsServer
from .supervisor import driver_command, supervise
from .tracker import Tracker

SHOWN_PROBLEMS = 20


def run_shards(
    config: EngineConfig, settings: WorkerSettings, run: RunFolder, tracker: Tracker
) -> None:
    """Do all shards that have no record yet.

    Raises:
        VidactError: the user's mistake, as a worker found it.
        Interrupted: given up after restarts that brought nothing.
    """
    missing = tracker.missing()
    local = config.runner == "local"
    run.settings.write_text(settings.to_json())
    with ExitStack() as stack:
        remote = storage.local_path(settings.dataset) is None
        display = stack.enter_context(
            Display(tracker, json_lines=config.progress_json, remote=remote)
        )
        if config.metrics_port:
            stack.enter_context(MetricsServer(config.metrics_port, lambda: display.state))

        def done() -> int:
            return len(committed_shards(settings.dataset))

        def watch() -> None:
            display.update(len(run.markers()) if local else None)

        supervise(
            run,
            driver_command(
                run, min(worker_count(config), len(missing)), config.runner, config.beam_options
            ),
            done=done,
            stall_s=config.stall_s
            if local
            else float("inf"),  # a cluster's workers give no sign here
            max_restarts=config.max_restarts,
            watch=watch,
            env=os.environ | ONE_THREAD,
        )


def worker_count(config: EngineConfig) -> int:
    """How many worker processes: what was asked for, else one a GPU where the model runs on GPUs, else one a core."""
    if config.workers:
        return config.workers
    if config.device == "auto":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.device_count()
    return 1 if config.device.startswith("cuda") else cores()


def sweep(dataset: str) -> None:
    """Remove what killed workers left: unfinished shards, and temporary files of writes that never were renamed."""
    root = storage.local_path(dataset)
    if root is None:
        _sweep_remote(dataset)
        return
    for folder in (root / SPOOL_FOLDER, root, root / "shards", root / "_commits", root / PREVIEWS):
        if folder.is_dir():
            for path in folder.iterdir():
                if path.is_file() and (folder.name == SPOOL_FOLDER or _is_temporary(path.name)):
                    path.unlink(missing_ok=True)
    if (root / SPOOL_FOLDER).is_dir():
        (root / SPOOL_FOLDER).rmdir()


def _sweep_remote(dataset: str) -> None:
    """Filesystems with a rename, such as hdfs; buckets show no half-written objects."""
    if dataset.split("://", 1)[0] in storage.BUCKET_PROTOCOLS:
        return
    for folder in ("", "shards", "_commits", PREVIEWS):
        fs, inner = storage.filesystem(storage.join(dataset, folder) if folder else dataset)
        if fs.exists(inner):
            for name in fs.ls(inner, detail=False):
                if _is_temporary(name.rsplit("/", 1)[-1]):
                    fs.rm_file(name)


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def verify_shards(dataset: str, shards: Sequence[str], *, threads: int) -> None:
    """Read back what is new. Raises CheckFailed."""
    from ...datasets.shards.dataset import Dataset
    from ...datasets.verify import check_dataset

    report = check_dataset(Dataset(dataset), threads=threads, shards=shards)
    if report.problems:
        shown = "\n".join(f"  {problem}" for problem in report.problems[:SHOWN_PROBLEMS])
        raise CheckFailed(f"{dataset}: {len(report.problems)} problems:\n{shown}")
    log(
        f"{dataset}: verified {', '.join(f'{number:,} {name}' for name, number in report.counts.items())}."
    )
