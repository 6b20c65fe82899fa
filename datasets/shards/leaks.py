"""Leaks between splits: what belongs together lies in two of them, or a tick is there twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .clip import VIDEO_DIGITS
from .manifest import Manifest
from .parquet import group_rows, rows_where

BONDS = {
    "source_sha256": "the same video",
    "source_uri": "the same source",
    "group": "duplicates of one source",
    "episode_id": "the same episode",
}
COLUMNS = ("key", "shard", "split", "start_tick", "frames", *BONDS)


def bond_table(manifest: Manifest) -> pa.Table:
    """What `leaks` looks at of all clips: names that many clips share are stored once a part."""
    batches = []
    for batch in manifest.batches(COLUMNS):
        for name in ("shard", "split", *BONDS):
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(place, name, batch[name].dictionary_encode())  # noqa: PLW2901
        batches.append(batch)
    return pa.concat_tables(batches).unify_dictionaries()


def leaks(manifest: pa.Table) -> Iterator[str]:
    """A line for each leak between splits and each stretch of a video that is there twice."""
    reported: set[tuple[str, ...]] = set()
    for column, what in BONDS.items():
        # the first clip of each pair of bond and split
        pairs = _decoded(group_rows(manifest, [column, "split"], "key", "min"))
        torn = rows_where(group_rows(pairs, column, "split", "count"), "split_count", ">", 1)[
            column
        ].to_pylist()
        found: dict[str, list[tuple[str, str]]] = {}
        for pair in rows_where(pairs, column, "in", torn).to_pylist() if torn else ():
            found.setdefault(pair[column], []).append((pair["split"], pair["key_min"]))
        for value, places in sorted(found.items()):
            keys = tuple(sorted(key for _, key in places))
            if keys not in reported:  # what shares its hash shares its name: one line is enough
                reported.add(keys)
                where = ", ".join(f"{split} ({key})" for split, key in sorted(places))
                yield f"leak: {what} ({column} {value}) is in {where}"
    yield from _overlaps(manifest)


def _overlaps(manifest: pa.Table) -> Iterator[str]:
    video = _codes(pc.utf8_slice_codeunits(manifest["key"], 0, VIDEO_DIGITS))
    start = manifest["start_tick"].to_numpy()
    end = start + manifest["frames"].to_numpy()
    order = np.lexsort((_codes(manifest["shard"]), start, video))
    video, start, end = video[order], start[order], end[order]
    for index in np.flatnonzero((video[1:] == video[:-1]) & (start[1:] < end[:-1])).tolist():
        before, after = _decoded(manifest.take(order[index : index + 2])).to_pylist()
        yield (
            f"{after['shard']} / {after['key']}: starts at tick {after['start_tick']}, "
            f"before {before['key']} of {before['shard']} ends "
            f"at {before['start_tick'] + before['frames']}: the same ticks twice"
        )


def _codes(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """int64: the place of each name among the sorted names."""
    encoded = names.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    places = np.empty(len(encoded.dictionary), np.int64)
    places[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(places))
    return places[encoded.indices.to_numpy()]


def _decoded(table: pa.Table) -> pa.Table:
    """A table, small, with plain text for what is stored once."""
    kinds = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(kinds))
