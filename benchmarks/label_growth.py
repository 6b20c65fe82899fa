"""How labelling grows: `python benchmarks/label_growth.py [--minutes M] [--rounds R]`.

One video of M minutes, and one that is ten times as long, are labelled by the Beam job at 1 worker,
in turn. Bars: ten times the CPU time (+-10 %), and at most 1.1 times the memory of a worker (its
process and its decoder child, each at its peak). The start of a job (imports, loading the model,
the first pass through every kernel) does not grow with the video; a job over a quarter of the short
video measures it, and it is taken off. The result goes to benchmarks/results/label_growth.json.

With --memory a video of three minutes and one of three hours are labelled instead, and only the
memory is compared (at most 1.1 times as much; benchmarks/results/label_memory.json).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
from beam_overhead import gameplay, make_checkpoint
from vidact.datasets.shards.codec import encode_video
from vidact.datasets.shards.dataset import Dataset
from vidact.machine import ONE_THREAD
from vidact.pipeline.config import LabelConfig, LayoutConfig
from vidact.pipeline.labelling.labeller import LabelWork
from vidact.pipeline.plan import make_plan
from vidact.pipeline.running.worker import WorkerSettings

RESULT = Path(__file__).parent / "results" / "label_growth.json"
MEMORY_RESULT = RESULT.with_name("label_memory.json")
GROWTH_BAR, MEMORY_BAR = 0.10, 1.10
SECONDS = 20  # of one piece of video

Figures = dict[str, list[dict[str, float]]]  # by size, a round each


def repeat(piece: bytes, times: int, path: Path) -> None:
    """The same pictures over and over, by copying packets: a long video costs no encoding."""
    path.parent.mkdir(parents=True)
    with av.open(io.BytesIO(piece)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [
            packet for packet in source.demux(source.streams.video[0]) if packet.dts is not None
        ]
        length = sum(packet.duration or 0 for packet in packets)
        starts = [(packet.pts, packet.dts) for packet in packets]
        for number in range(times):
            for packet, (pts, dts) in zip(packets, starts, strict=True):
                packet.pts, packet.dts, packet.stream = (
                    pts + number * length,
                    dts + number * length,
                    stream,
                )
                target.mux(packet)


def label(folder: Path, idm: str, minutes: float) -> dict[str, float]:
    """Label what lies in a folder, by the driver of the job; CPU seconds, and peak bytes of a
    worker.
    """
    layout = LayoutConfig(val_fraction=0.0, min_shards=1)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="out-") as out:
        config = LabelConfig(
            sources=(str(folder),), idm=idm, out=f"{out}/data", device="cpu", layout=layout
        )
        dataset = Dataset(config.out)
        plan = make_plan(config.sources, dataset, tick_hz=Fraction(35, 2), layout=layout, workers=1)
        run = Path(out) / "run"
        run.mkdir()
        settings = WorkerSettings(
            dataset=dataset,
            idm=config.idm,
            device=config.device,
            work=LabelWork(filter=config.filter, decoder=config.decoder),
            run_folder=str(run),
        )
        (run / "settings.json").write_text(settings.to_json())
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [sys.executable, "-m", "vidact.pipeline.running.driver", str(run), "1", "local"]
        with open(run / "driver.log", "wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | ONE_THREAD,
            )
        peaks: dict[int, int] = {}
        while process.poll() is None:
            for pid in (process.pid, *children(process.pid)):
                peaks[pid] = max(peaks.get(pid, 0), peak_bytes(pid))
            time.sleep(0.05)
        if process.returncode:
            raise SystemExit((run / "driver.log").read_text()[-2000:])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = peaks.pop(process.pid)
    return {
        "minutes": minutes,
        "ticks": sum(segment.ticks for segment in plan.segments),
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall_s": time.monotonic() - begun,
        "worker_peak_bytes": own,
        "decoder_peak_bytes": max(peaks.values()),
    }


def children(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, thread.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--memory", action="store_true", help="three minutes against three hours, memory only"
    )
    options = parser.parse_args()
    times = max(round(options.minutes * 60 / SECONDS), 1)
    sizes = {"start": max(times // 4, 1), "once": times, "ten times": 10 * times}
    if options.memory:
        sizes = {"three minutes": 3 * 60 // SECONDS, "three hours": 3 * 3600 // SECONDS}
    with tempfile.TemporaryDirectory(prefix="vidact-bench-") as temporary:
        folder = Path(temporary)
        piece = encode_video(gameplay(0, SECONDS), Fraction(30))
        for size, pieces in sizes.items():
            repeat(piece, pieces, folder / size / "a.mp4")
        idm = make_checkpoint(folder / "idm")
        figures: Figures = {}
        for number in range(options.rounds):
            for size, pieces in sizes.items():
                found = label(folder / size, idm, pieces * SECONDS / 60)
                figures.setdefault(size, []).append(found)
                print(f"round {number + 1}, {size}: {found}", flush=True)
    return report_memory(figures) if options.memory else report(figures)


def middle(figures: Figures, size: str, what: str) -> float:
    return median(f[what] for f in figures[size])


def memory_of(figures: Figures) -> dict[str, float]:
    """Bytes of a worker and its decoder child at each size."""
    return {
        size: sum(middle(figures, size, f"{who}_peak_bytes") for who in ("worker", "decoder"))
        for size in figures
    }


def report_memory(figures: Figures) -> int:
    memory = memory_of(figures)
    growth = memory["three hours"] / memory["three minutes"]
    result = {"memory_bytes": memory, "memory_growth": growth, "bar": MEMORY_BAR, "rounds": figures}
    MEMORY_RESULT.write_text(json.dumps(result, indent=1) + "\n")
    verdict = "held" if growth <= MEMORY_BAR else "MISSED"
    print(f"{growth:.3f} times the memory (bar {MEMORY_BAR}): {verdict}")
    return 0 if growth <= MEMORY_BAR else 1


def report(figures: Figures) -> int:
    start, start_ticks = middle(figures, "start", "cpu_s"), middle(figures, "start", "ticks")
    once, ten = middle(figures, "once", "cpu_s"), middle(figures, "ten times", "cpu_s")
    a_tick = (ten - start) / (middle(figures, "ten times", "ticks") - start_ticks)
    start -= a_tick * start_ticks  # the video in it
    memory = memory_of(figures)
    result = {
        "minutes": {
            "once": figures["once"][0]["minutes"],
            "ten times": figures["ten times"][0]["minutes"],
        },
        "start_cpu_s": start,
        "cpu_s": {"once": once, "ten times": ten},
        "cpu_s_a_video_hour": a_tick * 17.5 * 3600,
        "growth": (ten - start) / (once - start),
        "memory_bytes": memory,
        "memory_growth": memory["ten times"] / memory["once"],
        "rounds": figures,
        "bars": {
            "growth": [10 * (1 - GROWTH_BAR), 10 * (1 + GROWTH_BAR)],
            "memory_growth": MEMORY_BAR,
        },
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    ok = abs(result["growth"] / 10 - 1) <= GROWTH_BAR  # type: ignore[operator]
    ok = ok and result["memory_growth"] <= MEMORY_BAR  # type: ignore[operator]
    print("bars held" if ok else "BARS MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
