"""`sources.parquet` and `plan.parquet` as rows of dataclasses, written and read a batch at a time.

A plan of 100,000 sources has millions of segments: as one Arrow table, or as dicts, they would take
gigabytes. Arrow's threads are not used, see `datasets/shards/parquet.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ...datasets.shards.parquet import open_parquet
from .layout import Segment
from .probe import SourceRecord

Row = TypeVar("Row", Segment, SourceRecord)
ARROW_TYPES = {"str": "string", "int": "int64", "float": "float64"}
BATCH_ROWS = 1 << 16


def rows_to_parquet(rows: Sequence[Row], kind: type[Row], metadata: Mapping[str, str]) -> bytes:
    """A table with a column for each field of `kind`; the same rows give the same bytes."""
    types = {field.name: ARROW_TYPES[str(field.type)] for field in fields(kind)}
    schema = pa.schema(types, metadata=dict(metadata))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for start in range(0, len(rows), BATCH_ROWS):
            some = rows[start : start + BATCH_ROWS]
            columns = [
                pa.array([getattr(row, field.name) for row in some], field.type) for field in schema
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return sink.getvalue()


def rows_from_parquet(
    data: bytes, kind: type[Row], keep: Callable[[pa.RecordBatch], pa.Array] | None = None
) -> tuple[tuple[Row, ...], dict[str, str]]:
    """The rows of a table, and its metadata. Columns that `kind` does not have are passed over.

    Args:
        keep: says which rows of a batch are wanted; all unless given.
    """
    same: dict[Any, Any] = {}
    rows: list[Row] = []
    with open_parquet(data) as file:
        names = [f.name for f in fields(kind) if f.name in file.schema_arrow.names]
        for found in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
            batch = found if keep is None else found.filter(keep(found))
            columns = [_values(batch.column(name), same) for name in names]
            rows += [
                kind(**dict(zip(names, values, strict=True)))
                for values in zip(*columns, strict=True)
            ]
        metadata = file.schema_arrow.metadata or {}
    return tuple(rows), {key.decode(): value.decode() for key, value in metadata.items()}


def _values(column: pa.Array, same: dict[Any, Any]) -> list[Any]:
    """A column as Python values; equal texts and whole numbers are one object, since a source's URI
    and length stand in each of its segments.
    """
    values = column.to_pylist()
    if pa.types.is_floating(column.type):  # 1.0 would become 1
        return values
    return [same.setdefault(value, value) for value in values]
