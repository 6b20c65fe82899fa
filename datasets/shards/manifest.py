"""The dataset's tables, compacted from the commit records: `manifest.parquet`, `dead_letters.parquet`, `dataset.json`
and the data card. All of it can be made again from the records at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from ... import storage
from ...errors import DatasetError, SpecError, SpecMismatchError
from ..actions.spec import ActionSpec
from .card import data_card
from .clip import SCHEMA_VERSION
from .commits import DATASET_JSON, SPOOL_FOLDER, DeadLetter, iter_commits
from .info import DatasetInfo, Summary
from .parquet import parquet_bytes, parse_parquet

MANIFEST = "manifest.parquet"
DEAD_LETTERS = "dead_letters.parquet"
CARD = "README.md"

DATASET_KEYS = {"name", "spec", "spec_sha256", "shards", "counts", "labels", "license", "options"}
SHARD_KEYS = ("name", "size_bytes", "sha256")
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
MADE_AGAIN = (
    "run the command again that wrote the dataset: it makes its tables from the commit records"
)

DEAD_LETTER_SCHEMA = pa.schema(
    [
        ("source_uri", pa.string()),
        ("source_sha256", pa.string()),
        ("start_tick", pa.int64()),
        ("end_tick", pa.int64()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def manifest_schema(spec: ActionSpec) -> pa.Schema:
    """Columns of `manifest.parquet`, a row a clip."""
    return pa.schema(
        [
            ("key", pa.string()),
            ("shard", pa.string()),
            ("offset_bytes", pa.int64()),
            ("size_bytes", pa.int64()),
            ("frames", pa.int32()),
            ("valid_frames", pa.int32()),
            ("start_tick", pa.int64()),
            ("episode_id", pa.string()),
            ("source_uri", pa.string()),
            ("source_sha256", pa.string()),
            ("group", pa.string()),
            ("licence", pa.string()),
            ("split", pa.string()),
            ("mean_confidence", pa.float32()),
            ("p10_confidence", pa.float32()),
            ("null_fraction", pa.float32()),
            ("presses", pa.struct([(name, pa.int32()) for name in spec.button_names])),
            ("filter_score", pa.float32()),
            ("label_source", pa.string()),
            ("spec_sha256", pa.string()),
            ("idm_sha256", pa.string()),
            ("sample_crc32", pa.int64()),
        ]
    )


def compact(dataset_uri: str, info: DatasetInfo) -> dict[str, Any]:
    """Write the tables and the card from the commit records; returns the content of `dataset.json`.

    `dataset.json` is written last: where it is newer than the records, the tables are whole.

    Raises:
        SpecMismatchError: a shard was made under another spec.
    """
    schema = manifest_schema(info.spec)
    tables = [schema.empty_table()]
    found = set(info.dead_letters)
    summary = Summary(info.spec)
    for record in iter_commits(dataset_uri):
        if record.spec["sha256"] != info.spec.sha256:
            raise SpecMismatchError(
                f"{dataset_uri}: shard {record.shard} was made under action spec {record.spec['name']!r} "
                f"v{record.spec['version']} ({record.spec['sha256'][:12]}), the dataset's is {info.spec.name!r} "
                f"v{info.spec.version} ({info.spec.sha256[:12]}); write shards of another spec into another dataset"
            )
        tables.append(pa.Table.from_pylist([dict(row) for row in record.rows], schema=schema))
        found.update(record.dead_letters)
        summary.add(record)
    letters = sorted(found, key=_letter_order)
    content = summary.content(info, letters)
    manifest = pa.concat_tables(tables)
    dead = pa.Table.from_pylist([asdict(letter) for letter in letters], schema=DEAD_LETTER_SCHEMA)
    storage.write_atomic(storage.join(dataset_uri, MANIFEST), parquet_bytes(manifest))
    storage.write_atomic(storage.join(dataset_uri, DEAD_LETTERS), parquet_bytes(dead))
    storage.write_atomic(storage.join(dataset_uri, CARD), data_card(content, info.spec).encode())
    _write_dataset_json(dataset_uri, content)
    if local := storage.local_path(dataset_uri):
        with contextlib.suppress(OSError):  # there is none, or a worker still writes in it
            (local / SPOOL_FOLDER).rmdir()
    return content


def read_manifest(dataset_uri: str) -> pa.Table:
    """The manifest. Raises DatasetError where there is none, or a damaged one."""
    return _read_table(dataset_uri, MANIFEST, MANIFEST_COLUMNS)


def read_dead_letters(dataset_uri: str) -> pa.Table:
    """The dead letters. Raises DatasetError where there is no table, or a damaged one."""
    return _read_table(dataset_uri, DEAD_LETTERS, DEAD_LETTER_SCHEMA.names)


def read_dataset_json(dataset_uri: str) -> dict[str, Any]:
    """The content of `dataset.json`. Raises DatasetError where it is missing, damaged or of another schema version."""
    try:
        content = json.loads(_read_part(dataset_uri, DATASET_JSON))
        if not isinstance(content, dict):
            raise ValueError(f"expected an object, got {type(content).__name__}")
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{storage.join(dataset_uri, DATASET_JSON)}: is damaged ({error}); {MADE_AGAIN}"
        ) from error
    if content.get("schema_version") != SCHEMA_VERSION:
        raise DatasetError(
            f"{dataset_uri}: schema version {content.get('schema_version')}, this vidact reads {SCHEMA_VERSION}; "
            "read it with the version that wrote it"
        )
    if missing := DATASET_KEYS - content.keys():
        raise DatasetError(
            f"{storage.join(dataset_uri, DATASET_JSON)}: lacks {', '.join(sorted(missing))}; {MADE_AGAIN}"
        )
    if problem := _content_problem(content):
        raise DatasetError(f"{storage.join(dataset_uri, DATASET_JSON)}: {problem}; {MADE_AGAIN}")
    return content


def _content_problem(content: Mapping[str, Any]) -> str | None:
    """What of a `dataset.json` nobody could read on with."""
    for name in ("spec", "counts", "options"):
        if not isinstance(content[name], Mapping):
            return f"{name} must be an object, got {content[name]!r:.40}"
    try:
        ActionSpec.from_dict(content["spec"])
    except SpecError as error:
        return str(error)
    if not isinstance(content["shards"], list):
        return f"shards must be a list, got {content['shards']!r:.40}"
    for number, shard in enumerate(content["shards"]):
        if not isinstance(shard, Mapping):
            return f"shards[{number}] must be an object, got {shard!r:.40}"
        if missing := [name for name in SHARD_KEYS if name not in shard]:
            return f"shards[{number}] lacks {', '.join(missing)}"
        if not isinstance(shard["name"], str):
            return f"shards[{number}].name must be a string, got {shard['name']!r:.40}"
        if not isinstance(shard["size_bytes"], int):
            return f"shards[{number}].size_bytes must be a whole number, got {shard['size_bytes']!r:.40}"
    return None


def dataset_spec(dataset_uri: str) -> ActionSpec:
    """The action spec of a dataset."""
    return ActionSpec.from_dict(read_dataset_json(dataset_uri)["spec"])


def _write_dataset_json(dataset_uri: str, content: Mapping[str, Any]) -> None:
    # not sorted: the order of a spec's buttons counts
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    storage.write_atomic(storage.join(dataset_uri, DATASET_JSON), text.encode())


def note_removed(dataset_uri: str, removed: Sequence[str]) -> None:
    """Say in `dataset.json` what is being removed: an interrupted removal is not forgotten."""
    content = read_dataset_json(dataset_uri)
    _write_dataset_json(
        dataset_uri, content | {"options": {**content["options"], "removed": list(removed)}}
    )


def removed_sources(dataset_uri: str) -> list[str]:
    """Digests of what `vidact remove` took out of a dataset; none where there is no dataset yet."""
    if not storage.exists(storage.join(dataset_uri, DATASET_JSON)):
        return []
    return list(read_dataset_json(dataset_uri)["options"].get("removed", []))


def manifest_hash(table: pa.Table) -> str:
    """Hex SHA-256 of which clips there are and what lies in them, whatever wrote the parquet file."""
    digest = hashlib.sha256()
    for name in ("key", "shard"):
        digest.update("\n".join(table[name].to_pylist()).encode())
    for name in ("offset_bytes", "size_bytes", "sample_crc32"):
        digest.update(table[name].to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def _read_table(dataset_uri: str, name: str, columns: Sequence[str]) -> pa.Table:
    uri = storage.join(dataset_uri, name)
    try:
        table = parse_parquet(_read_part(dataset_uri, name))
    except (ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{uri}: is damaged ({error}); {MADE_AGAIN}") from error
    if missing := [column for column in columns if column not in table.column_names]:
        raise DatasetError(f"{uri}: lacks the columns {', '.join(missing)}; {MADE_AGAIN}")
    return table


def _read_part(dataset_uri: str, name: str) -> bytes:
    try:
        return storage.read_bytes(storage.join(dataset_uri, name))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{dataset_uri}: no {name}; a dataset is what `vidact label` or `vidact pack` wrote with --out, and it has "
            "its tables when that command has ended (run it again to go on); recordings become one by `vidact pack`"
        ) from error


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
