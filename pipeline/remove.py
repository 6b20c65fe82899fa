"""`vidact remove`: a source leaves a dataset for good.

First its tombstone is written: from then on nothing of it enters the dataset, whoever is at work.
Then its clips are cut out of their shards, its name and pictures' hashes out of every table. What
stays is the hash of its content. Interrupted and run again, it resumes. It may run beside other
jobs, and before the first one has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import storage
from ..conditional_writes import ChangedMeanwhile
from ..datasets.actions.spec import ActionSpec
from ..datasets.shards.commits import tombstone
from ..datasets.shards.dataset import Dataset
from ..datasets.shards.info import DatasetInfo
from ..errors import ConfigError
from ..progress import log
from ..storage_failures import interrupted_by_storage
from .config import RemoveConfig
from .planning.plan import (
    Plan,
    duplicates,
    licence_of,
    plan_dead_letters,
    read_plan,
    without,
    write_plan,
)
from .running.identity import spec_of
from .running.job import DatasetJob
from .running.takedown import cut_out

MIN_DIGITS = 8  # of a hash's beginning: fewer may mean several sources
WHOLE_HASH = re.compile("[0-9a-f]{64}")


@interrupted_by_storage()
def remove(config: RemoveConfig) -> int:
    """Take sources out of a dataset.

    Raises:
        ConfigError: a name fits no source, or several.
        DatasetError: there is no dataset, or a shard is missing.
    """
    dataset = Dataset(config.dataset)
    before = set(dataset.removed_sources())
    plan = read_plan(dataset)
    before |= plan.removed if plan else set()
    known: dict[str, set[str]] = {sha: set() for sha in before} | _known(dataset, plan)
    gone = {_find(name, known) for name in config.source}
    hashes = before | set(filter(_is_hash, gone))
    if plan is not None:
        hashes |= without(plan, gone).removed  # re-encodes of it too
    changed = cut_out(dataset, hashes)
    _forget_in_plan(dataset, gone | hashes)
    dataset.forget_probes()  # of an interrupted plan: sources are probed again, without these
    if dataset.has_tables():
        info = _info(dataset.content(), read_plan(dataset), spec_of(dataset), sorted(hashes))
        DatasetJob(dataset).publish(info)
    log(f"{dataset}: {len(gone - before)} sources removed, {changed} shards rewritten")
    if again := sorted(sha[:12] for sha in gone & before):
        log(f"{', '.join(again)}: removed before")
    return 0


def _forget_in_plan(dataset: Dataset, gone: set[str]) -> None:
    """Take sources out of the plan, whatever others add to it meanwhile."""
    while (plan := read_plan(dataset)) is not None:
        left = without(plan, gone)
        if left == plan:
            return
        try:
            write_plan(left, dataset, plan)
        except ChangedMeanwhile:
            continue


def _info(
    content: Mapping[str, Any], plan: Plan | None, spec: ActionSpec, history: Sequence[str]
) -> DatasetInfo:
    """What the dataset says of itself, as before but for the sources that are gone."""
    return DatasetInfo(
        name=content["name"],
        spec=spec,
        labels=content["labels"],
        description=content["description"],
        license=licence_of(plan) if plan is not None and plan.segments else content["license"],
        idm=content["idm"],
        options={**content["options"], "removed": history},
        environment=content["environment"],
        dead_letters=(*(plan_dead_letters(plan) if plan else ()), *map(tombstone, history)),
        duplicates=duplicates(plan) if plan is not None else {},
    )


def _known(dataset: Dataset, plan: Plan | None) -> dict[str, set[str]]:
    """URIs of each content of the dataset; what could not be read is known by its URI."""
    known: dict[str, set[str]] = {}
    for record in plan.sources if plan else ():
        known.setdefault(record.sha256 or record.uri, set()).add(record.uri)
    for segment in plan.segments if plan else ():
        known.setdefault(segment.source_sha256, set()).add(segment.source_uri)
    listed: set[str] = set()
    if dataset.has_tables():
        listed = {shard["name"] for shard in dataset.content()["shards"]}
        # The manifest still has what a removal that was interrupted took out of the records.
        pair = ["source_sha256", "source_uri"]
        for batch in dataset.open_manifest().batches(pair):
            for row in batch.group_by(pair, use_threads=False).aggregate([]).to_pylist():
                known.setdefault(row["source_sha256"], set()).add(row["source_uri"])
    # Of records, which are large, only those that no table has yet.
    for commit in dataset.commits([s for s in dataset.committed_shards() if s not in listed]):
        for row in commit.rows:
            known.setdefault(row["source_sha256"], set()).add(row["source_uri"])
    return known


def _find(name: str, known: Mapping[str, set[str]]) -> str:
    """The content hash that a URI or the beginning of a hash stands for, or the URI of what
    could not be read.
    """
    path = storage.local_path(name)
    names = {
        name,
        storage.storable(path.resolve()) if path is not None else name,
        storage.storable(Path.cwd() / name),
    }
    found = [sha for sha, uris in known.items() if names & uris]
    if not found and len(name) >= MIN_DIGITS:
        found = [sha for sha in known if sha.startswith(name.lower())]
    if not found and WHOLE_HASH.fullmatch(name.lower()):
        return name.lower()  # it is not here yet, and will not come
    if len(found) != 1:
        what = "no source" if not found else f"{len(found)} sources"
        raise ConfigError(
            f"source {name}: {what} of this name; give its URI as in the manifest, or {MIN_DIGITS} "
            "or more digits of its source_sha256"
        )
    return found[0]


def _is_hash(gone: str) -> bool:
    return "/" not in gone
