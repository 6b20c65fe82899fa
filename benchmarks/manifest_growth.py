"""Ten million clips: `python benchmarks/manifest_growth.py [--clips N]`.

Synthetic commit records, made as they are asked for, are compacted into a version of the manifest;
a process of its own then compacts once more where one shard has changed, and another one opens a
loader. Bars: 2.5 GB at the peak of each, at most 250 bytes a clip once the loader stands, and 30
seconds until it does. Making the records takes most of the time and is part of the first figure.
The result goes to benchmarks/results/manifest_growth.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.shards.commits import CommitRecord
from vidact.datasets.shards.compaction import Compaction
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo, content_bytes
from vidact.datasets.shards.statistics import ShardStatistics
from vidact.progress import Progress
from vidact.storage import write_atomic

RESULT = Path(__file__).parent / "results" / "manifest_growth.json"
CLIPS_A_SHARD = 344  # of 128 ticks: 44,000 ticks
CLIPS_A_SOURCE = 1_000  # two hours
CLIP_BYTES = 262_144
OLD_S = 1e9  # records were written long before the parts
PEAK_BAR, CLIP_BAR, START_BAR = 2.5e9, 250, 30.0
URI = "s3://some-bucket/gameplay/2026/channel-0123/video-{:012x}.mp4"


class SyntheticRecords:
    """Records of so many clips, none of which lies anywhere.

    Args:
        clips: how many.
        changed: the shard that was written a moment ago.
    """

    def __init__(self, clips: int, changed: str = ""):
        self.shards = -(-clips // CLIPS_A_SHARD)
        self.clips, self.changed = clips, changed
        self.spec = ActionSpec.load("doom")

    def commit_times(self) -> Mapping[str, float]:
        times = {f"train-{number:05d}": OLD_S for number in range(self.shards)}
        return times | ({self.changed: time.time()} if self.changed else {})

    @cached_property
    def statistics(self) -> dict[str, Any]:
        return ShardStatistics(self.spec).to_dict()

    def read_commit(self, shard: str) -> CommitRecord:
        number = int(shard.rsplit("-", 1)[1])
        first = number * CLIPS_A_SHARD
        rows = [self._row(i, shard) for i in range(first, min(first + CLIPS_A_SHARD, self.clips))]
        spec = {"name": self.spec.name, "version": self.spec.version, "sha256": self.spec.sha256}
        tar = {"sha256": f"{number:064x}", "size_bytes": len(rows) * CLIP_BYTES}
        return CommitRecord(
            shard=shard, spec=spec, tar=tar, rows=tuple(rows), statistics=self.statistics
        )

    def _row(self, i: int, shard: str) -> dict[str, Any]:
        source, place = divmod(i, CLIPS_A_SOURCE)
        sha256 = f"{source * 2654435761 % 2**64:016x}" * 4
        return {
            "key": f"{sha256[:12]}-{place * 128:09d}",
            "shard": shard,
            "offset_bytes": i % CLIPS_A_SHARD * CLIP_BYTES,
            "size_bytes": CLIP_BYTES,
            "frames": 128,
            "valid_frames": 128,
            "start_tick": place * 128,
            "episode_id": sha256[:12],
            "source_uri": URI.format(source),
            "source_sha256": sha256,
            "group": sha256,
            "licence": None,
            "split": "train",
            "mean_confidence": i % 1000 / 1000,
            "p10_confidence": i % 997 / 1000,
            "null_fraction": i % 13 / 100,
            "presses": {name: (i + k) % 5 for k, name in enumerate(self.spec.button_names)},
            "filter_score": None,
            "label_source": "idm",
            "spec_sha256": self.spec.sha256,
            "idm_sha256": "f" * 64,
            "sample_crc32": i * 2654435761 % 2**32,
        }


def compact(folder: str, clips: int, changed: str = "") -> dict[str, float]:
    """Compact synthetic records; seconds."""
    dataset, records = Dataset(folder), SyntheticRecords(clips, changed)
    info = DatasetInfo(name="Synthetic", spec=records.spec)
    newest = dataset.content()["version"] if changed else ""
    begun = time.monotonic()
    with Progress("Compacting", unit="shards") as progress:
        found = Compaction(records, info, dataset.versions).run(newest, progress)
    seconds = time.monotonic() - begun
    write_atomic(dataset.content_uri, content_bytes(found.content))
    return {"seconds": round(seconds, 1)}


def load(folder: str, clips: int) -> dict[str, float]:
    """Open a loader as one of 64 ranks; seconds until it stands, and bytes a clip that stay."""
    with tempfile.TemporaryDirectory(prefix="vidact-bench-") as few:
        compact(few, 2 * CLIPS_A_SHARD)
        ClipLoader([few], batch_size=8)  # what libraries take, they take here
    before = resident_bytes()
    begun = time.monotonic()
    loader = ClipLoader([folder], batch_size=1024, rank=0, world_size=64)
    seconds = time.monotonic() - begun
    gc.collect()
    stays = resident_bytes() - before
    begun = time.monotonic()
    steps = len(loader.epoch_order(0).items)
    return {
        "seconds": round(seconds, 1),
        "bytes_a_clip": round(stays / clips, 1),
        "order_seconds": round(time.monotonic() - begun, 1),
        "steps": steps,
    }


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def work(connection: Connection, function: Callable[..., dict[str, float]], *words: Any) -> None:
    found = function(*words)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    connection.send({**found, "peak_bytes": peak})


def measured(function: Callable[..., dict[str, float]], *words: Any) -> dict[str, float]:
    """What a function says in a process of its own, and the most memory that it took."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work, args=(theirs, function, *words))
    process.start()
    theirs.close()
    found: dict[str, float] = ours.recv()
    process.join()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    clips = options.clips
    with tempfile.TemporaryDirectory(prefix="vidact-bench-") as folder:
        result = {
            "clips": clips,
            "steps": {
                "compact everything": measured(compact, folder, clips),
                "compact one changed shard": measured(compact, folder, clips, "train-00000"),
                "open a loader": measured(load, folder, clips),
            },
            "bars": {
                "peak_bytes": PEAK_BAR,
                "bytes_a_clip": CLIP_BAR,
                "seconds until a loader stands": START_BAR,
            },
        }
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        result["disk_bytes_a_clip"] = round(sum(p.stat().st_size for p in files) / clips, 1)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    loader = result["steps"]["open a loader"]
    ok = (
        all(step["peak_bytes"] <= PEAK_BAR for step in result["steps"].values())
        and loader["bytes_a_clip"] <= CLIP_BAR
        and loader["seconds"] <= START_BAR
    )
    print("bars held" if ok else "BARS MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
