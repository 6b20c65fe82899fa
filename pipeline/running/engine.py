"""Runs the open shards of a job on its engine: a supervised driver, with the job's displays
beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack

from ...machine import child_environment, cores
from ..config import EngineConfig
from .cluster_watch import ClusterWatch
from .display import Display
from .prometheus import MetricsServer
from .run_folder import RunFolder
from .shared_run import SharedRun
from .supervisor import driver_command, supervise
from .tracker import Tracker
from .worker import WorkerSettings

Runner = Callable[[EngineConfig, WorkerSettings, RunFolder, Tracker], None]
"""Does the shards that have no record yet; those whose source is missing may be left."""


def run_on_engine(
    config: EngineConfig, settings: WorkerSettings, run: RunFolder, tracker: Tracker
) -> None:
    """Do all shards that have no record yet.

    Raises:
        VidactError: the user's mistake, as a worker found it.
        Interrupted: given up after restarts that brought nothing.
    """
    dataset, local = settings.dataset, config.runner == "local"
    workers = min(worker_count(config), len(tracker.missing()))
    run.settings.write_text(settings.to_json())
    with ExitStack() as stack:
        display = stack.enter_context(
            Display(tracker, json_lines=config.progress_json, remote=dataset.local is None)
        )
        if config.metrics_port:
            stack.enter_context(
                MetricsServer(config.metrics_port, lambda: display.state, host=config.metrics_host)
            )

        cluster = None if local else ClusterWatch(SharedRun(dataset), config.stall_s)

        def watch() -> None:
            display.update(len(run.markers()) if cluster is None else cluster.look())
            if error := tracker.too_many_errors(config.max_failed_share):
                raise error

        supervise(
            run,
            driver_command(run, workers, config.runner, config.beam_options),
            done=tracker.count_done,
            stall_s=config.stall_s if local else math.inf,  # a cluster's workers give no sign here
            max_restarts=config.max_restarts,
            watch=watch,
            drain_s=config.drain_s,
            env=child_environment(),
        )


def worker_count(config: EngineConfig) -> int:
    """How many worker processes: as many as asked for, else one per GPU or, on CPUs, one per
    core.
    """
    if config.workers:
        return config.workers
    if config.device == "auto":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.device_count()
    return 1 if config.device.startswith("cuda") else cores()
