"""A dataset: a folder or a bucket prefix, and the one object that knows what lies in it.

shards/<shard>.tar            clips; a shard is called `<split>-<nnnnn>`
_commits/<shard>.json         records: a tar without its record does not exist
_summaries/<shard>.<hash>.json  a kilobyte of each record; the name has the hash of its segments
_tombstones/<sha256>          takedowns: nothing of this content may be in the dataset
previews/<key>.mp4            larger pictures of uncertain clips, for people who review labels
plan.parquet sources.parquet  which ticks go into which shard, and what each source is
label.json                    the model and the options that label the sources
dataset.json dead_letters.parquet README.md
manifests/ manifest.parquet   what is compacted from the records, at any time (`versions.py`)
source_statistics.parquet     how each source differs from the play that the model was trained on
_stats/<shard>.json           who made a shard, and how long each stage took: in no hash
_set_aside/<shard>.json       while thresholds are loosened: what the record of a shard was
_unverified/ _running/        while a job is under way: what is to be verified, a cluster's workers
_checks/                      while a cluster verifies: what its workers have found so far
_spool/ _probes/              shards that are being written; sources that are being planned
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ... import storage
from ...attempts import is_abandoned
from ...errors import ConfigError, DatasetError, ShardError
from ...progress import Progress, shortened
from ..actions.spec import ActionSpec
from .card import data_card
from .commits import CommitRecord, SegmentKey
from .compaction import Compaction
from .info import DatasetInfo, content_bytes, parse_content
from .manifest import DEAD_LETTER_SCHEMA, Manifest, parse_table
from .parquet import parquet_bytes
from .samples import check_sample
from .set_aside import SetAside
from .summaries import Summaries
from .versions import Versions

SHARDS, COMMITS, PREVIEWS, PROBES, SPOOL = "shards", "_commits", "previews", "_probes", "_spool"
SUMMARIES, TOMBSTONES, RUNNING = "_summaries", "_tombstones", "_running"
SET_ASIDE = "_set_aside"
PLAN_FILE, SOURCES_FILE = "plan.parquet", "sources.parquet"
IDENTITY_FILE, CONTENT = "label.json", "dataset.json"
MANIFEST, DEAD_LETTERS = "manifest.parquet", "dead_letters.parquet"
SOURCE_STATISTICS = "source_statistics.parquet"
# Every job and `pack` make one of these first, so a folder that has none holds something else.
SIGNS = frozenset({COMMITS, SPOOL, PROBES, PLAN_FILE, IDENTITY_FILE, CONTENT})
READERS = 16  # records are small and buckets slow to answer
SHOWN_SHARDS = 5
KEEP_DAYS = 7.0  # a trainer that was stopped comes back within a week, or pins its version


@dataclass(frozen=True, slots=True, init=False)
class Dataset:
    """Knows where everything of a dataset lies, and reads and writes it.

    Making one reads nothing, so it may name a dataset that is not there yet; it can be pickled,
    compared and used wherever a path is taken.

    Args:
        uri: a folder or a bucket prefix, or a `Dataset`.
    """

    uri: str

    def __init__(self, uri: storage.Uri):
        object.__setattr__(self, "uri", os.fspath(uri))

    def __str__(self) -> str:
        return self.uri

    def __fspath__(self) -> str:
        return self.uri

    @property
    def name(self) -> str:
        """The last part of the URI."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    @property
    def local(self) -> Path | None:
        """The folder of a local dataset; None where it is remote."""
        return storage.local_path(self.uri)

    # Places

    @property
    def content_uri(self) -> str:
        """Where `dataset.json` lies."""
        return self._join(CONTENT)

    @property
    def manifest_uri(self) -> str:
        """Where the manifest lies as one file: of small datasets, and of those of before."""
        return self._join(MANIFEST)

    @property
    def versions(self) -> Versions:
        """The versions of the manifest."""
        return Versions(self.uri)

    @property
    def dead_letters_uri(self) -> str:
        """Where the table of dead letters lies."""
        return self._join(DEAD_LETTERS)

    @property
    def plan_uri(self) -> str:
        """Where the plan's segments lie."""
        return self._join(PLAN_FILE)

    @property
    def sources_uri(self) -> str:
        """Where the plan's sources lie."""
        return self._join(SOURCES_FILE)

    @property
    def identity_uri(self) -> str:
        """Where it is said which model and options label the dataset."""
        return self._join(IDENTITY_FILE)

    @property
    def source_statistics_uri(self) -> str:
        """Where the table of statistics by source lies."""
        return self._join(SOURCE_STATISTICS)

    def shard_uri(self, shard: str) -> str:
        """Where a shard's tar lies."""
        return self._join(SHARDS, f"{shard}.tar")

    def commit_uri(self, shard: str) -> str:
        """Where a shard's record lies."""
        return self._join(COMMITS, f"{shard}.json")

    def preview_uri(self, key: str) -> str:
        """Where a clip's preview lies."""
        return self._join(PREVIEWS, f"{key}.mp4")

    def probe_uri(self, name: str) -> str:
        """Where a file of probed sources lies."""
        return self._join(PROBES, name)

    @property
    def spool(self) -> Path | None:
        """Where unfinished shards of a local dataset lie; None where it is remote."""
        return self.local / SPOOL if self.local is not None else None

    def tars(self) -> list[str]:
        """The URIs of all tars that are there, with a record or without."""
        return storage.list_files(self._join(SHARDS), ".tar")

    def tables(self) -> list[str]:
        """The URIs of all tables that are there."""
        return storage.list_files(self.uri, ".parquet")

    def previews(self) -> list[str]:
        """The URIs of all previews."""
        return storage.list_files(self._join(PREVIEWS), ".mp4")

    def probes(self, suffix: str = ".json") -> list[str]:
        """The URIs of the files of probed sources whose names end in `suffix`."""
        return storage.list_files(self._join(PROBES), suffix)

    def _join(self, *parts: str) -> str:
        return storage.join(self.uri, *parts)

    # Records

    def committed_shards(self) -> list[str]:
        """The names of all shards that have their record, sorted: one listing, no reading."""
        uris = storage.list_files(self._join(COMMITS), ".json")
        return sorted(uri.rsplit("/", 1)[1].removesuffix(".json") for uri in uris)

    def is_committed(self, shard: str, segments: Iterable[SegmentKey] | None = None) -> bool:
        """Whether a shard has its record, made of these `segments` where they are given."""
        if segments is None:
            return storage.exists(self.commit_uri(shard))
        try:
            return self.read_commit(shard).is_made_of(segments, self.tombstones())
        except FileNotFoundError:
            return False

    @property
    def summaries(self) -> Summaries:
        """A kilobyte of each record, for displays and restarts."""
        return Summaries(self._join(SUMMARIES))

    @property
    def aside(self) -> SetAside:
        """Records that were set aside."""
        return SetAside(self._join(SET_ASIDE), self._join(COMMITS))

    def commit_times(self) -> dict[str, float]:
        """When the record of each shard was written, by the store's clock: one listing."""
        times = storage.modified_times(self._join(COMMITS), ".json")
        return {uri.rsplit("/", 1)[1].removesuffix(".json"): at for uri, at in times.items()}

    def read_commit(self, shard: str) -> CommitRecord:
        """Read a shard's record.

        Raises DatasetError where it is damaged, FileNotFoundError where there is none.
        """
        uri = self.commit_uri(shard)
        record = CommitRecord.from_json(storage.read_bytes(uri), uri)
        if record.shard != shard:
            raise DatasetError(f"{uri}: is the record of {record.shard}; delete it")
        return record

    def commits(self, shards: Sequence[str] | None = None) -> Iterator[CommitRecord]:
        """Read the records of some shards, of all by default, in the order of their names.

        Few are in memory at a time: a row per clip makes them large.
        """
        shards = self.committed_shards() if shards is None else shards
        with ThreadPoolExecutor(READERS) as pool:
            for begin in range(0, len(shards), READERS):
                yield from pool.map(self.read_commit, shards[begin : begin + READERS])

    def write_commit(self, record: CommitRecord) -> None:
        """Put a record in its place; from then on the shard exists."""
        # A summary must never tell of another record than the one that lies there, so the old one
        # goes before it, and the new one comes after it.
        if self.is_committed(record.shard):
            self.summaries.forget([record.shard])
        storage.write_atomic(self.commit_uri(record.shard), record.to_json())
        self.summaries.write(record, record.segments_sha256)

    def forget_commits(self, shards: Collection[str]) -> None:
        """Take the records of shards back, so that the shards are made again from their sources."""
        if shards:
            self.aside.forget(shards)
            self.summaries.forget(shards)
            with ThreadPoolExecutor(READERS) as pool:
                for _ in pool.map(lambda shard: storage.remove(self.commit_uri(shard)), shards):
                    pass

    def forget_probes(self, probed: Iterable[str] | None = None) -> None:
        """Remove files of probed sources: these, or all that there are."""
        for uri in self.probes() if probed is None else probed:
            storage.remove(uri)
        storage.remove_abandoned(self._join(PROBES))  # of workers that were killed
        storage.remove_if_empty(self._join(PROBES))

    # Tables

    def has_tables(self) -> bool:
        """Whether the tables were written: some job on the dataset has ended."""
        return storage.exists(self.content_uri)

    def content(self) -> dict[str, Any]:
        """Read `dataset.json`.

        Raises DatasetError where it is missing, damaged or of another schema version.
        """
        return parse_content(self._read(CONTENT), self.content_uri, str(self))

    def spec(self) -> ActionSpec:
        """The action spec of all labels."""
        return ActionSpec.from_dict(self.content()["spec"])

    def open_manifest(self, version: str = "") -> Manifest:
        """A version of the manifest, to be read part by part.

        Args:
            version: the beginning of its name; the newest unless given.

        Raises:
            DatasetError: there is no such version, by name, or no dataset.
        """
        content = self.content()
        if not version and not content.get("version"):  # a dataset of before
            shards = {shard["name"]: shard for shard in content["shards"]}
            return Manifest({"": self.manifest_uri}, shards)
        return self.versions.open(content, version)

    def manifest(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The newest manifest as one table, of these columns or of all.

        Raises DatasetError where there is none, or a damaged one.
        """
        return self.open_manifest().table(columns)

    def dead_letters(self) -> pa.Table:
        """The dead letters. Raises DatasetError where there is no table, or a damaged one."""
        return parse_table(
            self._read(DEAD_LETTERS), DEAD_LETTER_SCHEMA.names, self.dead_letters_uri
        )

    def removed_sources(self) -> list[str]:
        """The digests of what `vidact remove` took out; none where there is no dataset yet."""
        options = self.content()["options"] if self.has_tables() else {}
        return sorted({*options.get("removed", []), *self.tombstones()})

    def tombstones(self) -> frozenset[str]:
        """Content hashes of sources that were taken down: one listing.

        Nothing of them may enter the dataset, nor be handed out. What was removed before there
        were tombstones is in `removed_sources` only; it left the records then.
        """
        uris = storage.list_files(self._join(TOMBSTONES))
        return frozenset(uri.rsplit("/", 1)[1] for uri in uris)

    def bury(self, sha256: Iterable[str]) -> None:
        """Write tombstones: from here on nothing of these contents enters the dataset."""
        for one in sorted(set(sha256) - self.tombstones()):
            storage.write_atomic(self._join(TOMBSTONES, one), b"{}\n")

    def note_removed(self, removed: Sequence[str]) -> None:
        """Say in `dataset.json` what is being removed: an interrupted removal is not forgotten."""
        content = self.content()
        options = {**content["options"], "removed": list(removed)}
        self._write_content(content | {"options": options})

    def compact(
        self,
        info: DatasetInfo,
        *,
        keep_days: float = KEEP_DAYS,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Write a version of the manifest, the tables and the card from the records that are
        there; returns the content of `dataset.json`.

        It may be done at any time, also while a job writes shards; killed, it is done again.

        Args:
            info: what the records do not know.
            keep_days: how long a version stays that a newer one has replaced.
            progress: is told of shards.

        Raises:
            SpecMismatchError: a shard was made under another spec.
        """
        try:
            newest = self.content().get("version", "")
        except DatasetError:  # there is none yet, or a damaged one, which is made again
            newest = ""
        removed = self.tombstones().union(info.options.get("removed", ()))
        compaction = Compaction(self, info, self.versions, removed)
        found = compaction.run(newest, progress)
        storage.write_atomic(self.dead_letters_uri, parquet_bytes(found.dead_letters()))
        storage.write_atomic(self._join("README.md"), data_card(found.content, info.spec).encode())
        self._write_content(found.content)  # after what it names, which is whole by now
        # Last: to readers of a dataset of before it was the manifest until a moment ago.
        if (table := compaction.one_table(found)) is None:
            storage.remove(self.manifest_uri)
        else:
            storage.write_atomic(self.manifest_uri, parquet_bytes(table))
        self.versions.collect(found.content["version"], keep_days)
        storage.remove_if_empty(self._join(SPOOL))
        # Who takes a source down may have compacted before this did.
        return found.content if self.tombstones() <= removed else self.compact(info)

    def _read(self, name: str) -> bytes:
        try:
            return storage.read_bytes(self._join(name))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatasetError(
                f"{self}: no {name}; a dataset is what `vidact label` or `vidact pack` wrote with "
                "--out, and it has its tables when that command has ended (run it again to "
                "resume); recordings become one by `vidact pack`"
            ) from error

    def _write_content(self, content: Mapping[str, Any]) -> None:
        storage.write_atomic(self.content_uri, content_bytes(content))

    # Clips

    def read_sample(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """Read the members of the clip of a manifest row, checked against it.

        Raises ShardError where they differ.
        """
        uri = self.shard_uri(row["shard"])
        start = row["offset_bytes"]
        try:
            data = storage.read_range(uri, start, start + row["size_bytes"])
        except FileNotFoundError as error:
            raise ShardError(
                f"{uri}: is missing, though the manifest lists clip {row['key']} in it"
            ) from error
        return check_sample(data, row, uri)

    # The folder

    def require_own_folder(self) -> None:
        """Raise ConfigError where a local folder holds other things.

        The dataset's files would lie among them.
        """
        if self.local is None or not self.local.is_dir():
            return
        names = {path.name for path in self.local.iterdir() if not path.name.startswith(".")}
        if names and not names & SIGNS:
            raise ConfigError(
                f"out: {self} holds other things ({shortened(sorted(names), 3)}); "
                "a dataset needs a folder of its own"
            )

    def sweep(self) -> None:
        """Remove what killed workers left: unfinished shards and files that were never renamed.

        What a live process of this machine writes stays, and so does what another machine may
        still write.
        """
        if self.spool is not None and self.spool.is_dir():
            for path in self.spool.iterdir():
                with contextlib.suppress(FileNotFoundError):  # put in its place meanwhile
                    if is_abandoned(path.name, path.stat().st_mtime):
                        path.unlink()
            storage.remove_if_empty(self.spool)
        for folder in (self.uri, *map(self._join, (SHARDS, COMMITS, SUMMARIES, PREVIEWS))):
            storage.remove_abandoned(folder)


def shards_of(tars: Iterable[str]) -> set[str]:
    """The names of the shards whose tars have these URIs."""
    return {uri.rsplit("/", 1)[1].removesuffix(".tar") for uri in tars}
