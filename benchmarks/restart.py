"""A restart of a large job: `python benchmarks/restart.py [--sources N] [--shards M]`.

A bucket that takes 20 ms a request holds 100,000 sources and a dataset of which 14,318 shards are
committed (10,000 hours); the plan, records and summaries are made up. `vidact label` is started on
it, and stopped when a worker begins its first shard. Bars: 60 seconds until then, and 1 GiB at the
peak of each process. The summaries of records are merged, as a job does while it goes on; with
--apart it is started once more where they are not, as in a dataset of before. The result, with what
the bucket was asked for, goes to benchmarks/results/restart.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
from beam_overhead import make_checkpoint
from label_growth import peak_bytes
from slow_bucket import BUCKET, WRITTEN_S, SlowBucket
from vidact.datasets.shards.commits import CommitRecord, hash_segments
from vidact.datasets.shards.dataset import SUMMARIES, Dataset
from vidact.datasets.shards.statistics import ShardStatistics
from vidact.datasets.shards.summaries import MERGED, summary_name
from vidact.pipeline.config import LabelConfig, LayoutConfig
from vidact.pipeline.labelling.labeller import LabelWork
from vidact.pipeline.planning.extend import extend
from vidact.pipeline.planning.plan import Plan, write_plan
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.running.environment import environment
from vidact.pipeline.running.identity import write_identity
from vidact.pipeline.running.model import JobModel
from vidact.pipeline.running.run_folder import RunFolder

RESULT = Path(__file__).parent / "results" / "restart.json"
LATENCY_S = 0.02
SECONDS_BAR, BYTES_BAR = 60.0, 1 << 30
PATIENCE_S = 1200.0
MERGED_KEY = f"{SUMMARIES}/{MERGED}"
TICK_HZ = Fraction(35, 2)
SOURCE_TICKS = 6_400  # of a video of six minutes: 100,000 of them are 10,000 hours
RECORD_BYTES = 384_000  # of 344 clips
SHARD_BYTES = 90_000_000


def made_up_plan(sources: int) -> Plan:
    """A plan of as many videos of six minutes."""
    records = [
        SourceRecord(
            uri=f"s3://{BUCKET}/videos/{number % 100:02d}/{number:08d}.mp4",
            status="planned",
            sha256=f"{number * 2654435761 % 2**64:016x}" * 4,
            size_bytes=72_000_000 + number,
            fingerprint=f"{72_000_000 + number}-{number:032x}",
            codec="h264",
            container="mov,mp4",
            width=1280,
            height=720,
            frames=SOURCE_TICKS * 12 // 7,
            duration_s=float(SOURCE_TICKS / TICK_HZ),
            fps=30.0,
            ticks=SOURCE_TICKS,
        )
        for number in range(sources)
    ]
    return extend(Plan(TICK_HZ), records, LayoutConfig(near_duplicates=False), workers=2)


def fill(bucket: SlowBucket, sources: int, shards: int, idm: str, folder: Path) -> dict[str, int]:
    """Put videos and dataset into the bucket; counts."""
    plan = made_up_plan(sources)
    local = Dataset(folder / "data")
    write_plan(plan, local)
    config = LabelConfig(sources=("videos",), idm=idm, out=str(local), device="cpu")
    model = JobModel.of(config)
    identity = model.identity | LabelWork().identity
    write_identity(local, RunFolder(folder / "run"), identity, [environment("cpu")], model.spec)
    for path in (path for path in (folder / "data").iterdir() if path.is_file()):
        bucket.objects[f"data/{path.name}"] = path.read_bytes()
    for record in plan.sources:
        key = record.uri.removeprefix(f"s3://{BUCKET}/")
        bucket.objects[key] = record.size_bytes, record.fingerprint.partition("-")[2]
    done = list(plan.keys.items())[:shards]
    merged: dict[str, tuple[float, dict[str, Any]]] = {}
    summary = {"clips": 344, "ticks": 44_000, "drops": {"frozen": 31}, "dead_letters": {}}
    summary["size_bytes"] = SHARD_BYTES
    for number, (shard, keys) in enumerate(done):
        tag = f"{number:032x}"
        segments_sha256 = hash_segments(keys)
        name = summary_name(shard, segments_sha256)
        bucket.objects[f"data/_commits/{shard}.json"] = RECORD_BYTES, tag
        bucket.objects[f"data/shards/{shard}.tar"] = SHARD_BYTES, tag
        shown = sorted({key[0] for key in keys})
        own = {"segments_sha256": segments_sha256, **summary, "sources": shown}
        bucket.objects[f"data/_summaries/{name}"] = json.dumps(own, sort_keys=True).encode()
        merged[name] = WRITTEN_S, own
    local.summaries.write_merged(merged)
    bucket.objects[f"data/{MERGED_KEY}"] = (folder / "data" / MERGED_KEY).read_bytes()
    return {"sources": len(plan.sources), "planned": len(plan.keys), "committed": len(done)}


def record_bytes(key: str) -> bytes:
    """A record, where one is asked for after all."""
    from vidact.datasets.actions.spec import ActionSpec

    spec = ActionSpec.load("doom")
    record = CommitRecord(
        shard=Path(key).stem,
        spec={"name": spec.name, "version": spec.version, "sha256": spec.sha256},
        tar={"sha256": "0" * 64, "size_bytes": SHARD_BYTES},
        rows=(),
        statistics=ShardStatistics(spec).to_dict(),
    )
    return record.to_json()


def restarted(url: str, idm: str, folder: Path) -> dict[str, Any]:
    """Start the command; seconds until its first shard begins, and the peak of each process."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    env = os.environ | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TMPDIR": str(temporary),
    }
    words = ["label", f"s3://{BUCKET}/videos/", "--idm", idm, "--out", f"s3://{BUCKET}/data"]
    words += ["--device", "cpu", "--workers", "1", "--plain"]
    said = folder / "said"
    with open(said, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "vidact.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
        )
    begun, peaks = time.monotonic(), Counter[str]()
    try:
        while not list(temporary.glob("vidact-*/*/working/*.json")):
            if process.poll() is not None or time.monotonic() - begun > PATIENCE_S:
                raise SystemExit(f"no shard was begun:\n{said.read_text()[-3000:]}")
            for one in _family(process.pid):
                with contextlib.suppress(psutil.Error):
                    name = "driver" if "driver" in " ".join(one.cmdline()) else "command"
                    peaks[name] = max(peaks[name], peak_bytes(one.pid))
            time.sleep(0.1)
        seconds = time.monotonic() - begun
    finally:
        for one in _family(process.pid):
            with contextlib.suppress(psutil.Error):
                one.send_signal(signal.SIGKILL)
        process.wait()
    for marker in temporary.glob("vidact-*/*/working/*.json"):
        marker.unlink()
    return {"seconds": round(seconds, 1), "peak_bytes": dict(sorted(peaks.items()))}


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=14_318, help="how many are committed")
    parser.add_argument("--apart", action="store_true", help="also where nothing is merged")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    bucket = SlowBucket(LATENCY_S, record_bytes)
    runs = []
    with tempfile.TemporaryDirectory(prefix="vidact-bench-") as temporary:
        folder = Path(temporary)
        idm = make_checkpoint(folder / "idm")
        counts = fill(bucket, options.sources, options.shards, idm, folder)
        print(f"{counts}", flush=True)
        for what in ("summaries merged", "summaries apart")[: 1 + options.apart]:
            if what == "summaries apart":
                del bucket.objects[f"data/{MERGED_KEY}"]
            bucket.asked.clear()
            with bucket as url:
                found = restarted(url, idm, folder)
            runs.append({"start": what, **found, "asked": dict(bucket.asked.most_common(12))})
            print(json.dumps(runs[-1], indent=1), flush=True)
    result = {
        **counts,
        "latency_s": LATENCY_S,
        "runs": runs,
        "bars": {"seconds": SECONDS_BAR, "peak_bytes": BYTES_BAR},
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    merged = runs[0]
    ok = merged["seconds"] <= SECONDS_BAR and max(merged["peak_bytes"].values()) <= BYTES_BAR
    print("bars held" if ok else "BARS MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
