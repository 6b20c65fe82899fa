"""`vidact cancel`: end a job of a dataset that runs on a cluster."""

from __future__ import annotations

from ..datasets.shards.dataset import Dataset
from ..errors import ConfigError
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import CancelConfig
from .running.cluster_jobs import forget_job, noted_job


@interrupted_by_storage()
def cancel(config: CancelConfig) -> int:
    """Cancel the job that was submitted last. What is committed stays; a rerun resumes.

    Raises:
        ConfigError: there is no such job, or its cluster cannot be asked.
    """
    dataset = Dataset(config.dataset)
    job = noted_job(dataset)
    if job is None:
        raise ConfigError(
            f"{dataset}: no job of it is known to run on a cluster; one on this machine ends with "
            "Ctrl-C or SIGTERM"
        )
    try:
        count = job.cancel()
    except OSError as error:
        raise ConfigError(
            f"{dataset}: the cluster of {job.name} does not answer ({error}); cancel it there, if "
            "it still runs"
        ) from error
    forget_job(dataset)
    done = "cancelled" if count else "had ended before"
    log(f"{dataset}: {job.name} {done}")
    return 0
