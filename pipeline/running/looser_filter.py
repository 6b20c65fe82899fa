"""A dataset whose thresholds of the filter of clean frames are loosened by a further run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...datasets.shards.commits import CLEAN
from ...datasets.shards.dataset import Dataset
from ...errors import ConfigError, DatasetError
from ...progress import log
from ..planning.plan import read_plan
from .identity import identity_of

THRESHOLDS = ("threshold", "min_seconds", "min_share")


def begun_tighter(dataset: Dataset, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a dataset was begun with, where that differs from what is wanted by tighter thresholds
    only; None where it does not differ so.

    Raises ConfigError where a threshold is to be tighter.
    """
    begun = identity_of(dataset)
    has, asked = (begun or {}).get(CLEAN), wanted.get(CLEAN)
    if begun is None or has is None or asked is None or has == asked:
        return None
    rest = [
        {name: value for name, value in of.items() if name not in THRESHOLDS} for of in (has, asked)
    ]
    if rest[0] != rest[1] or {**begun, CLEAN: asked} != dict(wanted):
        return None
    for name in THRESHOLDS:
        if asked[name] > has[name]:
            raise ConfigError(
                f"clean.{name} must be at most {has[name]:g}, with which {dataset} was labeled, "
                f"got {asked[name]:g}: `label` brings back what looser thresholds keep; for "
                "tighter ones `vidact relabel` makes another dataset and needs no video"
            )
    return begun


def set_aside_for_loosening(dataset: Dataset) -> None:
    """Set the records of all shards aside, so that each is made anew of what it was.

    Raises DatasetError where the dataset is not labeled to its end: what comes back beside a shard
    that has no scores yet, nobody knows.
    """
    plan = read_plan(dataset)
    committed, aside = dataset.committed_shards(), dataset.aside.shards()
    missing = sorted(set(plan.shards if plan else ()).difference(committed, aside))
    if missing:
        raise DatasetError(
            f"{dataset}: {len(missing)} shards are still to be labeled with the thresholds that it "
            "was begun with; run `vidact label` with these to its end, then with looser ones"
        )
    if not set(aside).difference(committed):  # a run before was stopped when all were made
        dataset.aside.forget(aside)
    dataset.summaries.forget(committed)
    dataset.aside.take(committed)
    log(
        f"{dataset}: looser thresholds: stored scores say what comes back, and only that is decoded"
    )
