"""Whether a dataset holds what it says: what `vidact verify` and the end of every job ask.

A problem is a line that names shard, clip and field.

Shards are read once from end to end: hash, place and checksum of every sample, every label array
against the spec, the lineage against the manifest, and every frame. Then the manifest alone tells
whether splits leak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any

import pyarrow as pa

from ... import storage
from ...progress import Progress
from ..actions.spec import ActionSpec
from .check_log import CheckLog
from .commits import CommitRecord, DeadLetter
from .dataset import Dataset
from .leaks import bond_table, leaks
from .manifest import MANIFEST_COLUMNS, Manifest, manifest_hash, parse_table
from .parquet import open_parquet
from .shard_checks import shard_problems

LETTER_COLUMNS = [field.name for field in fields(DeadLetter)]
_STILL_THERE = "holds something of {0:.12}, which was taken down; run `vidact remove --source {0}`"


@dataclass(slots=True)
class VerifyReport:
    """What was found."""

    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """`shards`, `clips` and `frames` that were checked."""
    damaged: list[str] = field(default_factory=list)
    """Shards whose tars are not what their records say."""

    @property
    def counted(self) -> str:
        """The counts as text."""
        return ", ".join(f"{number:,} {name}" for name, number in self.counts.items())


def check_dataset(
    dataset: Dataset,
    *,
    decode: bool = True,
    threads: int = 2,
    shards: Collection[str] | None = None,
    log_file: CheckLog | None = None,
) -> VerifyReport:
    """Check a dataset.

    Args:
        dataset: what to check.
        decode: decode every frame too; most of the time goes there.
        threads: shards at a time.
        shards: read only these, such as those that a job just wrote; tables and splits are checked
            as a whole.
        log_file: keeps what was found in each shard; shards that it has are not read again.

    Raises:
        DatasetError: there is no dataset, or a record of another schema version.
    """
    content = dataset.content()
    spec = ActionSpec.from_dict(content["spec"])
    manifest = dataset.open_manifest()
    bonds = bond_table(manifest)
    report = VerifyReport()
    tables = _Tables(content, manifest, bonds, dataset.dead_letters())
    chosen = [name for name in dataset.committed_shards() if shards is None or name in shards]

    log_file = log_file or CheckLog("", decode=decode)
    removed = dataset.tombstones()

    def check(name: str) -> tuple[CommitRecord, list[str], list[str]]:
        record = dataset.read_commit(name)
        of_tar = log_file.find(record)
        if of_tar is None:
            found = shard_problems(dataset, record, spec, decode=decode) if record.tar else ()
            of_tar = list(found)
            log_file.add(record, of_tar)
        left = [f"{name}: {_STILL_THERE.format(sha)}" for sha in sorted(record.sources & removed)]
        return record, left + list(tables.problems(record)), of_tar

    counts: Counter[str] = Counter(shards=0, clips=0, frames=0)
    total = sum(tables.ticks.get(name, 0) for name in chosen)
    with (
        Progress("Verifying", total=total, unit="ticks") as progress,
        ThreadPoolExecutor(threads) as pool,
    ):
        for record, of_tables, of_tar in pool.map(check, chosen):
            report.problems += of_tables + of_tar
            report.damaged += [record.shard] if of_tar else []
            ticks = sum(row["frames"] for row in record.rows)
            counts.update(shards=1 if record.tar else 0, clips=len(record.rows), frames=ticks)
            progress.advance(ticks, problems=len(report.problems))
    report.problems += tables.counts()
    # Tars before records: a job that runs meanwhile puts a shard's tar in place before its record.
    tars = dataset.tars()
    committed = set(dataset.committed_shards())
    report.problems += tables.without_record(committed)
    report.problems += _unreadable_tables(dataset)
    report.problems += _single_file(dataset, manifest)
    report.problems += leaks(bonds)
    report.problems += _stray_tars(tars, tables.owners(committed))
    report.counts = dict(counts)
    return report


def _stray_tars(tars: Sequence[str], owners: Collection[str]) -> Iterator[str]:
    """Tars that are no shard, though readers of `shards/*.tar` would take them for one."""
    for uri in tars:
        if uri.rsplit("/", 1)[1].removesuffix(".tar") not in owners:
            yield (
                f"{uri}: no commit record tells of it, so it is not part of the dataset, but other "
                "readers would take it for a shard; run the job again where it has not ended, "
                "else delete the file"
            )


def _unreadable_tables(dataset: Dataset) -> Iterator[str]:
    """Tables that cannot be read; those beside manifest and dead letters are checked no further."""
    for uri in dataset.tables():
        try:
            open_parquet(storage.read_bytes(uri)).close()
        except (ValueError, pa.ArrowException) as error:
            yield f"{uri}: is damaged ({error})"


def _single_file(dataset: Dataset, manifest: Manifest) -> Iterator[str]:
    """Whether `manifest.parquet`, where there is one beside the versions, is the newest of them."""
    uri = dataset.manifest_uri
    if not manifest.version or not storage.exists(uri):
        return
    one = parse_table(storage.read_bytes(uri), MANIFEST_COLUMNS, uri)
    if manifest_hash(one) != manifest_hash(manifest.table(one.column_names)):
        yield f"{uri}: is not version {manifest.version}; run `vidact compact`"


class _Tables:
    """`dataset.json`, the manifest and the dead letters, to be compared with the records.

    The records are the truth.
    """

    def __init__(
        self,
        content: Mapping[str, Any],
        manifest: Manifest,
        bonds: pa.Table,
        letters: pa.Table,
    ):
        self._spec_sha256 = content["spec_sha256"]
        self._times_listed = Counter(shard["name"] for shard in content["shards"])
        self._listed = {shard["name"]: shard for shard in content["shards"]}
        self._counts = content["counts"]
        self._num_letters = len(letters)
        self._letters = {DeadLetter(**row) for row in letters.select(LETTER_COLUMNS).to_pylist()}
        self._manifest = manifest
        self._clips = len(bonds)
        self._sources = len(bonds["source_sha256"].unique())
        groups = bonds.group_by("shard", use_threads=False)
        found = groups.aggregate([("frames", "sum"), ("frames", "count")]).to_pylist()
        self.ticks = {group["shard"]: group["frames_sum"] for group in found}
        """Ticks of the clips of each shard."""
        self._rows = {group["shard"]: group["frames_count"] for group in found}

    def problems(self, record: CommitRecord) -> Iterator[str]:
        """Where the tables differ from a record."""
        shard = record.shard
        if shard not in self._listed:
            advice = "run the job again to compact the tables"
            yield f"{shard}: is committed, but dataset.json does not list it; {advice}"
            return
        if self._times_listed[shard] > 1:
            yield f"{shard}: dataset.json lists it {self._times_listed[shard]} times"
        for letter in record.dead_letters:
            if letter not in self._letters:
                what = f"a dead letter of its commit record ({letter.reason})"
                yield f"{shard}: {what} is missing in the table"
        tar = record.tar or {"sha256": None, "size_bytes": 0}
        for name in ("sha256", "size_bytes"):
            if self._listed[shard][name] != tar[name]:
                yield f"{shard}: {name} of dataset.json is not that of its commit record"
        if record.spec["sha256"] != self._spec_sha256:
            yield f"{shard}: was made under another action spec than the dataset's"
        own: dict[str, dict[str, Any]] = {}
        for listed in self._manifest.rows(shard):
            if listed["key"] in own:
                yield f"{shard} / {listed['key']}: is twice in the manifest"
            own[listed["key"]] = listed
        for row in record.rows:
            if row["key"] not in own:
                yield f"{shard} / {row['key']}: is missing in the manifest"
            else:
                yield from _row_differences(shard, row, own[row["key"]])
        for key in sorted(own.keys() - {row["key"] for row in record.rows}):
            yield f"{shard} / {key}: is in the manifest, but not in the commit record"

    def counts(self) -> Iterator[str]:
        """Where the counts of `dataset.json` are not those of its list of shards and the tables."""
        expected = {
            "shards": len(self._listed),
            "clips": self._clips,
            "ticks": sum(self.ticks.values()),
            "sources": self._sources,
            "dead_letters": self._num_letters,
            "size_bytes": sum(shard["size_bytes"] for shard in self._listed.values()),
        }
        for name, number in expected.items():
            if (got := self._counts.get(name)) != number:
                what = f"expected {number} as in the tables, got {got!r}"
                yield f"dataset.json: counts.{name}: {what}"

    def owners(self, committed: Set[str]) -> set[str]:
        """The shards that have a tar, as far as is known: one not listed yet may have one."""
        return {name for name, shard in self._listed.items() if shard["sha256"]} | set(
            committed - self._listed.keys()
        )

    def without_record(self, committed: Collection[str]) -> Iterator[str]:
        """Shards that the tables list, but that do not exist."""
        for name in sorted(self._listed.keys() - set(committed)):
            yield f"{name}: dataset.json lists it, but it has no commit record; run the job again"
        for name in sorted(self._rows.keys() - set(committed)):
            clips = self._rows[name]
            yield f"{name}: the manifest lists {clips} clips of it, but it has no commit record"


def _row_differences(
    shard: str, expected: Mapping[str, Any], got: Mapping[str, Any]
) -> Iterator[str]:
    for name, a in expected.items():  # numbers are float32 in the manifest, float64 in the record
        b = got.get(name)
        same = abs(a - b) <= 1e-5 if isinstance(a, float) and isinstance(b, float) else a == b
        if not same:
            yield f"{shard} / {expected['key']} / {name}: expected {a!r}, got {b!r} in the manifest"
