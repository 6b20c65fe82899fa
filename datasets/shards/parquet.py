"""Parquet tables of up to some million rows, read and rearranged in this thread alone.

Arrow's own threads are not used, and never get hold of a Python object: one that lets go of such an
object while the process ends waits for an interpreter that is gone, and aborts it ("terminate
called without an active exception"), which on a busy machine turned the exit code of every third
command into 134. Tables here are small beside the shards, so nothing is lost.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "in": lambda column, values: pc.is_in(column, value_set=pa.array(list(values))),
    "not in": lambda column, values: pc.invert(pc.is_in(column, value_set=pa.array(list(values)))),
}

BATCH_ROWS = 1 << 15  # 60 MB where every column is read


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as a parquet file; the same rows give the same bytes."""
    buffer = io.BytesIO()
    pq.write_table(table.combine_chunks(), buffer, compression="zstd")
    return buffer.getvalue()


def open_parquet(data: bytes) -> pq.ParquetFile:
    """A parquet file's bytes, to be read with `use_threads=False`."""
    own = pa.BufferOutputStream()  # a copy in Arrow's memory
    own.write(data)
    return pq.ParquetFile(pa.BufferReader(own.getvalue()), pre_buffer=False)


def parse_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a parquet file's bytes."""
    with open_parquet(data) as file:
        return file.read(columns=columns, use_threads=False)


def parquet_batches(
    data: bytes, columns: Sequence[str] | None = None
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """The schema of a parquet file, and its rows some thousand at a time, at least one batch.

    Args:
        data: the file's bytes.
        columns: which columns the batches have; all by default, in the file's order.
    """
    file = open_parquet(data)
    schema = file.schema_arrow

    def batches() -> Iterator[pa.Table]:
        with file:
            names = [name for name in schema.names if columns is None or name in columns]
            empty = True
            for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                empty = False
                yield pa.Table.from_batches([batch])
            if empty:
                yield schema.empty_table().select(names)

    return schema, batches()


def sort_rows(table: pa.Table, *columns: str) -> pa.Table:
    """The rows in rising order of the columns, the first of which counts most."""
    return table.take(
        pc.sort_indices(table, sort_keys=[(column, "ascending") for column in columns])
    )


def rows_where(table: pa.Table, column: str, comparison: str, value: Any) -> pa.Table:
    """The rows for which `column comparison value` holds; a null never passes.

    Args:
        table: the table.
        column: its name, or `struct.member`.
        comparison: one of OPERATORS.
        value: to compare with; a collection for `in` and `not in`.

    Raises:
        ValueError, TypeError, pyarrow.ArrowException: an unknown operator, or a value that does not
        compare.
    """
    if comparison not in OPERATORS:
        raise ValueError(f"operator {comparison!r} is none of {', '.join(OPERATORS)}")
    return table.filter(pc.fill_null(OPERATORS[comparison](column_of(table, column), value), False))


def column_of(table: pa.Table, column: str) -> pa.ChunkedArray:
    """The values of a column, or of `struct.member`."""
    name, _, member = column.partition(".")
    return pc.struct_field(table[name], member) if member else table[name]


def group_rows(table: pa.Table, by: str | Sequence[str], column: str, function: str) -> pa.Table:
    """One row per group, with the aggregate as `<column>_<function>`."""
    return table.group_by(by, use_threads=False).aggregate([(column, function)])
