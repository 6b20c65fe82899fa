"""`vidact cancel`: end a job of a dataset that runs on a cluster."""

from __future__ import annotations

from ..datasets.shards.dataset import Dataset
from ..errors import ConfigError
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import CancelConfig
from .running.cluster_jobs import forget_job, noted_jobs


@interrupted_by_storage()
def cancel(config: CancelConfig) -> int:
    """Cancel what was submitted last, to label or to verify. What is done stays; a rerun resumes.

    Raises:
        ConfigError: there is no such job, or its cluster cannot be asked.
    """
    dataset = Dataset(config.dataset)
    jobs = noted_jobs(dataset)
    if not jobs:
        raise ConfigError(
            f"{dataset}: no job of it is known to run on a cluster; one on this machine ends with "
            "Ctrl-C or SIGTERM"
        )
    for job in jobs:
        try:
            count = job.cancel()
        except OSError as error:
            raise ConfigError(
                f"{dataset}: the cluster of {job.name} does not answer ({error}); cancel it there, "
                "if it still runs"
            ) from error
        forget_job(dataset, job.work)
        done = "cancelled" if count else "had ended before"
        log(f"{dataset}: {job.name} {done}")
    return 0
