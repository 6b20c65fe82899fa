"""Which shards are still to be verified: `_unverified/<hash>.json`, lists of names.

A job lists what it is going to make before it begins, and the list goes when all of it is verified.
So shards of a job that was interrupted, of one that was killed while it verified, and of the parts
of an array job are verified by the next job that ends. A list is never changed, so that jobs beside
each other lose nothing of each other's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection

from ... import storage
from ...datasets.shards.dataset import Dataset

UNVERIFIED = "_unverified"


def note_unverified(dataset: Dataset, shards: Collection[str]) -> None:
    """Write a list of shards that a job is going to make."""
    data = json.dumps(sorted(shards)).encode()
    name = f"{hashlib.sha256(data).hexdigest()[:32]}.json"
    storage.write_atomic(storage.join(dataset, UNVERIFIED, name), data)


def unverified(dataset: Dataset) -> list[str]:
    """The shards that are still to be verified, of all jobs; some may not be there yet."""
    return sorted({shard for uri in _uris(dataset) for shard in _read(uri)})


def forget_unverified(dataset: Dataset, verified: Collection[str]) -> None:
    """Forget the lists of which all is verified; of the others, what is left stays listed."""
    for uri in _uris(dataset):
        listed = _read(uri)
        if left := set(listed).difference(verified):
            if len(left) == len(listed):
                continue
            note_unverified(dataset, left)
        storage.remove(uri)
    storage.remove_if_empty(storage.join(dataset, UNVERIFIED))


def _uris(dataset: Dataset) -> list[str]:
    return storage.list_files(storage.join(dataset, UNVERIFIED), ".json")


def _read(uri: str) -> list[str]:
    try:
        return [str(shard) for shard in json.loads(storage.read_bytes(uri))]
    except (FileNotFoundError, ValueError):
        return []
