"""Which shards are still to be verified: `_unverified/<job>.json`, a list of names.

A job lists what it is going to make before it begins, and the list goes when that is verified. So
shards of a job that was interrupted, of one that was killed while it verified, and of the parts of
an array job are verified by the next job that ends.
"""

from __future__ import annotations

import contextlib
import json

from ... import storage
from ...datasets.shards.dataset import Dataset

UNVERIFIED = "_unverified"
WHOLE = "all"


def note_unverified(dataset: Dataset, shards: list[str], part: str = "") -> None:
    """Add shards to the list of a job.

    Args:
        part: `I/N` where the job is one of several; each has its own list.
    """
    uri = storage.join(dataset, UNVERIFIED, f"{part.replace('/', '-of-') or WHOLE}.json")
    listed = sorted({*shards, *_read(uri)})
    storage.write_atomic(uri, json.dumps(listed).encode())


def unverified(dataset: Dataset) -> list[str]:
    """The shards that are still to be verified, of all jobs."""
    return sorted({shard for uri in _uris(dataset) for shard in _read(uri)})


def forget_unverified(dataset: Dataset) -> None:
    """Forget the lists: all that was in them is verified."""
    for uri in _uris(dataset):
        storage.remove(uri)
    folder = storage.local_path(storage.join(dataset, UNVERIFIED))
    if folder is not None:
        with contextlib.suppress(OSError):  # there is none, or a job has just begun
            folder.rmdir()


def _uris(dataset: Dataset) -> list[str]:
    return storage.list_files(storage.join(dataset, UNVERIFIED), ".json")


def _read(uri: str) -> list[str]:
    try:
        return [str(shard) for shard in json.loads(storage.read_bytes(uri))]
    except (FileNotFoundError, ValueError):
        return []
