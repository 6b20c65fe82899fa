"""`vidact compact`: the tables of a dataset from the shards that are there, at any time.

A job that labels for weeks does it by itself every few minutes, so that training, inspecting and
relabelling can begin on the first day.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..datasets.shards.commits import DeadLetter, tombstone
from ..datasets.shards.dataset import CONTENT, Dataset
from ..datasets.shards.info import DatasetInfo
from ..errors import VidactError
from ..progress import Progress, hours_of, log
from ..storage_failures import full_name, interrupted_by_storage, is_storage_failure
from .config import CompactConfig
from .planning.plan import Plan, duplicates, licence_of, plan_dead_letters, read_plan

EVERY_S = 300.0
SPENT = 0.1  # at most this share of a job's time goes into compacting


@interrupted_by_storage()
def compact(config: CompactConfig) -> int:
    """Write a version of the manifest and the tables; killed, it is done again.

    Raises:
        DatasetError: there is no `dataset.json` yet: no job on the dataset has compacted it.
        ConfigError: a version to be pinned is not there.
    """
    dataset = Dataset(config.dataset)
    info = info_of(dataset)
    with Progress("Compacting", unit="shards") as progress:
        content = dataset.compact(info, keep_days=config.keep_versions, progress=progress)
    newest = content["version"]
    if config.unpin:
        log(f"{dataset}: version {dataset.versions.unpin(config.unpin)} is pinned no longer")
    if config.pin:
        pinned = dataset.versions.pin(newest if config.pin == "newest" else config.pin)
        log(f"{dataset}: version {pinned} is kept for good")
    counts = content["counts"]
    log(
        f"{dataset}: version {newest}: {counts['clips']:,} clips in {counts['shards']:,} shards, "
        f"{hours_of(content['hours'])}; {len(dataset.versions.all())} versions are kept"
    )
    return 0


def info_of(dataset: Dataset) -> DatasetInfo:
    """What the records of a dataset do not know, as its `dataset.json` and its plan say it.

    Raises DatasetError where there is no `dataset.json`.
    """
    content, plan = dataset.content(), read_plan(dataset)
    removed = dataset.removed_sources()
    return DatasetInfo(
        name=content["name"],
        spec=ActionSpec.from_dict(content["spec"]),
        labels=content["labels"],
        description=content.get("description", ""),
        license=licence_of(plan) if plan is not None and plan.segments else content["license"],
        idm=content.get("idm"),
        options=content["options"] | ({"removed": removed} if removed else {}),
        environment=content.get("environment", {}),
        dead_letters=(*_other_letters(dataset, content, plan), *map(tombstone, removed)),
        duplicates=duplicates(plan) if plan is not None else content.get("duplicates", {}),
    )


def _other_letters(
    dataset: Dataset, content: Mapping[str, Any], plan: Plan | None
) -> Iterator[DeadLetter]:
    """The dead letters that no record has: of what never came as far as a shard.

    A relabelled dataset has taken over those of its source.
    """
    if plan is not None and "relabelled_from" not in content["options"]:
        yield from plan_dead_letters(plan)
        return
    removed = set(dataset.removed_sources())
    for row in dataset.dead_letters().to_pylist():
        if row["stage"] == "probe" and row["source_sha256"] not in removed:
            yield DeadLetter(**row)


@contextmanager
def compacted_meanwhile(
    dataset: Dataset, info: DatasetInfo, *, every_s: float = EVERY_S
) -> Iterator[None]:
    """Compact a dataset every few minutes while the block runs, where shards have come.

    It takes a tenth of the time at most. A failure of storage is told and tried again with the
    next turn: the job itself does not depend on it. Of jobs beside each other, such as parts of a
    plan, one compacts for all: who sees that another one has done it leaves out a turn.

    Args:
        dataset: that the job writes.
        info: what its records do not know.
        every_s: seconds between two turns, at least.
    """
    stop = threading.Event()
    # Parts of an array job begin in the same moment: they are not to compact in the same one.
    pause_s = every_s * random.uniform(1.0, 1.5)
    thread = threading.Thread(
        target=_compact_until, args=(stop, dataset, info, pause_s), name="vidact-compact"
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _compact_until(
    stop: threading.Event, dataset: Dataset, info: DatasetInfo, every_s: float
) -> None:
    known: dict[str, float] = {}
    written_s, pause_s = math.nan, 0.0
    while not stop.wait(pause_s):
        began, pause_s = time.monotonic(), every_s
        try:
            if (at := _written_s(dataset)) != written_s:  # the first look, or another job's turn
                written_s = at
                continue
            times = dataset.commit_times()
            if times == known:
                continue
            content = dataset.compact(info)
            known, written_s = times, _written_s(dataset)
        except Exception as error:
            if not (isinstance(error, VidactError) or is_storage_failure(full_name(error), error)):
                raise
            log(f"{dataset}: could not be compacted, which is tried again ({error})")
        else:
            log(f"{dataset}: version {content['version']}, {hours_of(content['hours'])} so far")
        pause_s = max(every_s, (time.monotonic() - began) / SPENT)


def _written_s(dataset: Dataset) -> float:
    """When the tables were written, by the store's clock; 0 where that is not known."""
    times = storage.modified_times(dataset.uri, CONTENT)
    at = next(iter(times.values()), 0.0)
    return 0.0 if math.isnan(at) else at
