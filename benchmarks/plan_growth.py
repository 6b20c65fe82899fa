"""The plan of 100,000 sources: `python benchmarks/plan_growth.py [--sources N]`.

Synthetic probes (lengths of 2 to 30 minutes, 1 % exact and 1 % near duplicates), so that only the
layout, the search for duplicates and the tables are measured. A process of its own then reads the
plan and writes it again, which must give the same bytes. Bars, for each of the two: under a minute
of CPU time and under 1 GiB. The result goes to benchmarks/results/plan_growth.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path

from vidact.datasets.shards.dataset import Dataset
from vidact.pipeline.config import LayoutConfig
from vidact.pipeline.planning.extend import extend
from vidact.pipeline.planning.near_duplicates import DIGITS
from vidact.pipeline.planning.plan import Plan, read_plan, write_plan
from vidact.pipeline.planning.probe import SourceRecord

RESULT = Path(__file__).parent / "results" / "plan_growth.json"
SECONDS_BAR, BYTES_BAR = 60.0, 1 << 30
TICK_HZ = Fraction(35, 2)


def probes(count: int, rng: random.Random) -> list[SourceRecord]:
    records = []
    for i in range(count):
        number = (
            i - 1 if i % 100 == 1 else i
        )  # every hundredth is the one before it under another name
        seconds = random.Random(number // 50).uniform(120, 1800)  # many are equally long
        records.append(
            SourceRecord(
                uri=f"s3://videos/{i % 100:02d}/{i:08d}.mp4",
                status="planned",
                sha256=f"{number * 2654435761 % 2**64:016x}" * 4,
                size_bytes=int(seconds * 2e5),
                fingerprint=f"{i:x}",
                codec="h264",
                container="mov,mp4",
                width=1280,
                height=720,
                frames=int(seconds * 30),
                duration_s=seconds,
                fps=30.0,
                ticks=int(seconds * TICK_HZ),
            )
        )
    rng.shuffle(records)
    return records


def look(records: Sequence[SourceRecord], pictures: int) -> list[str]:
    """Hashes as random as those of different videos; every hundredth is a re-encode of its
    neighbour.
    """
    hashes = []
    for record in records:
        number = int(record.uri[-12:-4])
        rng = random.Random(number - 1 if number % 100 == 51 else number)
        hashes.append("".join(f"{rng.getrandbits(64):0{DIGITS}x}" for _ in range(pictures)))
    return hashes


def read_and_write(source: str, target: str, connection: Connection) -> None:
    """What every later command on the dataset does: read the plan. Sends CPU seconds and peak
    bytes.
    """
    cpu = time.process_time()
    plan = read_plan(Dataset(source))
    if plan is None:
        raise SystemExit(f"no plan in {source}")
    write_plan(plan, Dataset(target))
    connection.send((time.process_time() - cpu, peak_bytes()))


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=100_000)
    options = parser.parse_args()
    records = probes(options.sources, random.Random(0))
    with tempfile.TemporaryDirectory(prefix="vidact-bench-") as temporary:
        out, again = Path(temporary) / "a", Path(temporary) / "b"
        begun, cpu = time.monotonic(), time.process_time()
        plan = extend(Plan(TICK_HZ), records, LayoutConfig(), workers=2, look=look)
        write_plan(plan, Dataset(out))
        seconds, cpu_s = time.monotonic() - begun, time.process_time() - cpu
        peak = peak_bytes()
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=read_and_write, args=(str(out), str(again), theirs)
        )
        process.start()
        read_cpu_s, read_peak = ours.recv()
        process.join()
        if any((again / path.name).read_bytes() != path.read_bytes() for path in out.iterdir()):
            raise SystemExit("the plan that was read is not the plan that was written")
        size = sum(path.stat().st_size for path in out.iterdir())
    statuses: dict[str, int] = {}
    for record in plan.sources:
        statuses[record.status] = statuses.get(record.status, 0) + 1
    result = {
        "sources": options.sources,
        "statuses": statuses,
        "segments": len(plan.segments),
        "shards": len(plan.shards),
        "hours": round(plan.hours),
        "wall_s": round(seconds, 2),
        "cpu_s": round(cpu_s, 2),
        "peak_bytes": peak,
        "read_and_write_cpu_s": round(read_cpu_s, 2),
        "read_and_write_peak_bytes": read_peak,
        "tables_bytes": size,
        "bars": {"cpu_s": SECONDS_BAR, "peak_bytes": BYTES_BAR},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    ok = max(cpu_s, read_cpu_s) < SECONDS_BAR and max(peak, read_peak) < BYTES_BAR
    print("bars held" if ok else "BARS MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
