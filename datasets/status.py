"""The verb `status`: what a dataset holds, and how much of its plan is done.

It reads summaries of the records and tables: neither the records' rows nor shards.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from .. import storage
from ..errors import DatasetError
from .actions.spec import ActionSpec
from .config import StatusConfig
from .shards.commits import split_of_shard
from .shards.dataset import PLAN_FILE, RUNNING, Dataset, shards_of
from .shards.parquet import parse_parquet
from .shards.stats import summed_stats
from .shards.summary_reader import SummaryReader
from .shards.tracks import read_tracks
from .texts.filling import fill_in


def status(config: StatusConfig) -> int:
    """Print the status of a dataset; return 0."""
    found = dataset_status(Dataset(config.dataset))
    print(json.dumps(found, indent=1) if config.json else fill_in("status.txt", **found))
    return 0


def dataset_status(dataset: Dataset) -> dict[str, Any]:
    """The status as plain values.

    `planned_shards` is None where there is no plan (`vidact pack` makes none), `compacted` says
    whether the tables hold every committed shard.

    Raises:
        DatasetError: there is neither a plan nor a record.
    """
    planned = _planned(dataset)
    splits: dict[str, Counter[str]] = {}
    dropped: Counter[str] = Counter()
    letters: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    for shard, summary in SummaryReader(dataset, own=False).read(dataset.committed_shards()):
        splits.setdefault(split_of_shard(shard), Counter()).update(
            shards=1, clips=summary["clips"], ticks=summary["ticks"]
        )
        dropped.update(summary["drops"])
        letters.update(summary["dead_letters"])
        sizes[shard] = summary["size_bytes"]
    committed = set(sizes)
    if not committed and planned is None:
        raise DatasetError(
            f"{dataset}: no dataset here: neither {PLAN_FILE} nor a commit record; "
            "is the path right?"
        )
    tables = dataset.content() if dataset.has_tables() else None
    # Records were listed before: of a shard that is committed meanwhile, the tar is there already.
    tars = shards_of(dataset.tars())
    listed = {shard["name"] for shard in tables["shards"]} if tables else set()
    tick_hz = float(ActionSpec.from_dict(tables["spec"]).tick_hz) if tables else None
    return {
        "dataset": str(dataset),
        "committed_shards": len(committed),
        # After `remove` the plan may lack a shard that has its record.
        "planned_shards": None if planned is None else len(planned | committed),
        "missing_shards": sorted((planned or set()) - committed),
        "lost_shards": sorted(shard for shard in committed - tars if sizes[shard]),
        "compacted": tables is not None and listed == committed,
        "clips": sum(split["clips"] for split in splits.values()),
        "ticks": sum(split["ticks"] for split in splits.values()),
        "hours": sum(split["ticks"] for split in splits.values()) / tick_hz / 3600
        if tick_hz
        else None,
        "size_bytes": sum(sizes.values()),
        "splits": {split: dict(counts) for split, counts in sorted(splits.items())},
        "dropped_ticks": dict(sorted(dropped.items())),
        "dead_letters": dict(
            sorted((tables["dead_letter_reasons"] if tables else letters).items())
        ),
        "duplicates": tables.get("duplicates", {}) if tables else {},
        **({"tracks": tracks} if (tracks := read_tracks(dataset)) else {}),
        **({"cluster_jobs": jobs} if (jobs := _cluster_jobs(dataset)) else {}),
        **(made if (made := summed_stats(dataset))["hosts"] else {}),
    }


def _cluster_jobs(dataset: Dataset) -> dict[str, str]:
    """The runner of each job that was submitted and is not known to have ended, by its name."""
    jobs = {}
    for uri in storage.list_files(storage.join(dataset, RUNNING), ".json"):
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # it ends just now
            job = json.loads(storage.read_bytes(uri))
            jobs[str(job["name"])] = str(job["runner"])
    return jobs


def _planned(dataset: Dataset) -> set[str] | None:
    """The shards of the plan; None where there is none."""
    try:
        data = storage.read_bytes(dataset.plan_uri)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return set(parse_parquet(data, ["shard"])["shard"].to_pylist()) - {None, ""}
