"""`vidact verify`: does a dataset hold what it says? One problem is one line that names shard, clip and field.

Shards are read once from end to end: hash, place and checksum of every sample, every label array against the spec, the
lineage against the manifest, and every frame. Then the manifest alone tells whether splits leak.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .. import storage
from ..progress import Progress
from .actions import ActionSpec
from .commits import CommitRecord, read_commits, shard_uri
from .config import VerifyConfig
from .leaks import leaks
from .manifest import read_dataset_json, read_manifest
from .shard_checks import shard_problems

SHOWN_PROBLEMS = 100  # of a broken dataset; the count says how many there are


@dataclass(slots=True)
class VerifyReport:
    """What was found."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is odd but does no harm: tars without a record."""
    counts: dict[str, int] = field(default_factory=dict)
    """`shards`, `clips` and `frames` that were checked."""


def run_verify(config: VerifyConfig) -> int:
    """Print what is wrong with a dataset; 0 where nothing is, else 1."""
    report = verify(config.dataset, decode=config.decode, threads=config.threads)
    for line in report.notes:
        print(f"note: {line}")
    for line in report.problems[:SHOWN_PROBLEMS]:
        print(line)
    if len(report.problems) > SHOWN_PROBLEMS:
        print(f"… and {len(report.problems) - SHOWN_PROBLEMS:,} more")
    counts = ", ".join(f"{number:,} {name}" for name, number in report.counts.items())
    print(f"{config.dataset}: checked {counts}: {len(report.problems):,} problems")
    return 1 if report.problems else 0


def verify(
    dataset_uri: str, *, decode: bool = True, threads: int = 2, shards: Collection[str] | None = None
) -> VerifyReport:
    """Check a dataset.

    Args:
        dataset_uri: the dataset.
        decode: decode every frame too; most of the time goes there.
        threads: shards at a time.
        shards: read only these, such as those that a job just wrote; tables and splits are checked as a whole.

    Raises:
        DatasetError: there is no dataset, or a record of another schema version.
    """
    content = read_dataset_json(dataset_uri)
    spec = ActionSpec.from_dict(content["spec"])
    records = read_commits(dataset_uri)
    rows = read_manifest(dataset_uri).to_pylist()
    report = VerifyReport()
    report.problems += _table_problems(content, records, rows)
    chosen = [record for record in records if record.tar and (shards is None or record.shard in shards)]
    total = sum(row["frames"] for record in chosen for row in record.rows)

    def check(record: CommitRecord) -> list[str]:
        return list(shard_problems(dataset_uri, record, spec, decode=decode))

    with Progress("Verifying", total=total, unit="ticks") as progress, ThreadPoolExecutor(threads) as pool:
        for record, problems in zip(chosen, pool.map(check, chosen), strict=True):
            report.problems += problems
            progress.advance(sum(row["frames"] for row in record.rows), problems=len(report.problems))
    report.problems += leaks(rows)
    known = {shard_uri(dataset_uri, record.shard) for record in records if record.tar}
    report.notes += [
        f"{uri}: has no commit record, so it is not part of the dataset; its job has not ended, or it may be deleted"
        for uri in storage.list_files(storage.join(dataset_uri, "shards"), ".tar")
        if uri not in known
    ]
    report.counts = {"shards": len(chosen), "clips": sum(len(record.rows) for record in chosen), "frames": total}
    return report


def _table_problems(
    content: Mapping[str, Any], records: Sequence[CommitRecord], rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Where `dataset.json` and the manifest differ from the records, which are the truth."""
    listed = {shard["name"]: shard for shard in content["shards"]}
    committed = {record.shard: record for record in records}
    for name in sorted(listed.keys() - committed.keys()):
        yield f"{name}: dataset.json lists it, but it has no commit record; run the job again"
    for name in sorted(committed.keys() - listed.keys()):
        yield f"{name}: is committed, but dataset.json does not list it; run the job again to compact the tables"
    of_shard: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["key"] in of_shard.setdefault(row["shard"], {}):
            yield f"{row['shard']} / {row['key']}: is twice in the manifest"
        of_shard[row["shard"]][row["key"]] = row
    for name in sorted(of_shard.keys() - committed.keys()):
        yield f"{name}: the manifest lists {len(of_shard[name])} clips of it, but it has no commit record"
    for record in records:
        if record.shard not in listed:
            continue
        tar = record.tar or {"sha256": None, "size_bytes": 0}
        for field_name in ("sha256", "size_bytes"):
            if listed[record.shard][field_name] != tar[field_name]:
                yield f"{record.shard}: {field_name} of dataset.json is not that of its commit record"
        if record.spec["sha256"] != content["spec_sha256"]:
            yield f"{record.shard}: was made under another action spec than the dataset's"
        own = of_shard.get(record.shard, {})
        for row in record.rows:
            if row["key"] not in own:
                yield f"{record.shard} / {row['key']}: is missing in the manifest"
            else:
                yield from _row_differences(record.shard, row, own[row["key"]], row)
        for key in sorted(own.keys() - {row["key"] for row in record.rows}):
            yield f"{record.shard} / {key}: is in the manifest, but not in the commit record"


def _row_differences(
    shard: str, expected: Mapping[str, Any], got: Mapping[str, Any], names: Collection[str]
) -> Iterator[str]:
    for name in names:
        a, b = expected[name], got[name]
        same = abs(a - b) <= 1e-5 if isinstance(a, float) and isinstance(b, float) else a == b
        if not same:
            yield f"{shard} / {expected['key']} / {name}: expected {a!r}, got {b!r} in the manifest"
