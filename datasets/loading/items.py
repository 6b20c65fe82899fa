"""The clips, or pieces of clips, that a loader draws from: the manifests, filtered and sorted.

They are read a part of a manifest at a time and kept as columns of the narrowest types, about 90
bytes per clip, since ten thousand hours are five million clips on each rank.
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
from numpy.typing import NDArray

from ...errors import ConfigError, DatasetError
from ..actions.spec import ActionSpec
from ..shards.dataset import Dataset
from ..shards.manifest import Manifest, clips_hash
from ..shards.parquet import column_of, rows_where
from .order import Index, Items

ORDERS = ("clips", "episodes")
NUMBERS: Mapping[str, type[np.generic]] = {
    "offset_bytes": np.int64,
    "size_bytes": np.int32,  # of a clip
    "sample_crc32": np.uint32,
    "frames": np.int16,
    "start_tick": np.int32,  # a key has nine digits for it
}
Filter = tuple[str, str, Any]
FEW = 5  # values of a column that an error lists
DENSE = 0.5  # read a block in one go where at least this share of its bytes is wanted


@dataclass(slots=True)
class Columns:
    """What loading needs of N clips of a manifest.

    To look up a row takes 10 microseconds, a tenth of what it takes in a table.
    """

    keys: NDArray[np.bytes_]
    """[N]."""
    shards: NDArray[np.int32]
    """[N]: the place of the shard's name in `names`."""
    names: list[str]
    """Of the shards."""
    numbers: dict[str, NDArray[np.integer[Any]]]
    """[N] by the name of the column: NUMBERS."""
    blocks: NDArray[np.int32]
    """[N]: which block a clip is fetched with; -1 where it is fetched alone."""
    block_starts: Index
    """int64 [blocks]: the first byte of each."""
    block_ends: Index
    """int64 [blocks]: the byte after its last."""

    def __len__(self) -> int:
        return len(self.keys)

    def row(self, index: int) -> dict[str, Any]:
        """The manifest's row of a clip by its number, as far as it is kept.

        Beside the manifest's own columns there are `block_start` and `block_end`: the bytes to
        fetch at once.
        """
        row: dict[str, Any] = {name: int(column[index]) for name, column in self.numbers.items()}
        block = int(self.blocks[index])
        start = row["offset_bytes"]
        end = start + row["size_bytes"]
        if block >= 0:
            start, end = int(self.block_starts[block]), int(self.block_ends[block])
        row |= {"key": self.key(index), "shard": self.names[self.shards[index]]}
        return row | {"block_start": start, "block_end": end}

    def key(self, index: int) -> str:
        """The key of a clip by its number."""
        return self.keys[index].decode()

    def hash(self) -> str:
        """The hash of the clips, as `manifest_hash` has it."""
        hashed = [self.numbers[name] for name in ("offset_bytes", "size_bytes", "sample_crc32")]
        return clips_hash(self.keys, self.shards, self.names, hashed)

    def take(self, order: Index) -> None:
        """Put the clips into another order."""
        self.keys, self.shards = self.keys[order], self.shards[order]
        for name in self.numbers:  # one at a time: each is copied
            self.numbers[name] = self.numbers[name][order]
        self.blocks = self.blocks[order]


@dataclass(slots=True)
class ClipItems:
    """All items of a loader."""

    spec: ActionSpec
    manifest: str
    """Hash of what the items are, over all datasets."""
    index: Items
    rows: NDArray[np.int32]
    """[N]: the row of an item in the table of its dataset."""
    starts: NDArray[np.int16]
    """[N]: the item's first tick, counted in its clip."""
    tables: list[Columns]
    """The manifest's rows that passed, for each dataset."""
    manifests: list[Manifest]
    """The version of each dataset, with the size and hash of its shards."""

    def locate(self, item: int) -> tuple[int, dict[str, Any], int, int]:
        """Dataset number, manifest row, first tick in the clip and number of ticks of an item."""
        number = int(self.index.dataset[item])
        ticks = int(self.index.end[item] - self.index.begin[item])
        return number, self.tables[number].row(int(self.rows[item])), int(self.starts[item]), ticks

    def mean_size_bytes(self) -> int:
        """Mean size of a clip in its shard."""
        total = sum(int(table.numbers["size_bytes"].sum(dtype=np.int64)) for table in self.tables)
        return total // max(sum(map(len, self.tables)), 1)

    def shard_bytes(self, number: int) -> int:
        """Bytes of all shards of a dataset that hold any of its clips."""
        shards = self.manifests[number].shards
        return sum(int(shards[name]["size_bytes"]) for name in self.tables[number].names)

    def key(self, item: int) -> str:
        """The key of an item's clip."""
        return self.tables[int(self.index.dataset[item])].key(int(self.rows[item]))


def read_items(
    datasets: Sequence[Dataset],
    conditions: Sequence[Filter],
    *,
    ticks: int,
    order: str,
    block_clips: int,
    versions: Sequence[str],
) -> ClipItems:
    """Read the manifests and lay out items.

    Args:
        versions: of the manifest of each dataset; "" for the newest.

    Raises:
        ConfigError: a filter names an unknown column or operator.
        DatasetError: a dataset has no manifest, or not this version, or one that does not fit its
            `dataset.json`.
        SpecMismatchError: two datasets have different specs.
    """
    specs, tables, manifests, columns = [], [], [], []
    for number, (dataset, version) in enumerate(zip(datasets, versions, strict=True)):
        specs.append(dataset.spec())
        specs[0].require_same(specs[-1], f"dataset {dataset}")
        manifest = dataset.open_manifest(version)
        named = "episode_id" if order == "episodes" else ""
        table, episodes, _ = filtered(dataset, manifest, conditions, named=named)
        if unknown := set(table.names) - manifest.shards.keys():
            raise DatasetError(
                f"{dataset}: the manifest lists shard {min(unknown)}, dataset.json does not; "
                "the job that writes the dataset has not ended: run it again"
            )
        runs = _block_runs(table.shards, block_clips)
        _set_blocks(table, runs)
        if episodes is not None:
            by_episode = np.lexsort((table.numbers["start_tick"], episodes))
            table.take(by_episode)
            runs = episodes[by_episode]
        tables.append(table)
        manifests.append(manifest)
        columns.append(_pieces(table, runs, ticks, number))
        pa.default_memory_pool().release_unused()  # else it keeps what the largest part took
    digest = ":".join(table.hash() for table in tables)
    dataset_number, run, begin, end, rows, starts = (
        parts[0] if len(parts) == 1 else np.concatenate(parts)
        for parts in zip(*columns, strict=True)
    )
    return ClipItems(
        spec=specs[0],
        manifest=hashlib.sha256(digest.encode()).hexdigest(),
        index=Items(dataset_number, run, begin, end),
        rows=rows,
        starts=starts,
        tables=tables,
        manifests=manifests,
    )


def filtered(
    dataset: Dataset,
    manifest: Manifest,
    conditions: Sequence[Filter],
    *,
    named: str = "",
) -> tuple[Columns, Index | None, list[str]]:
    """The manifest's rows that pass, sorted by shard and place in it.

    Args:
        dataset: for errors.
        manifest: of it.
        conditions: all of which must hold.
        named: a column of names that is wanted beside, if any.

    Returns:
        The rows; of the column `named`, int64 [N], the place of each row's name among the sorted
        names; and these names.
    """
    names = {"key", "shard", *NUMBERS, *filter(None, [named])}
    names.update(str(condition[0]).split(".")[0] for condition in conditions if condition)
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in ("key", "shard", *NUMBERS)}
    shards: dict[str, int] = {}
    known: dict[str, int] = {}
    numbered: list[NDArray[Any]] = []
    for batch in manifest.batches(sorted(names)):
        table = batch
        for condition in conditions:
            table = _passing(table, condition, dataset, manifest)
        found["key"].append(table["key"].to_numpy(zero_copy_only=False).astype("S"))
        found["shard"].append(_numbered(table["shard"], shards))
        if named:
            numbered.append(_numbered(table[named], known))
        for name, kind in NUMBERS.items():
            found[name].append(table[name].to_numpy().astype(kind))
    # One column after the other, so that only one is there twice.
    joined = {name: np.concatenate(found.pop(name)) for name in list(found)}
    alone = np.full(len(joined["key"]), -1, np.int32)
    columns = Columns(
        keys=joined.pop("key"),
        shards=_in_order(joined.pop("shard"), shards).astype(np.int32),
        names=sorted(shards),
        numbers=joined,
        blocks=alone,
        block_starts=np.zeros(0, np.int64),
        block_ends=np.zeros(0, np.int64),
    )
    own = _in_order(np.concatenate(numbered), known) if named else None
    offset = columns.numbers["offset_bytes"]
    same, rising = np.diff(columns.shards), np.diff(offset) > 0
    if len(columns) > 1 and not ((same > 0) | ((same == 0) & rising)).all():
        order = np.lexsort((offset, columns.shards))
        columns.take(order)
        own = None if own is None else own[order]
    return columns, own, sorted(known)


def _passing(table: pa.Table, condition: Filter, dataset: Dataset, manifest: Manifest) -> pa.Table:
    if len(condition) != 3 or str(condition[0]).split(".")[0] not in table.column_names:
        raise ConfigError(
            f"filter {condition!r}: expected (column, operator, value) with a column "
            f"of the manifest: {', '.join(manifest.column_names())}"
        )
    try:
        return rows_where(table, *condition)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise ConfigError(
            f"filter {condition!r} does not fit the manifest of {dataset}: {error}"
        ) from error


def _numbered(names: pa.ChunkedArray, known: dict[str, int]) -> NDArray[np.int32]:
    """[N]: the number of each name, in the order in which names are met."""
    encoded = names.combine_chunks().dictionary_encode()
    numbers = [known.setdefault(name, len(known)) for name in encoded.dictionary.to_pylist()]
    return np.array(numbers, np.int32)[encoded.indices.to_numpy()]


def _in_order(numbers: NDArray[Any], names: Mapping[str, int]) -> Index:
    """int64 [N]: numbers of names as they are met ► their places among the sorted names."""
    places = np.empty(len(names), np.int64)
    places[[names[name] for name in sorted(names)]] = np.arange(len(names))
    return places[numbers]


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
    columns = [str(condition[0]).split(".")[0] for condition in conditions]
    table = dataset.manifest(columns)
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


def _block_runs(shard: NDArray[np.int32], block_clips: int) -> Index:
    """int64 [N]: the block of each row. `shard`, the number of its shard, must be in stretches."""
    if not len(shard):
        return shard.astype(np.int64)
    borders = np.flatnonzero(np.diff(shard, prepend=shard[0] - 1))  # the first row of each shard
    place = np.arange(len(shard)) - np.repeat(borders, np.diff(np.append(borders, len(shard))))
    return np.cumsum(place % block_clips == 0) - 1


def _set_blocks(table: Columns, block: Index) -> None:
    """Set the range of bytes to fetch for each row.

    It is the range of its block, or its own where filters left holes in the block.
    """
    start = table.numbers["offset_bytes"]
    end = start + table.numbers["size_bytes"]
    table.blocks = block.astype(np.int32)
    if len(block):
        borders = np.flatnonzero(np.diff(block, prepend=-1))
        table.block_starts = np.minimum.reduceat(start, borders)
        table.block_ends = np.maximum.reduceat(end, borders)
        span = table.block_ends - table.block_starts
        dense = np.add.reduceat(end - start, borders) >= DENSE * span
        table.blocks[~dense[block]] = -1


def _pieces(
    table: Columns, runs: Index, ticks: int, number: int
) -> tuple[NDArray[np.integer[Any]], ...]:
    """[items] each: dataset, run, begin and end in the source, row, start in the clip.

    A clip longer than `ticks` gives several items.
    """
    frames = table.numbers["frames"].astype(np.int32)
    begin = table.numbers["start_tick"]
    pieces = -(-frames // ticks)
    row = np.repeat(np.arange(len(frames), dtype=np.int32), pieces)
    first = np.repeat((np.cumsum(pieces) - pieces).astype(np.int32), pieces)
    start = ((np.arange(len(row), dtype=np.int32) - first) * ticks).astype(np.int16)
    end = np.minimum(start + ticks, frames[row])
    return (
        np.full(len(row), number, np.int16),
        runs[row].astype(np.int32),
        begin[row] + start,
        begin[row] + end,
        row,
        start,
    )
