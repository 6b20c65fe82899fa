"""Leaks between splits: what belongs together lies in two of them, or a tick is there twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .parquet import group_rows, rows_where, sort_rows

BONDS = {
    "source_sha256": "the same video",
    "source_uri": "the same source",
    "group": "duplicates of one source",
    "episode_id": "the same episode",
}


def leaks(manifest: pa.Table) -> Iterator[str]:
    """A line for each leak between splits and each stretch of a video that is there twice."""
    reported: set[tuple[str, ...]] = set()
    for column, what in BONDS.items():
        # the first clip of each pair of bond and split
        pairs = group_rows(manifest, [column, "split"], "key", "min")
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
    ordered = manifest.append_column("video", pc.utf8_slice_codeunits(manifest["key"], 0, 12))
    ordered = sort_rows(ordered, "video", "start_tick", "shard")
    start = ordered["start_tick"].to_numpy()
    end = start + ordered["frames"].to_numpy()
    video = ordered["video"].combine_chunks().dictionary_encode().indices.to_numpy()
    for index in np.flatnonzero((video[1:] == video[:-1]) & (start[1:] < end[:-1])).tolist():
        before, after = ordered.slice(index, 2).to_pylist()
        yield (
            f"{after['shard']} / {after['key']}: starts at tick {after['start_tick']}, "
            f"before {before['key']} of {before['shard']} ends "
            f"at {before['start_tick'] + before['frames']}: the same ticks twice"
        )
