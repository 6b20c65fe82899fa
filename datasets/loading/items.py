"""The clips, or pieces of clips, that a loader draws from: the manifests, filtered and sorted.

Kept as columns (about 150 bytes per clip), since a thousand hours are half a million clips on each
rank.
"""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...errors import ConfigError, DatasetError
from ..actions.spec import ActionSpec
from ..shards.dataset import Dataset
from ..shards.manifest import manifest_hash
from ..shards.parquet import column_of, rows_where, sort_rows
from .order import Index, Items

ORDERS = ("clips", "episodes")
COLUMNS = [
    "key",
    "shard",
    "offset_bytes",
    "size_bytes",
    "sample_crc32",
    "frames",
    "start_tick",
    "episode_id",
]
Filter = tuple[str, str, Any]
FEW = 5  # values of a column that an error lists
DENSE = 0.5  # read a block in one go where at least this share of its bytes is wanted


class Columns:
    """The columns of a manifest that loading needs.

    To look up a row takes 10 microseconds, a tenth of what it takes in the table itself.

    Beside the manifest's own columns there are `block_start` and `block_end`: the bytes to fetch at
    once.
    """

    def __init__(self, table: pa.Table):
        self.names: dict[str, pa.Array] = {name: _joined(table[name]) for name in ("key", "shard")}
        numbers = ("offset_bytes", "size_bytes", "sample_crc32", "block_start", "block_end")
        self.numbers = {name: _column(table, name) for name in numbers}

    def row(self, index: int) -> dict[str, Any]:
        """The row of a clip by its number."""
        return {
            **{name: column[index].as_py() for name, column in self.names.items()},
            **{name: int(column[index]) for name, column in self.numbers.items()},
        }


@dataclass(slots=True)
class ClipItems:
    """All items of a loader."""

    spec: ActionSpec
    manifest: str
    """Hash of what the items are, over all datasets."""
    index: Items
    rows: Index
    """int64 [N]: the row of an item in the table of its dataset."""
    starts: Index
    """int64 [N]: the item's first tick, counted in its clip."""
    tables: list[Columns]
    """The manifest's rows that passed, for each dataset."""
    shards: list[dict[str, Mapping[str, Any]]]
    """The shards of `dataset.json` by name, for each dataset."""

    def locate(self, item: int) -> tuple[int, dict[str, Any], int, int]:
        """Dataset number, manifest row, first tick in the clip and number of ticks of an item."""
        number = int(self.index.dataset[item])
        ticks = int(self.index.end[item] - self.index.begin[item])
        return number, self.tables[number].row(int(self.rows[item])), int(self.starts[item]), ticks

    def mean_size_bytes(self) -> int:
        """Mean size of a clip in its shard."""
        sizes = np.concatenate([table.numbers["size_bytes"] for table in self.tables])
        return int(sizes.mean()) if len(sizes) else 0

    def key(self, item: int) -> str:
        """The key of an item's clip."""
        return self.tables[int(self.index.dataset[item])].names["key"][int(self.rows[item])].as_py()


def read_items(
    datasets: Sequence[Dataset],
    conditions: Sequence[Filter],
    *,
    ticks: int,
    order: str,
    block_clips: int,
) -> ClipItems:
    """Read the manifests and lay out items.

    Raises:
        ConfigError: a filter names an unknown column or operator.
        DatasetError: a dataset has no manifest, or one that does not fit its `dataset.json`.
        SpecMismatchError: two datasets have different specs.
    """
    specs, tables, shards, columns, hashes = [], [], [], [], []
    for number, dataset in enumerate(datasets):
        content = dataset.content()
        specs.append(ActionSpec.from_dict(content["spec"]))
        specs[0].require_same(specs[-1], f"dataset {dataset}")
        names = {shard["name"]: shard for shard in content["shards"]}
        table = _filtered(dataset, conditions)
        if unknown := set(table["shard"].unique().to_pylist()) - set(names):
            raise DatasetError(
                f"{dataset}: the manifest lists shard {min(unknown)}, dataset.json does not; "
                "the job that writes the dataset has not ended: run it again"
            )
        table = sort_rows(table, "shard", "offset_bytes")
        runs = _block_runs(_codes(table["shard"]), block_clips)
        table = _with_block_ranges(table, runs)
        if order == "episodes":
            table = sort_rows(table, "episode_id", "start_tick")
            runs = _codes(table["episode_id"])
        tables.append(Columns(table))
        shards.append(names)
        hashes.append(manifest_hash(table))
        columns.append(_pieces(table, runs, ticks, number))
    dataset_number, run, begin, end, rows, starts = np.concatenate(columns, axis=1)  # (6, N)
    return ClipItems(
        spec=specs[0],
        manifest=hashlib.sha256(":".join(hashes).encode()).hexdigest(),
        index=Items(dataset_number, run, begin, end),
        rows=rows,
        starts=starts,
        tables=tables,
        shards=shards,
    )


def _filtered(dataset: Dataset, conditions: Sequence[Filter]) -> pa.Table:
    """The manifest's rows that pass, in the columns that loading needs."""
    table = dataset.manifest()
    for condition in conditions:
        if len(condition) != 3 or str(condition[0]).split(".")[0] not in table.column_names:
            raise ConfigError(
                f"filter {condition!r}: expected (column, operator, value) with a column "
                f"of the manifest: {', '.join(table.column_names)}"
            )
        try:
            table = rows_where(table, *condition)
        except (ValueError, TypeError, pa.ArrowException) as error:
            raise ConfigError(
                f"filter {condition!r} does not fit the manifest of {dataset}: {error}"
            ) from error
    return table.select(COLUMNS)


def conditions_of(split: str | None, filters: Sequence[Filter]) -> list[Filter]:
    """What clips must meet. Values that can be gone through only once are kept for all datasets."""
    conditions: list[Filter] = [("split", "==", split)] if split is not None else []
    for condition in filters:
        kept = (list(part) if isinstance(part, Iterator) else part for part in condition)
        # Not checked here: what is wrong with a condition is said with the manifest at hand.
        conditions.append(cast(Filter, tuple(kept)))
    return conditions


def emptied_by(dataset: Dataset, conditions: Sequence[Filter]) -> str:
    """Say which of the conditions is the first that leaves no clip, for an error.

    The text names what the manifest has instead; it is empty where clips are left.
    """
    table = dataset.manifest()
    for column, comparison, value in conditions:
        left = rows_where(table, column, comparison, value)
        if len(table) and not len(left):
            wanted = f"{column} {comparison} {reprlib.repr(value)}"
            return f"; no clip of {dataset} has {wanted}: there it is {_spread(table, column)}"
        table = left
    return ""


def _spread(table: pa.Table, column: str) -> str:
    """Describe a column's values: all where they are few, else the least and the greatest."""
    values = column_of(table, column)
    distinct = pc.unique(values)
    if len(distinct) <= FEW:
        return " or ".join(map(repr, distinct.sort().to_pylist()))
    ends = pc.min_max(values).as_py()
    return f"from {ends['min']!r} to {ends['max']!r}"


def _column(table: pa.Table, name: str) -> Index:
    return table[name].to_numpy().astype(np.int64)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _codes(names: pa.ChunkedArray) -> Index:
    """int64: a number for each distinct name."""
    return names.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def _block_runs(shard: Index, block_clips: int) -> Index:
    """int64 [N]: the block of each row. `shard`, the number of its shard, must be in stretches."""
    if not len(shard):
        return shard
    borders = np.flatnonzero(np.diff(shard, prepend=shard[0] - 1))  # the first row of each shard
    place = np.arange(len(shard)) - np.repeat(borders, np.diff(np.append(borders, len(shard))))
    return np.cumsum(place % block_clips == 0) - 1


def _with_block_ranges(table: pa.Table, block: Index) -> pa.Table:
    """Add the range of bytes to fetch for each row.

    It is the range of its block, or its own where filters left holes in the block.
    """
    start = _column(table, "offset_bytes")
    end = start + _column(table, "size_bytes")
    if len(block):
        borders = np.flatnonzero(np.diff(block, prepend=-1))
        block_start = np.minimum.reduceat(start, borders)[block]
        block_end = np.maximum.reduceat(end, borders)[block]
        dense = np.add.reduceat(end - start, borders)[block] >= DENSE * (block_end - block_start)
        start, end = np.where(dense, block_start, start), np.where(dense, block_end, end)
    return table.append_column("block_start", pa.array(start)).append_column(
        "block_end", pa.array(end)
    )


def _pieces(table: pa.Table, run: Index, ticks: int, number: int) -> Index:
    """int64 [6, items]: dataset, run, begin and end in the source, row, start in the clip.

    A clip longer than `ticks` gives several items.
    """
    frames, begin = _column(table, "frames"), _column(table, "start_tick")
    pieces = -(-frames // ticks)
    row = np.repeat(np.arange(len(frames)), pieces)
    start = (np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * ticks
    end = np.minimum(start + ticks, frames[row])
    return np.stack(
        [np.full(len(row), number), run[row], begin[row] + start, begin[row] + end, row, start]
    )
