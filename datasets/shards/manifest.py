"""The dataset's tables: the manifest and the dead letters, compacted from the commit records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from ...errors import DatasetError, SpecMismatchError
from ..actions.spec import ActionSpec
from .commits import CommitRecord, DeadLetter
from .info import MADE_AGAIN, DatasetInfo, Summary
from .parquet import parse_parquet

MANIFEST_COLUMNS = (
    "key",
    "shard",
    "offset_bytes",
    "size_bytes",
    "frames",
    "start_tick",
    "source_sha256",
    "split",
)
DEAD_LETTER_SCHEMA = pa.schema(
    {
        "source_uri": "string",
        "source_sha256": "string",
        "start_tick": "int64",
        "end_tick": "int64",
        "stage": "string",
        "reason": "string",
        "detail": "string",
    }
)


def manifest_schema(spec: ActionSpec) -> pa.Schema:
    """The columns of `manifest.parquet`, which has a row per clip."""
    return pa.schema(
        {
            "key": "string",
            "shard": "string",
            "offset_bytes": "int64",
            "size_bytes": "int64",
            "frames": "int32",
            "valid_frames": "int32",
            "start_tick": "int64",
            "episode_id": "string",
            "source_uri": "string",
            "source_sha256": "string",
            "group": "string",
            "licence": "string",
            "split": "string",
            "mean_confidence": "float32",
            "p10_confidence": "float32",
            "null_fraction": "float32",
            "presses": pa.struct(dict.fromkeys(spec.button_names, "int32")),
            "filter_score": "float32",
            "label_source": "string",
            "spec_sha256": "string",
            "idm_sha256": "string",
            "sample_crc32": "int64",
        }
    )


@dataclass(frozen=True, slots=True)
class Tables:
    """What is compacted from the commit records."""

    manifest: pa.Table
    dead_letters: pa.Table
    content: dict[str, Any]
    """The content of `dataset.json`."""


def tables_of(records: Iterable[CommitRecord], info: DatasetInfo, dataset: str) -> Tables:
    """Compact the records of a dataset; its name is for errors.

    Raises:
        SpecMismatchError: a shard was made under another spec.
    """
    schema = manifest_schema(info.spec)
    tables = [schema.empty_table()]  # a dataset without clips has a manifest too
    found = set(info.dead_letters)
    summary = Summary(info.spec)
    for record in records:
        if record.spec["sha256"] != info.spec.sha256:
            raise SpecMismatchError(
                f"{dataset}: shard {record.shard} was made under action spec "
                f"{record.spec['name']!r} v{record.spec['version']} "
                f"({record.spec['sha256'][:12]}), the dataset's is {info.spec.name!r} "
                f"v{info.spec.version} ({info.spec.sha256[:12]}); "
                "write shards of another spec into another dataset"
            )
        tables.append(pa.Table.from_pylist([dict(row) for row in record.rows], schema=schema))
        found.update(record.dead_letters)
        summary.add(record)
    letters = sorted(found, key=_letter_order)
    dead = pa.Table.from_pylist([asdict(letter) for letter in letters], schema=DEAD_LETTER_SCHEMA)
    return Tables(pa.concat_tables(tables), dead, summary.content(info, letters))


def parse_table(data: bytes, columns: Sequence[str], uri: str) -> pa.Table:
    """The table in `data`.

    Raises DatasetError, naming its `uri`, where it is damaged or lacks one of the columns.
    """
    try:
        table = parse_parquet(data)
    except (ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{uri}: is damaged ({error}); {MADE_AGAIN}") from error
    if missing := [column for column in columns if column not in table.column_names]:
        raise DatasetError(f"{uri}: lacks the columns {', '.join(missing)}; {MADE_AGAIN}")
    return table


def manifest_hash(table: pa.Table) -> str:
    """Hex SHA-256 of the clips and what lies in them, whatever wrote the parquet file."""
    digest = hashlib.sha256()
    for name in ("key", "shard"):
        digest.update("\n".join(table[name].to_pylist()).encode())
    for name in ("offset_bytes", "size_bytes", "sample_crc32"):
        digest.update(table[name].to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def _letter_order(letter: DeadLetter) -> tuple[str | int, ...]:
    start, end = (-1 if tick is None else tick for tick in (letter.start_tick, letter.end_tick))
    return (
        letter.source_uri,
        start,
        letter.stage,
        letter.reason,
        letter.detail,
        letter.source_sha256 or "",
        end,
    )
