"""The manifest: a row for each clip of a dataset, in parts of some thousand rows.

A part covers the shards of one split whose numbers lie in one block; a version is a list of parts
(`versions.py`). Datasets of before have one table, `manifest.parquet`, and no versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ... import storage
from ...errors import DatasetError
from ..actions.spec import ActionSpec
from .commits import SHARD_NAME
from .info import MADE_AGAIN
from .parquet import parquet_batches, rows_where

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
HASHED_NUMBERS = ("offset_bytes", "size_bytes", "sample_crc32")
HASHED_ROWS = 1 << 16
# About 22,000 clips and 2 MB a part: what one change of a shard costs to write again, and what
# is in memory at a time.
BLOCK_SHARDS = 64
ANY = "any"  # in the place of a source's digest


def manifest_schema(spec: ActionSpec) -> pa.Schema:
    """The columns of the manifest, which has a row per clip."""
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


def part_of_shard(shard: str) -> str:
    """The name of the part that holds a shard's clips: `train-00130` lies in `train-00002`."""
    match = SHARD_NAME.fullmatch(shard)
    if match is None:
        raise DatasetError(f"shard name {shard!r}: expected <split>-<nnnnn>, such as train-00000")
    return f"{match[1]}-{int(match[2]) // BLOCK_SHARDS:05d}"


class Manifest:
    """One version of a manifest, read part by part: memory holds one at a time.

    Args:
        uris: where its parts lie, by name. Of a dataset of before it is `{"": manifest.parquet}`.
        shards: size and hash of each shard, by name.
        version: its name; empty where the dataset has none.
        summary: what the shards of a part add up to, by the part's name; None where nobody knows.
    """

    def __init__(
        self,
        uris: Mapping[str, str],
        shards: Mapping[str, Mapping[str, Any]],
        version: str = "",
        summary: Callable[[str], Mapping[str, Any] | None] = lambda name: None,
    ):
        self.uris, self.shards, self.version = dict(uris), shards, version
        self._summary = summary
        self._last: tuple[str, pa.Table] | None = None
        self._parts_of: dict[str, list[str]] | None = None

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of these columns (all by default), some thousand at a time.

        Raises DatasetError where a part is missing or damaged, or lacks a column.
        """
        for uri in self.uris.values():
            yield from read_part(uri, columns)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows as one table: for few columns, or small datasets."""
        return pa.concat_tables(self.batches(columns))

    def column_names(self) -> list[str]:
        """The names of all columns."""
        return next(self.batches()).column_names

    def rows(self, shard: str) -> list[dict[str, Any]]:
        """The rows of a shard, in the order of its tar."""
        name = part_of_shard(shard) if "" not in self.uris else ""
        return rows_where(self._part(name), "shard", "==", shard).to_pylist()

    def source_rows(self, sha256: str) -> list[dict[str, Any]]:
        """The rows of a source, by the digest of its content, from the parts that have any."""
        return [
            row
            for name in self._parts_with(sha256)
            for row in rows_where(self._part(name), "source_sha256", "==", sha256).to_pylist()
        ]

    def whole_rows(self, clips: pa.Table) -> list[dict[str, Any]]:
        """All columns of some clips, in their order; read with the parts of their shards alone.

        Args:
            clips: has the columns `key` and `shard`.
        """
        shards = dict(zip(clips["key"].to_pylist(), clips["shard"].to_pylist(), strict=True))
        found = {
            row["key"]: row
            for shard in sorted(set(shards.values()))
            for row in self.rows(shard)
            if shards.get(row["key"]) == shard
        }
        return [found[key] for key in shards]

    def _parts_with(self, sha256: str) -> list[str]:
        """The names of the parts that may have clips of a source."""
        if "" in self.uris:
            return [""]
        if self._parts_of is None:
            self._parts_of = {}
            for name in self.uris:
                summary = self._summary(name)
                # Of a part that has lost its summary nobody knows: any source may be there.
                own = [{ANY}] if summary is None else summary["sources"].values()
                for source in {source for of_split in own for source in of_split}:
                    self._parts_of.setdefault(source, []).append(name)
        return sorted({*self._parts_of.get(sha256, ()), *self._parts_of.get(ANY, ())})

    def _part(self, name: str) -> pa.Table:
        """All rows of a part. The last that was read is kept: shards are asked for in order."""
        last = self._last
        if last is None or last[0] != name:
            batches = read_part(self.uris[name]) if name in self.uris else ()
            last = name, pa.concat_tables(batches)
            self._last = last  # one assignment: several threads may ask
        return last[1]


def read_part(uri: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a part, or of the whole manifest of a dataset of before, in some batches.

    Raises DatasetError, naming the file, where it is missing, damaged or lacks a column.
    """
    try:
        data = storage.read_bytes(uri)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(f"{uri}: is missing; {MADE_AGAIN}") from error
    yield from parse_batches(data, columns, MANIFEST_COLUMNS, uri)


def parse_batches(
    data: bytes, columns: Sequence[str] | None, needed: Sequence[str], uri: str
) -> Iterator[pa.Table]:
    """The rows of the table in `data`, one empty batch where it has none.

    Raises DatasetError, naming its `uri`, where it is damaged or lacks one of the columns that
    are `needed`.
    """
    try:
        schema, batches = parquet_batches(data, columns)
        if missing := [name for name in needed if name not in schema.names]:
            raise DatasetError(f"{uri}: lacks the columns {', '.join(missing)}; {MADE_AGAIN}")
        yield from batches
    except (ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{uri}: is damaged ({error}); {MADE_AGAIN}") from error


def parse_table(data: bytes, columns: Sequence[str], uri: str) -> pa.Table:
    """The table in `data`; raises as `parse_batches` does."""
    return pa.concat_tables(parse_batches(data, None, columns, uri))


def manifest_hash(table: pa.Table) -> str:
    """Hex SHA-256 of the clips and what lies in them, whatever wrote the parquet file."""
    shards = table["shard"].combine_chunks().dictionary_encode()
    return clips_hash(
        table["key"].to_numpy(zero_copy_only=False).astype("S"),
        shards.indices.to_numpy(),
        shards.dictionary.to_pylist(),
        [table[name].to_numpy() for name in HASHED_NUMBERS],
    )


def clips_hash(
    keys: NDArray[np.bytes_],
    shards: NDArray[np.integer[Any]],
    names: Sequence[str],
    numbers: Sequence[NDArray[np.integer[Any]]],
) -> str:
    """`manifest_hash` of columns of N clips.

    Args:
        keys: [N].
        shards: [N]: the place of the shard's name in `names`.
        names: of shards.
        numbers: HASHED_NUMBERS, [N] each.
    """
    digest = hashlib.sha256()
    # Text a piece at a time: a Python object for each of ten million keys takes half a gigabyte.
    places = range(0, len(keys), HASHED_ROWS)
    for place in places:
        digest.update(b"\n" if place else b"")
        digest.update(b"\n".join(keys[place : place + HASHED_ROWS].tolist()))
    encoded = [name.encode() for name in names]
    for place in places:
        digest.update(b"\n" if place else b"")
        codes = shards[place : place + HASHED_ROWS].tolist()
        digest.update(b"\n".join([encoded[code] for code in codes]))
    for column in numbers:
        for place in places:
            digest.update(column[place : place + HASHED_ROWS].astype("<i8").tobytes())
    return digest.hexdigest()
