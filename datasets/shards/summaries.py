"""Summaries: `_summaries/<shard>.<hash>.json`, a kilobyte of what a commit record holds.

A record has a row for each clip, so 10,000 hours are gigabytes of records. A restart needs to know
which shards are there and of which segments they were made: one listing of summaries tells that,
since their names have the hash of the segments. Displays read their few numbers.

The record stays the truth. Its old summary goes before it is written, the new one comes after it,
so a summary may lack, but never tells of another record.

`_summaries/merged.jsonl` has many of them in one file, with the time at which each was written: a
summary that lies there under the same name and time now need not be read. So a restart asks for one
file instead of some ten thousand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ... import storage
from .commits import CommitRecord

HASH_DIGITS = 32  # of the segments' hash in a name
FIELDS = {"segments_sha256", "clips", "ticks", "drops", "dead_letters", "size_bytes", "sources"}
MERGED = "merged.jsonl"


class Summaries:
    """The summaries of a dataset.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: str):
        self.folder = folder

    def times(self) -> dict[str, float]:
        """When each summary was written, by its name and the store's clock: one listing."""
        times = storage.modified_times(self.folder, ".json")
        return {uri.rsplit("/", 1)[1]: at for uri, at in times.items()}

    def read_merged(self) -> dict[str, tuple[float, dict[str, Any]]]:
        """The summaries that are in the file of many, each with its time, by name."""
        try:
            data = storage.read_bytes(storage.join(self.folder, MERGED))
            rows = [json.loads(line) for line in data.splitlines()]
            # One that lacks a field of today is read from its own file, or made of its record.
            return {row.pop("name"): (row.pop("at"), row) for row in rows if row.keys() >= FIELDS}
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            return {}  # none yet, or a damaged one, which is written again

    def write_merged(self, summaries: Mapping[str, tuple[float, Mapping[str, Any]]]) -> None:
        """Write the file of many, in place of the one that is there."""
        lines = [
            json.dumps({"name": name, "at": at, **summary}, sort_keys=True)
            for name, (at, summary) in sorted(summaries.items())
        ]
        storage.write_atomic(storage.join(self.folder, MERGED), "\n".join(lines).encode() + b"\n")

    def read(self, name: str) -> dict[str, Any]:
        """What `CommitRecord.summary` said. Raises FileNotFoundError where it is gone meanwhile,
        ValueError where it is damaged, or lacks a field.
        """
        summary = json.loads(storage.read_bytes(storage.join(self.folder, name)))
        if not isinstance(summary, dict) or (missing := FIELDS - summary.keys()):
            raise ValueError(f"{name}: no summary, or without {', '.join(sorted(missing))}")
        return summary

    def write(self, record: CommitRecord, segments_sha256: str) -> None:
        """Put the summary of a record in its place, under the hash of the segments."""
        data = json.dumps(record.summary(), sort_keys=True).encode() + b"\n"
        name = summary_name(record.shard, segments_sha256)
        storage.write_atomic(storage.join(self.folder, name), data)

    def forget(self, shards: Collection[str]) -> None:
        """Remove whatever tells of some shards: one listing."""
        gone = set(shards)
        for uri in storage.list_files(self.folder, ".json"):
            if shard_of(uri.rsplit("/", 1)[1]) in gone:
                storage.remove(uri)


def shard_of(name: str) -> str:
    """The shard that a summary of this name tells of."""
    return name.split(".", 1)[0]


def names_by_shard(names: Iterable[str]) -> dict[str, str]:
    """The name of each shard's summary, of those that a listing has."""
    return {shard_of(name): name for name in names}


def summary_name(shard: str, segments_sha256: str) -> str:
    """The name of a shard's summary; `any` stands for segments that are not known."""
    return f"{shard}.{segments_sha256[:HASH_DIGITS] or 'any'}.json"
