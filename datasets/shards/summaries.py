"""Summaries: `_summaries/<shard>.<hash>.json`, a kilobyte of what a commit record holds.

A record has a row for each clip, so 10,000 hours are gigabytes of records. A restart needs to know
which shards are there and of which segments they were made: one listing of summaries tells that,
since their names have the hash of the segments. Displays read their few numbers.

The record stays the truth. Its old summary goes before it is written, the new one comes after it,
so a summary may lack, but never tells of another record.
"""

from __future__ import annotations

import json
from typing import Any

from ... import storage
from .commits import CommitRecord

HASH_DIGITS = 32  # of the segments' hash in a name


class Summaries:
    """The summaries of a dataset.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: str):
        self.folder = folder

    def listed(self) -> dict[str, str]:
        """The names of all summaries by shard: one listing, no reading."""
        names = [uri.rsplit("/", 1)[1] for uri in storage.list_files(self.folder, ".json")]
        return {name.split(".", 1)[0]: name for name in names}

    def read(self, name: str) -> dict[str, Any]:
        """What `CommitRecord.summary` said. Raises FileNotFoundError where it is gone meanwhile,
        ValueError where it is damaged.
        """
        return dict(json.loads(storage.read_bytes(storage.join(self.folder, name))))

    def write(self, record: CommitRecord, segments_sha256: str) -> None:
        """Put the summary of a record in its place, under the hash of the segments."""
        data = json.dumps(record.summary(), sort_keys=True).encode() + b"\n"
        name = summary_name(record.shard, segments_sha256)
        storage.write_atomic(storage.join(self.folder, name), data)

    def forget(self, shard: str) -> None:
        """Remove whatever tells of a shard."""
        for uri in storage.list_files(self.folder, ".json"):
            if uri.rsplit("/", 1)[1].split(".", 1)[0] == shard:
                storage.remove(uri)


def summary_name(shard: str, segments_sha256: str) -> str:
    """The name of a shard's summary; `any` stands for segments that are not known."""
    return f"{shard}.{segments_sha256[:HASH_DIGITS] or 'any'}.json"
