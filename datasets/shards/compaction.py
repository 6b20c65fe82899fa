"""Compaction: commit records become a version of the manifest, at any time, a part at a time.

What is read again are parts whose shards have changed: a part is as new as its records where it
was written after all of them, by the store's clock. So compacting every few minutes costs a
listing, a small file for each part, and the records of what is new. Memory holds one part's
records and what grows with sources and shards, never all clips.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ... import storage
from ...errors import SpecMismatchError
from ...progress import Progress
from .commits import CommitRecord, DeadLetter, tombstone
from .info import DatasetInfo, Summary
from .manifest import DEAD_LETTER_SCHEMA, manifest_hash, manifest_schema, part_of_shard, read_part
from .parquet import parquet_bytes
from .versions import DIGITS, Part, Versions

READERS = 16  # records are small and buckets slow to answer
# Buckets tell times in whole seconds: what was written in the same moment may be older.
SAME_MOMENT_S = 2.0
# As one file the manifest is written from memory: at 1 kB a clip while it is made. 200 hours.
ONE_FILE_CLIPS = 100_000


class Records(Protocol):
    """The commit records of a dataset."""

    def commit_times(self) -> Mapping[str, float]:
        """When the record of each shard was written, by its name."""

    def read_commit(self, shard: str) -> CommitRecord:
        """The record of a shard."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What came of a compaction."""

    content: dict[str, Any]
    """The content of `dataset.json`."""
    letters: list[DeadLetter]
    parts: list[Part]

    @property
    def clips(self) -> int:
        """The number of rows."""
        return sum(part.clips for part in self.parts)

    def dead_letters(self) -> pa.Table:
        """The table of dead letters."""
        rows = [asdict(letter) for letter in self.letters]
        return pa.Table.from_pylist(rows, schema=DEAD_LETTER_SCHEMA)


@dataclass(frozen=True, slots=True)
class Compaction:
    """Makes a version of the manifest from the commit records.

    Args:
        records: of the dataset.
        info: what they do not know.
        versions: of the dataset.
        removed: digests of sources of which no clip is taken in.
    """

    records: Records
    info: DatasetInfo
    versions: Versions
    removed: Set[str] = frozenset()

    def run(self, newest: str = "", progress: Progress | None = None) -> Compacted:
        """Write a version.

        Args:
            newest: the version whose parts may be taken over, if there is one.
            progress: is told of shards.

        Raises:
            SpecMismatchError: a shard was made under another spec.
        """
        times = self.records.commit_times()
        blocks = {name: list(shards) for name, shards in groupby(sorted(times), key=part_of_shard)}
        before = self.versions.parts(newest) if newest else []
        summary = Summary(self.info.spec)
        parts = []
        if progress is not None:
            progress.total = len(times)
        with ThreadPoolExecutor(READERS) as pool:
            known = self._known(before, blocks, times, pool)
            for name, shards in blocks.items():
                part, added = known.get(name) or self._write_part(
                    name, pool.map(self.records.read_commit, shards)
                )
                summary.merge(added)
                parts.append(part)
                if progress is not None:
                    progress.advance(len(shards))
        version = self.versions.write(parts)
        if self.removed:
            added_before = filter(None, map(self.versions.totals, before))
            if any(_holds(added, self.removed) for added in added_before):
                forget_names(self.versions, self.removed)
        letters = summary.letters(self._own_letters())
        return Compacted(summary.content(self.info, letters, version), letters, parts)

    def _own_letters(self) -> tuple[DeadLetter, ...]:
        """The dead letters that no record has; a job that runs meanwhile may not know of a
        takedown.
        """
        kept = [x for x in self.info.dead_letters if x.source_sha256 not in self.removed]
        return (*kept, *map(tombstone, sorted(self.removed)))

    def one_table(self, compacted: Compacted) -> pa.Table | None:
        """The whole manifest, None where it is too large for one file."""
        if compacted.clips > ONE_FILE_CLIPS:
            return None
        uris = map(self.versions.part_uri, compacted.parts)
        tables = [batch for uri in uris for batch in read_part(uri)]
        return pa.concat_tables([manifest_schema(self.info.spec).empty_table(), *tables])

    def _known(
        self,
        before: Sequence[Part],
        blocks: Mapping[str, list[str]],
        times: Mapping[str, float],
        pool: ThreadPoolExecutor,
    ) -> dict[str, tuple[Part, dict[str, Any]]]:
        """The parts that are as their records are, and what their shards add up to, by name."""
        written = self.versions.part_times() if before else {}
        candidates = [
            part
            for part in before
            # False also where a time is not known, which is nan.
            if all(
                times[shard] + SAME_MOMENT_S < written.get(part.stem, 0.0)
                for shard in blocks.get(part.name, ())
            )
        ]
        schema = _schema_of(self.info)
        summaries = pool.map(self.versions.totals, candidates)
        return {
            part.name: (part, added)
            for part, added in zip(candidates, summaries, strict=True)
            if added is not None
            and added.get("schema") == schema
            and [shard["name"] for shard in added["shards"]] == blocks.get(part.name)
            and not _holds(added, self.removed)
        }

    def _write_part(
        self, name: str, records: Iterator[CommitRecord]
    ) -> tuple[Part, dict[str, Any]]:
        """Write a part and what its shards add up to."""
        spec = self.info.spec
        schema = manifest_schema(spec)
        tables, summary = [schema.empty_table()], Summary(spec)
        for record in records:
            if record.spec["sha256"] != spec.sha256:
                raise SpecMismatchError(
                    f"{self.versions.dataset}: shard {record.shard} was made under action spec "
                    f"{record.spec['name']!r} v{record.spec['version']} "
                    f"({record.spec['sha256'][:12]}), the dataset's is {spec.name!r} "
                    f"v{spec.version} ({spec.sha256[:12]}); "
                    "write shards of another spec into another dataset"
                )
            rows = [dict(row) for row in record.rows if row["source_sha256"] not in self.removed]
            tables.append(pa.Table.from_pylist(rows, schema=schema))
            summary.add(record, rows)
        table = pa.concat_tables(tables).combine_chunks()
        added = {"schema": _schema_of(self.info), **summary.to_dict()}
        text = _text_of(added)
        digest = hashlib.sha256(f"{manifest_hash(table)}\n{text}".encode()).hexdigest()[:DIGITS]
        part = Part(name, digest, len(table))
        storage.write_atomic(self.versions.part_uri(part), parquet_bytes(table))
        # Last: a part whose summary is there is whole.
        storage.write_atomic(self.versions.totals_uri(part), text.encode())
        return part, added


def _schema_of(info: DatasetInfo) -> list[str]:
    """What a part was made for: it is made again where a later vidact has more columns."""
    return [info.spec.sha256, *manifest_schema(info.spec).names]


def forget_names(versions: Versions, removed: Set[str]) -> None:
    """Take the names of removed sources out of the parts of all versions.

    Their rows stay, since the order in which a trainer goes through a version depends on them;
    what they say of the source is the digest that is on its tombstone.
    """
    parts = {part.stem: part for version in versions.all() for part in versions.parts(version)}
    for part in parts.values():
        added = versions.totals(part)
        if added is None or not _holds(added, removed):
            continue
        _forget_in_rows(versions.part_uri(part), removed)
        letters = [
            letter for letter in added["dead_letters"] if letter["source_sha256"] not in removed
        ]
        text = _text_of(added | {"dead_letters": letters})
        storage.write_atomic(versions.totals_uri(part), text.encode())


def _forget_in_rows(uri: str, removed: Set[str]) -> None:
    table = pa.concat_tables(read_part(uri))
    gone = pc.is_in(table["source_sha256"], value_set=pa.array(sorted(removed)))
    names = pc.if_else(gone, "", table["source_uri"])
    place = table.schema.get_field_index("source_uri")
    table = table.set_column(place, table.schema.field(place), names)
    storage.write_atomic(uri, parquet_bytes(table))


def _holds(added: Mapping[str, Any], removed: Set[str]) -> bool:
    """Whether shards, by what they add up to, hold or name anything of the removed sources."""
    return any(not removed.isdisjoint(own) for own in added["sources"].values()) or any(
        letter["source_sha256"] in removed for letter in added["dead_letters"]
    )


def _text_of(added: Mapping[str, Any]) -> str:
    return json.dumps(added, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
