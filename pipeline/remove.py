"""`vidact remove`: a source leaves a dataset for good.

Its clips are cut out of their shards, its name and pictures' hashes out of every table. What stays is a tombstone: the
hash of its content, in the sources' table and among the dead letters, so that labelling again does not bring it back.
Interrupted and run again, it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import storage
from ..datasets.shards.clip import decode_clip, video_id
from ..datasets.shards.commits import (
    PROBES_FOLDER,
    CommitRecord,
    committed_shards,
    read_commit,
    read_commits,
    shard_uri,
    tombstone,
    write_commit,
)
from ..datasets.shards.manifest import (
    DatasetInfo,
    compact,
    dataset_spec,
    note_removed,
    read_dataset_json,
    read_manifest,
)
from ..datasets.shards.samples import iter_samples
from ..datasets.shards.writer import ShardWriter
from ..errors import ConfigError, DatasetError
from ..progress import Progress, log
from ..storage_failures import interrupted_by_storage
from .config import RemoveConfig
from .labelling.previews import PREVIEWS
from .labelling.source_statistics import FILE, Reference, source_statistics, write_source_statistics
from .planning.plan import (
    Plan,
    duplicates,
    licence_of,
    plan_dead_letters,
    read_plan,
    removed_record,
    write_plan,
)
from .run_folder import RunFolder
from .running.job import sweep

MIN_DIGITS = 8  # of a hash's beginning: fewer may mean several sources


@interrupted_by_storage()
def run_remove(config: RemoveConfig) -> int:
    """Take sources out of a dataset.

    Raises:
        ConfigError: a name fits no source, or several.
        DatasetError: the dataset is not finished, or a job on it is running.
    """
    content = read_dataset_json(config.dataset)
    run = RunFolder.of(config.dataset)
    run.lock()
    try:
        sweep(config.dataset)
        plan = read_plan(config.dataset)
        before = set(content["options"].get("removed", []))
        before |= (
            {record.sha256 for record in plan.sources if record.status == "removed"}
            if plan
            else set()
        )
        gone = {
            _find(name, {sha: set() for sha in before} | _known(config.dataset, plan))
            for name in config.source
        }
        history = sorted({*before, *filter(_is_hash, gone)})
        note_removed(config.dataset, history)
        spec = dataset_spec(config.dataset)
        clips = tuple(f"{video_id(sha)}-" for sha in gone)
        for preview in storage.list_files(storage.join(config.dataset, PREVIEWS), ".mp4"):
            if preview.rsplit("/", 1)[1].startswith(clips):
                storage.remove(preview)
        for probed in storage.list_files(storage.join(config.dataset, PROBES_FOLDER), ".json"):
            storage.remove(
                probed
            )  # of a plan that was interrupted: found out again, without what is gone
        changed = 0
        with Progress(
            "Removing", total=len(committed_shards(config.dataset)), unit="shards"
        ) as progress:
            for shard in committed_shards(config.dataset):
                changed += _rewrite(config.dataset, shard, gone, spec, run.spool)
                progress.advance()
        if plan is not None:
            plan = _without(plan, gone)
            write_plan(plan, config.dataset)
        info = DatasetInfo(
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
        compact(config.dataset, info)
        if storage.exists(storage.join(config.dataset, FILE)):
            rows = source_statistics(read_commits(config.dataset), spec, Reference())
            write_source_statistics(config.dataset, rows, spec)
        sweep(config.dataset)
    finally:
        run.release(done=True)
    log(f"{config.dataset}: {len(gone - before)} sources removed, {changed} shards rewritten")
    if again := sorted(sha[:12] for sha in gone & before):
        log(f"{', '.join(again)}: removed before")
    return 0


def _known(dataset: str, plan: Plan | None) -> dict[str, set[str]]:
    """URIs of each content of the dataset; what could not be read is known by its URI."""
    known: dict[str, set[str]] = {}
    for record in plan.sources if plan else ():
        known.setdefault(record.sha256 or record.uri, set()).add(record.uri)
    for shard in committed_shards(dataset):
        for row in read_commit(dataset, shard).rows:
            known.setdefault(row["source_sha256"], set()).add(row["source_uri"])
    for row in read_manifest(dataset).select(["source_sha256", "source_uri"]).to_pylist():
        known.setdefault(row["source_sha256"], set()).add(
            row["source_uri"]
        )  # of a removal that was interrupted
    return known


def _find(name: str, known: Mapping[str, set[str]]) -> str:
    """The content hash that a URI or the beginning of a hash stands for, or the URI of what could not be read."""
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
            f"source {name}: {what} of this name; give its URI as in the manifest, or {MIN_DIGITS} or more digits "
            "of its source_sha256"
        )
    return found[0]


def _is_hash(gone: str) -> bool:
    return "/" not in gone


def _rewrite(dataset: str, shard: str, gone: set[str], spec: Any, spool: Path) -> bool:
    """Write a shard again without some sources; False where it holds nothing of them.

    The tar may be that of an interrupted attempt, so samples are chosen by what they say of themselves.
    """
    record = read_commit(dataset, shard)
    letters = tuple(letter for letter in record.dead_letters if letter.source_sha256 not in gone)
    if not any(row["source_sha256"] in gone for row in record.rows):
        if letters == record.dead_letters:
            return False
        write_commit(dataset, replace(record, dead_letters=letters))
        return True
    beside = None if storage.local_path(dataset) is not None else str(spool)
    with ShardWriter(dataset, shard, spec, spool=beside) as writer:
        for letter in letters:
            writer.dead_letter(letter)
        for reason, ticks in record.drops.items():
            writer.drop(reason, ticks)
        for key, members in _samples(dataset, record, gone):
            if json.loads(members["json"])["source_sha256"] not in gone:
                writer.add_encoded(decode_clip(key, members, frames=False), members)
        degrees = {
            sha: value for sha, value in record.extra.get("degrees", {}).items() if sha not in gone
        }
        writer.commit(
            {**record.extra, "degrees": degrees} if "degrees" in record.extra else record.extra
        )
    return True


def _samples(
    dataset: str, record: CommitRecord, gone: set[str]
) -> Iterable[tuple[str, dict[str, bytes]]]:
    uri = shard_uri(dataset, record.shard)
    if not storage.exists(uri):
        if all(row["source_sha256"] in gone for row in record.rows):
            return ()  # an interrupted attempt found nothing to keep and took the tar away
        raise DatasetError(f"{uri}: is missing; run `vidact verify` on the dataset")
    return iter_samples(uri)


def _without(plan: Plan, gone: set[str]) -> Plan:
    """The plan with tombstones: of removed sources, and of their duplicates, only the hash is left."""
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
