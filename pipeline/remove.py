"""`vidact remove`: a source leaves a dataset for good.

Its clips are cut out of their shards, its name and pictures' hashes out of every table. What stays
is a tombstone: the hash of its content, in the sources' table and among the dead letters, so that
labelling again does not bring it back. Interrupted and run again, it resumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from .. import storage
from ..datasets.actions.spec import ActionSpec
from ..datasets.shards.clip import video_id
from ..datasets.shards.codec import decode_clip
from ..datasets.shards.commits import CommitRecord, tombstone
from ..datasets.shards.dataset import Dataset
from ..datasets.shards.info import DatasetInfo
from ..datasets.shards.samples import iter_samples
from ..datasets.shards.writer import ShardWriter
from ..errors import ConfigError, DatasetError
from ..progress import Progress, log
from ..storage_failures import interrupted_by_storage
from .config import RemoveConfig
from .planning.plan import (
    Plan,
    duplicates,
    licence_of,
    plan_dead_letters,
    read_plan,
    removed_record,
    write_plan,
)
from .running.job import DatasetJob

MIN_DIGITS = 8  # of a hash's beginning: fewer may mean several sources


@interrupted_by_storage()
def remove(config: RemoveConfig) -> int:
    """Take sources out of a dataset.

    Raises:
        ConfigError: a name fits no source, or several.
        DatasetError: the dataset is not finished, or a job on it is running.
    """
    dataset = Dataset(config.dataset)
    content = dataset.content()
    with DatasetJob(dataset) as job:
        dataset.sweep()
        plan, spec = read_plan(dataset), dataset.spec()
        before = set(content["options"].get("removed", []))
        before |= plan.removed if plan else set()
        known: dict[str, set[str]] = {sha: set() for sha in before} | _known(dataset, plan)
        gone = {_find(name, known) for name in config.source}
        history = sorted({*before, *filter(_is_hash, gone)})
        # First: from here on, an interrupted removal is known, and run again it ends.
        dataset.note_removed(history)
        _forget_pictures(dataset, gone)
        dataset.forget_probes()  # of an interrupted plan: sources are probed again, without these
        changed = _rewrite_all(dataset, gone, spec, job.run_folder.spool)
        if plan is not None:
            plan = _without(plan, gone)
            write_plan(plan, dataset)
        job.publish(_info(content, plan, spec, history))
        dataset.sweep()
    log(f"{dataset}: {len(gone - before)} sources removed, {changed} shards rewritten")
    if again := sorted(sha[:12] for sha in gone & before):
        log(f"{', '.join(again)}: removed before")
    return 0


def _forget_pictures(dataset: Dataset, gone: set[str]) -> None:
    clips = tuple(f"{video_id(sha)}-" for sha in gone)
    for preview in dataset.previews():
        if preview.rsplit("/", 1)[1].startswith(clips):
            storage.remove(preview)


def _rewrite_all(dataset: Dataset, gone: set[str], spec: ActionSpec, scratch: Path) -> int:
    """Write all shards again without some sources; returns how many held anything of them."""
    shards, changed = dataset.committed_shards(), 0
    with Progress("Removing", total=len(shards), unit="shards") as progress:
        for shard in shards:
            changed += _rewrite(dataset, shard, gone, spec, scratch)
            progress.advance()
    return changed


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
    committed = (row for record in dataset.commits() for row in record.rows)
    # The manifest still has what a removal that was interrupted took out of the records.
    listed = dataset.manifest().select(["source_sha256", "source_uri"]).to_pylist()
    for row in chain(committed, listed):
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
    if len(found) != 1:
        what = "no source" if not found else f"{len(found)} sources"
        raise ConfigError(
            f"source {name}: {what} of this name; give its URI as in the manifest, or {MIN_DIGITS} "
            "or more digits of its source_sha256"
        )
    return found[0]


def _is_hash(gone: str) -> bool:
    return "/" not in gone


def _rewrite(dataset: Dataset, shard: str, gone: set[str], spec: ActionSpec, scratch: Path) -> bool:
    """Write a shard again without some sources; False where it holds nothing of them.

    The tar may be that of an interrupted attempt, so samples are chosen by what they say of
    themselves.
    """
    record = dataset.read_commit(shard)
    letters = tuple(letter for letter in record.dead_letters if letter.source_sha256 not in gone)
    if not any(row["source_sha256"] in gone for row in record.rows):
        if letters == record.dead_letters:
            return False
        dataset.write_commit(replace(record, dead_letters=letters))
        return True
    with ShardWriter(dataset, shard, spec, spool=scratch) as writer:
        writer.dead_letters.extend(letters)
        writer.drops.update(record.drops)
        for key, members in _samples(dataset, record, gone):
            if json.loads(members["json"])["source_sha256"] not in gone:
                writer.add_encoded(decode_clip(key, members, frames=False), members)
        extra = dict(record.extra)
        if "degrees" in extra:
            kept = {sha: value for sha, value in extra["degrees"].items() if sha not in gone}
            extra["degrees"] = kept
        writer.commit(extra)
    return True


def _samples(
    dataset: Dataset, record: CommitRecord, gone: set[str]
) -> Iterable[tuple[str, dict[str, bytes]]]:
    uri = dataset.shard_uri(record.shard)
    if not storage.exists(uri):
        if all(row["source_sha256"] in gone for row in record.rows):
            return ()  # an interrupted attempt found nothing to keep and took the tar away
        raise DatasetError(f"{uri}: is missing; run `vidact verify` on the dataset")
    return iter_samples(uri)


def _without(plan: Plan, gone: set[str]) -> Plan:
    """The plan with tombstones: of removed sources, and of their duplicates, only the hash is
    left.
    """
    there = [record for record in plan.sources if record.status != "removed"]
    uris: set[str] = set()
    lost = [record for record in there if record.sha256 in gone or record.uri in gone]
    while len(lost) > len(uris):  # duplicates of duplicates too
        uris |= {record.uri for record in lost}
        shas = {record.sha256 for record in lost if record.sha256}
        lost = [
            record
            for record in there
            if record.uri in uris or record.detail in uris or record.sha256 in shas
        ]
    stones = [
        removed_record(sha)
        for sha in sorted({*filter(_is_hash, gone), *(r.sha256 for r in lost if r.sha256)})
    ]
    kept = {record.uri: record for record in [*plan.sources, *stones]}
    for record in lost:
        del kept[record.uri]
    segments = tuple(segment for segment in plan.segments if segment.source_sha256 not in gone)
    return Plan(plan.tick_hz, tuple(kept[uri] for uri in sorted(kept)), segments)
