"""Commit records: `_commits/<shard>.json` says that a shard is whole, and everything that is known about it.

A tar without its record does not exist. A shard in which nothing was kept has a record and no tar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from ... import storage
from ...errors import ConfigError, DatasetError
from ...progress import log
from .clip import SCHEMA_VERSION

SHARD_NAME = re.compile(r"([a-z][a-z0-9_]*)-(\d{5,})")
SPOOL_FOLDER = "_spool"  # of a local dataset: shards that are being written
PROBES_FOLDER = "_probes"  # what was found out of sources until the plan is written
PACKED = "plan"  # in a record's `extra`: which recordings `pack` made the shard of
PLAN_FILE = "plan.parquet"  # which part of which source goes into which shard
IDENTITY_FILE = "label.json"  # which model and options label it
DATASET_JSON = "dataset.json"
# One of these is there from early on.
SIGNS = {"_commits", SPOOL_FOLDER, PROBES_FOLDER, PLAN_FILE, IDENTITY_FILE, DATASET_JSON}
READERS = 16  # records are small and buckets slow to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A part of a source that gave no labels, and why."""

    source_uri: str
    source_sha256: str | None = None
    """None where the source could not even be read."""
    start_tick: int | None = None
    end_tick: int | None = None
    """Half-open tick range; None where the source has no ticks that are known."""
    stage: str
    """Where it failed: `probe`, `decode`, `label` …"""
    reason: str
    """A short word for counters: `truncated`, `no_video_stream` …"""
    detail: str = ""


def tombstone(sha256: str) -> DeadLetter:
    """The dead letter of a source that was taken out of the dataset."""
    return DeadLetter(source_uri="", source_sha256=sha256, stage="remove", reason="removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRecord:
    """What a commit record holds."""

    shard: str
    """`<split>-<nnnnn>`."""
    spec: Mapping[str, Any]
    """Name, version and sha256 of the action spec."""
    tar: Mapping[str, Any] | None
    """`sha256` and `size_bytes` of the tar; None where nothing was kept."""
    rows: tuple[Mapping[str, Any], ...]
    """The manifest's row of each clip, in the order of the tar."""
    statistics: Mapping[str, Any]
    """Counts over all clips: `shard_statistics.py`."""
    dead_letters: tuple[DeadLetter, ...] = ()
    drops: Mapping[str, int] = field(default_factory=dict)
    """Ticks that were left out on purpose, by reason."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the writer wants to keep: environment, options, inputs."""
    schema_version: int = SCHEMA_VERSION

    @property
    def split(self) -> str:
        return split_of_shard(self.shard)

    @property
    def inherited(self) -> dict[str, Any]:
        """What of `extra` another dataset takes over with the clips: all but what says that `pack` may go on there."""
        return {name: value for name, value in self.extra.items() if name != PACKED}

    def to_json(self) -> bytes:
        """The record's bytes; the same record gives the same bytes."""
        text = json.dumps(
            asdict(self), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False
        )
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes, where: str) -> CommitRecord:
        """The record in `data`. Raises DatasetError, naming the file `where` it lies."""
        try:
            content = json.loads(data)
            version = content["schema_version"]
            if version != SCHEMA_VERSION:
                raise DatasetError(
                    f"{where}: schema version {version}, this vidact reads {SCHEMA_VERSION}; read it with what wrote it"
                )
            content["rows"] = tuple(content["rows"])
            content["dead_letters"] = tuple(
                DeadLetter(**letter) for letter in content["dead_letters"]
            )
            return cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{where}: not a commit record ({type(error).__name__}: {error}); delete it and make the shard again"
            ) from error


def split_of_shard(shard: str) -> str:
    """The split in a shard's name. Raises DatasetError where the name is not `<split>-<nnnnn>`."""
    match = SHARD_NAME.fullmatch(shard)
    if match is None:
        raise DatasetError(f"shard name {shard!r}: expected <split>-<nnnnn>, such as train-00000")
    return match.group(1)


def shard_uri(dataset_uri: str, shard: str) -> str:
    """Where a shard's tar lies."""
    return storage.join(dataset_uri, "shards", f"{shard}.tar")


def commit_uri(dataset_uri: str, shard: str) -> str:
    """Where a shard's record lies."""
    return storage.join(dataset_uri, "_commits", f"{shard}.json")


def write_commit(dataset_uri: str, record: CommitRecord) -> None:
    """Put a record in its place; from then on the shard exists."""
    storage.write_atomic(commit_uri(dataset_uri, record.shard), record.to_json())


def is_committed(dataset_uri: str, shard: str) -> bool:
    """Whether a shard has its record."""
    return storage.exists(commit_uri(dataset_uri, shard))


def lost_shards(dataset: str) -> list[str]:
    """Shards whose records tell of a tar that is gone."""
    tars = {
        uri.rsplit("/", 1)[1].removesuffix(".tar")
        for uri in storage.list_files(storage.join(dataset, "shards"))
    }
    without = [shard for shard in committed_shards(dataset) if shard not in tars]
    return [shard for shard in without if read_commit(dataset, shard).tar]


def forget_lost(dataset: str) -> None:
    """Take back the records of shards whose tars are gone, so that they are made again.

    Raises DatasetError where that is all of several, or their folder is: a disk that is not there comes back.
    """
    lost = lost_shards(dataset)
    if not lost:
        return
    folder = storage.local_path(storage.join(dataset, "shards"))
    whole = [
        shard
        for shard in committed_shards(dataset)
        if shard not in lost and read_commit(dataset, shard).tar
    ]
    if (folder is not None and not folder.is_dir()) or (len(lost) > 1 and not whole):
        raise DatasetError(
            f"{dataset}: none of its {len(lost)} tars is in shards/: is that folder where it was, and its disk there? "
            "To have them all made again, delete _commits/ too"
        )
    for shard in lost:
        storage.remove(commit_uri(dataset, shard))
    log(
        f"{dataset}: the tars of {', '.join(lost[:5])}{' …' if len(lost) > 5 else ''} are gone: made again"
    )


def require_own_folder(dataset: str) -> None:
    """Raise ConfigError where a local folder holds other things than a dataset: its files would lie among them."""
    folder = storage.local_path(dataset)
    if folder is None or not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if names and not names & SIGNS:
        shown = ", ".join(sorted(names)[:3]) + (" …" if len(names) > 3 else "")
        raise ConfigError(
            f"out: {dataset} holds other things ({shown}); a dataset needs a folder of its own"
        )


def committed_shards(dataset_uri: str) -> list[str]:
    """The names of all shards that have their record, sorted: one listing, no reading."""
    uris = storage.list_files(storage.join(dataset_uri, "_commits"), ".json")
    return sorted(uri.rsplit("/", 1)[1].removesuffix(".json") for uri in uris)


def read_commit(dataset_uri: str, shard: str) -> CommitRecord:
    """A shard's record. Raises DatasetError where it is damaged, FileNotFoundError where there is none."""
    uri = commit_uri(dataset_uri, shard)
    record = CommitRecord.from_json(storage.read_bytes(uri), uri)
    if record.shard != shard:
        raise DatasetError(f"{uri}: is the record of {record.shard}; delete it")
    return record


def iter_commits(dataset_uri: str) -> Iterator[CommitRecord]:
    """All records of a dataset in the order of their names, with few of them in memory at a time."""
    shards = committed_shards(dataset_uri)
    with ThreadPoolExecutor(READERS) as pool:
        for begin in range(0, len(shards), READERS):
            yield from pool.map(
                lambda shard: read_commit(dataset_uri, shard), shards[begin : begin + READERS]
            )


def read_commits(dataset_uri: str) -> list[CommitRecord]:
    """All records of a dataset at once; a row a clip makes them large, so prefer `iter_commits`."""
    return list(iter_commits(dataset_uri))
