"""Stats of shards: `_stats/<shard>.json` says which worker made a shard, where, in which
environment, and how long each stage took.

They lie outside every hash and comparison: the same shard made elsewhere has other stats. They name
no source. Where they lack, nothing is wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ... import storage

STATS = "_stats"
STAGES = ("fetch", "probe", "decode", "filter", "model", "encode", "put")
"""What a shard's seconds are spent on, in the order of the work."""
READERS = 32  # stats are small, and buckets slow to answer


def stats_uri(dataset: storage.Uri, shard: str) -> str:
    """Where the stats of a shard lie."""
    return storage.join(dataset, STATS, f"{shard}.json")


def write_stats(dataset: storage.Uri, shard: str, content: Mapping[str, Any]) -> None:
    """Put the stats of a shard in their place."""
    data = json.dumps(dict(content), sort_keys=True).encode() + b"\n"
    storage.write_atomic(stats_uri(dataset, shard), data)


def read_stats(dataset: storage.Uri) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each shard that has stats with them, in the order of names; damaged ones are left
    out.
    """
    uris = storage.list_files(storage.join(dataset, STATS), ".json")

    def read(uri: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(storage.read_bytes(uri)))
        except (FileNotFoundError, ValueError):
            return None

    with ThreadPoolExecutor(READERS) as pool:
        for uri, content in zip(uris, pool.map(read, uris), strict=True):
            if content is not None:
                yield uri.rsplit("/", 1)[1].removesuffix(".json"), content


def summed_stats(dataset: storage.Uri) -> dict[str, Any]:
    """What `vidact status` says of the making of a dataset.

    Returns:
        `stage_seconds` by stage, `hosts` (shards by host) and `environments` (each that made a
        shard, with the number of shards).
    """
    seconds: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    environments: Counter[str] = Counter()
    for _, content in read_stats(dataset):
        seconds.update(content.get("seconds", {}))
        hosts[str(content.get("worker", {}).get("host", "?"))] += 1
        environments[json.dumps(content.get("environment", {}), sort_keys=True)] += 1
    return {
        "stage_seconds": {stage: round(seconds[stage], 3) for stage in STAGES if stage in seconds},
        "hosts": dict(sorted(hosts.items())),
        "environments": [
            {"shards": count, **json.loads(text)} for text, count in sorted(environments.items())
        ],
    }
