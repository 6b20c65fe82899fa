"""`vidact verify`: whether a dataset holds what it says, read by this machine or by a cluster's."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

from ..datasets.shards.check_log import CheckLog
from ..datasets.shards.dataset import Dataset
from ..datasets.shards.dataset_checks import check_dataset
from ..errors import ConfigError
from ..storage_failures import interrupted_by_storage
from .config import VerifyConfig

SHOWN_PROBLEMS = 100  # of a broken dataset; the count says how many there are
SHOWN_TARS = 3


@interrupted_by_storage()
def verify(config: VerifyConfig) -> int:
    """Print what is wrong with a dataset; return 0 where nothing is, else 1.

    Raises:
        DatasetError: there is no dataset; ConfigError (2) where a shard is named that is not there.
        Interrupted: a store fails for now (75); with a log, the same command resumes.
    """
    dataset = Dataset(config.dataset)
    shards, log_file = chosen_shards(dataset, config), CheckLog(config.log, decode=config.decode)
    with ExitStack() as stack:
        if config.runner != "local":
            from .running.checks import checked_on_runner  # loads Beam

            stack.enter_context(
                checked_on_runner(
                    dataset,
                    dataset.committed_shards() if shards is None else shards,
                    log_file,
                    runner=config.runner,
                    options=config.beam_options,
                )
            )
        report = check_dataset(
            dataset,
            decode=config.decode,
            threads=config.threads,
            shards=shards,
            log_file=log_file,
        )
    for line in report.problems[:SHOWN_PROBLEMS]:
        print(line)
    if len(report.problems) > SHOWN_PROBLEMS:
        print(f"… and {len(report.problems) - SHOWN_PROBLEMS:,} more")
    print(f"{dataset}: checked {report.counted}: {len(report.problems):,} problems")
    if report.damaged:
        tars = " ".join(dataset.shard_uri(shard) for shard in report.damaged[:SHOWN_TARS])
        tars += " …" if len(report.damaged) > SHOWN_TARS else ""
        advice = f"delete their tars ({tars}) and run the job that made them"
        print(f"To have damaged shards made again, {advice}.")
    return 1 if report.problems else 0


def chosen_shards(dataset: Dataset, config: VerifyConfig) -> list[str] | None:
    """The shards that are to be read; None for all.

    A sample is drawn by the hash of the shards' names: the same seed draws the same ones, also
    where the dataset has grown by others.

    Raises ConfigError where a shard that was named is not there.
    """
    if not config.shards and config.sample == 1:
        return None
    committed = dataset.committed_shards()
    if unknown := sorted(set(config.shards) - set(committed)):
        raise ConfigError(f"shards: {dataset} has no shard {unknown[0]}")
    named = sorted(config.shards) or committed
    count = min(len(named), max(1, round(config.sample * len(named))))

    def drawn(shard: str) -> str:
        return hashlib.sha256(f"{config.sample_seed}:{shard}".encode()).hexdigest()

    return sorted(sorted(named, key=drawn)[:count])
