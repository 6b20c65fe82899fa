"""Whether splits are clean: nothing that belongs together may lie in two of them, and no tick may be there twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BONDS = {
    "source_sha256": "the same video",
    "source_uri": "the same source",
    "group": "duplicates of one source",
    "episode_id": "the same episode",
}


def leaks(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each leak between splits and each stretch of a video that is there twice.

    Args:
        rows: of the manifest.
    """
    reported: set[frozenset[str]] = set()
    for column, what in BONDS.items():
        clips: dict[str, dict[str, str]] = {}
        for row in rows:
            clips.setdefault(row[column], {}).setdefault(row["split"], row["key"])
        for value, of_split in sorted(clips.items()):
            keys = frozenset(of_split.values())
            if len(of_split) > 1 and keys not in reported:
                reported.add(keys)  # what shares its hash shares its name: one line is enough
                where = ", ".join(f"{split} ({key})" for split, key in sorted(of_split.items()))
                yield f"leak: {what} ({column} {value}) is in {where}"
    yield from _overlaps(rows)


def _overlaps(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ordered = sorted(rows, key=lambda row: (row["key"][:12], row["start_tick"]))
    for before, after in itertools.pairwise(ordered):
        same = before["key"][:12] == after["key"][:12]
        if same and after["start_tick"] < before["start_tick"] + before["frames"]:
            yield (
                f"{after['shard']} / {after['key']}: starts at tick {after['start_tick']}, before {before['key']} of "
                f"{before['shard']} ends at {before['start_tick'] + before['frames']}: the same ticks twice"
            )
