"""How fast the loaders are, side by side in one run: ours, decoding alone, and the public VPT
loader's behaviour.

    python benchmarks/loader.py [--rounds 3] [--seconds 60] [--out benchmarks/results/loader.json]

Each figure is frames per CPU-second (user + system, all processes and threads) and per second, of a
fresh process, the median over interleaved rounds. The recordings are made here: 640x360 at 20
frames/s, about 2 Mbit/s, as OpenAI's are.
Bars: straight from recordings at least 80 % of decode-and-resize alone and 1.6 times the VPT
loader; from shards at least 90 % of decode alone; memory flat over 10 epochs.

The VPT row needs OpenCV (`pip install opencv-python-headless`), which vidact itself does not use;
without it the row is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (640, 360)
FPS = Fraction(20)
RECORDINGS = 4
BATCH = 4
THREADS = 2
EPOCHS = 10
PASSES = 5  # over the shards, which decode many times as fast as the recordings
GRAIN = 20  # grey levels; brings the scene to about 2 Mbit/s
IDLE = 0.17  # of the ticks have no action: the public loader decodes and skips them
RECORDER: dict[
    str, Any
] = {  # what OpenAI's recorder writes into each line beside the input devices
    "hotbar": 0,
    "isGuiInventory": False,
    **dict.fromkeys(("yaw", "pitch", "xpos", "ypos", "zpos"), 12.3456789),
    **dict.fromkeys(("milli", "serverTick", "serverTickDurationMs"), 1638475637162),
    "inventory": [{"type": f"item_{number}", "quantity": number} for number in range(12)],
    "stats": {
        f"minecraft.custom:minecraft.statistic_{number}": number * 100 for number in range(20)
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="length of each of four recordings")
    parser.add_argument("--out", default=str(Path(__file__).parent / "results" / "loader.json"))
    parser.add_argument("--method", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        if options.method in MEMORY:
            print(json.dumps(memory(MEMORY[options.method](options.data))))
        else:
            print(json.dumps(measure(METHODS[options.method], options.data)))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        mbit_s = make_data(data, options.seconds)
        methods = [name for name in METHODS if name != VPT or importlib.util.find_spec("cv2")]
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
        for _ in range(options.rounds):
            for name in methods:
                rounds[name].append(run_apart(name, data))
        resident = {name: run_apart(name, data) for name in MEMORY}
    report(rounds, resident, mbit_s, Path(options.out))


def measure(prepare: Callable[[Path], Callable[[], int]], data: Path) -> dict[str, float]:
    """Imports and preparation come before the clock starts."""
    run = prepare(data)
    wall, cpu = time.perf_counter(), cpu_s()
    frames = run()
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    return {"frames": frames, "frames_per_cpu_s": frames / cpu, "frames_per_s": frames / wall}


def cpu_s() -> float:
    """User and system time of this process, its threads and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def run_apart(name: str, data: Path) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, "--method", name, "--data", str(data)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def make_data(data: Path, seconds: int) -> float:
    """Four recordings and the dataset packed from them; returns the recordings' rate in Mbit/s."""
    from vidact.datasets.actions.devices import DeviceState
    from vidact.datasets.config import PackConfig
    from vidact.datasets.pack import pack
    from vidact.datasets.recordings.writer import RecordingWriter

    encoder = {"preset": "medium", "crf": "23", "g": "250"}
    for number in range(RECORDINGS):
        stem = data / "play" / f"play{number}"
        rng = np.random.default_rng(number)
        with RecordingWriter(stem, fps=FPS, size=SIZE, meta={}, encoder=encoder) as writer:
            for picture, dx, dy in scene(seconds * int(FPS), rng):
                idle = rng.random() < IDLE
                keys = (
                    ("key.keyboard.w",)
                    if not idle and (dx == dy == 0 or rng.random() < 0.6)
                    else ()
                )
                writer.write(
                    picture, DeviceState(keys=keys, dx=0 if idle else dx, dy=0 if idle else dy)
                )
        lines = stem.with_suffix(".jsonl").read_text().splitlines()
        stem.with_suffix(".jsonl").write_text(
            "".join(json.dumps(json.loads(x) | RECORDER) + "\n" for x in lines)
        )
    pack(
        PackConfig(
            recordings=(str(data / "play"),),
            out=str(data / "set"),
            spec="minecraft",
            val_fraction=0,
            test_fraction=0,
        )
    )
    size = sum(path.stat().st_size for path in (data / "play").glob("*.mp4"))
    return size * 8 / 1e6 / (RECORDINGS * seconds)


def scene(frames: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float, float]]:
    """A view that pans over a textured world in the jerky way of a mouse, with some grain as of
    moving leaves.
    """
    height, width = SIZE[1], SIZE[0]
    world = sum(
        np.kron(rng.normal(size=(1024 // cell, 2048 // cell, 3)), np.ones((cell, cell, 1)))
        * cell**0.6
        for cell in (4, 16, 64)
    )
    world = np.clip(128 + world * 14, 0, 255).astype(np.uint8)
    x, y, vx, vy = 600.0, 300.0, 0.0, 0.0
    for _ in range(frames):
        if rng.random() < 0.15:
            vx, vy = rng.normal() * 14, rng.normal() * 3
        vx, vy = vx * 0.9, vy * 0.9
        x, y = np.clip(x + vx, 0, 2048 - width - 1), np.clip(y + vy, 0, 1024 - height - 1)
        view = world[int(y) : int(y) + height, int(x) : int(x) + width].astype(np.int16)
        grain = np.kron(
            rng.integers(-GRAIN, GRAIN + 1, (height // 4, width // 4, 1)), np.ones((4, 4, 1), int)
        )
        yield np.clip(view + grain, 0, 255).astype(np.uint8), round(vx * 3), round(vy * 3)


def stems(data: Path) -> list[Path]:
    return sorted(path.with_suffix("") for path in (data / "play").glob("*.mp4"))


def decode_recordings(data: Path) -> Callable[[], int]:
    """Decode alone: no conversion, no resize, a file a thread."""
    import av

    def one(stem: Path) -> int:
        with av.open(f"{stem}.mp4") as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            return sum(1 for _ in container.decode(stream))

    return lambda: in_threads(one, stems(data))


def resize_recordings(data: Path) -> Callable[[], int]:
    """Decode and resize to 128x128, by vidact's own decoder; no labels or batches."""
    from vidact.datasets.actions.spec import ActionSpec
    from vidact.datasets.video.ticks import decode_ticks

    spec = ActionSpec.load("minecraft")

    def one(stem: Path) -> int:
        return sum(len(t.frames) for t in decode_ticks(f"{stem}.mp4", spec.frame, spec.tick_hz))

    return lambda: in_threads(one, stems(data))


def recording_loader(data: Path) -> Any:
    from vidact.datasets.actions.spec import ActionSpec
    from vidact.datasets.loading.recordings import RecordingLoader

    spec = ActionSpec.load("minecraft")
    return RecordingLoader(
        [str(data / "play")], spec, batch_size=BATCH, threads=THREADS, drop_last=False
    )


def load_recordings(data: Path) -> Callable[[], int]:
    """Our loader straight from recordings; opening and probing them counts."""
    import vidact.datasets.loading.recordings  # noqa: F401 - before the clock starts

    return lambda: sum(frames_of(batch) for batch in recording_loader(data))


def load_vpt_style(data: Path) -> Callable[[], int]:
    """The public loader's behaviour; the frames that it delivers are counted."""
    import cv2  # noqa: F401 - workers are forked, so they find it imported
    from vpt_style_loader import vpt_style_batches

    return lambda: sum(
        len(batch[0]) for batch in vpt_style_batches(stems(data), workers=THREADS, batch_size=8)
    )


def decode_shards(data: Path) -> Callable[[], int]:
    """Decode alone: videos in memory, each to an array of its own, as batches need them."""
    from vidact.datasets.shards.codec import decode_video
    from vidact.datasets.shards.samples import iter_samples

    videos = [
        m["mp4"]
        for path in sorted((data / "set/shards").glob("*.tar"))
        for _, m in iter_samples(str(path))
    ]
    return lambda: in_threads(lambda video: len(decode_video(video)), videos * PASSES)


def load_shards(
    data: Path, order: str = "clips", passes: int = PASSES, frames: bool = True
) -> Callable[[], int]:
    """Our loader from shards; the manifest is read before, as once in a training run."""
    import av  # noqa: F401 - the loader imports it when it decodes its first clip
    from vidact.datasets.loading.clips import ClipLoader

    loader = ClipLoader(
        [str(data / "set")],
        batch_size=BATCH,
        threads=THREADS,
        order=order,
        frames=frames,
        drop_last=False,
    )
    return lambda: sum(
        frames_of(batch) for batch in itertools.islice(loader.batches(), passes * len(loader))
    )


def load_episodes(data: Path) -> Callable[[], int]:
    """The same, as lanes of episodes."""
    return load_shards(data, order="episodes")


def load_labels(data: Path) -> Callable[[], int]:
    """Labels without frames."""
    return load_shards(data, passes=20, frames=False)


def clip_loader(data: Path) -> Any:
    from vidact.datasets.loading.clips import ClipLoader

    return ClipLoader([str(data / "set")], batch_size=BATCH, threads=THREADS)


def memory(loader: Any) -> list[float]:
    """Resident megabytes after each of ten epochs."""
    found = []
    for _ in range(EPOCHS):
        for batch in loader:
            frames_of(batch)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found.append(round(pages * resource.getpagesize() / 1e6, 1))
    return found


def in_threads(work: Callable[[Any], int], parts: Sequence[Any]) -> int:
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, parts))


def frames_of(batch: Any) -> int:
    """How many labelled frames a batch has; cheap, so that counting does not weigh on figures."""
    return int(batch.valid.sum())


VPT = "recordings: VPT-style loader"
METHODS: dict[str, Callable[[Path], Callable[[], int]]] = {
    "recordings: decode alone": decode_recordings,
    "recordings: decode and resize alone": resize_recordings,
    "recordings: RecordingLoader": load_recordings,
    VPT: load_vpt_style,
    "shards: decode alone": decode_shards,
    "shards: ClipLoader, clips": load_shards,
    "shards: ClipLoader, episodes": load_episodes,
    "shards: ClipLoader, labels only": load_labels,
}
MEMORY = {"resident MB, recordings": recording_loader, "resident MB, shards": clip_loader}
BARS = (
    ("recordings: RecordingLoader", "recordings: decode and resize alone", 0.8),
    ("recordings: RecordingLoader", VPT, 1.6),
    ("shards: ClipLoader, clips", "shards: decode alone", 0.9),
    ("shards: ClipLoader, episodes", "shards: decode alone", 0.9),
)


def report(
    rounds: dict[str, list[dict[str, float]]],
    resident: dict[str, list[float]],
    mbit_s: float,
    out: Path,
) -> None:
    """Print the table and write it as JSON."""
    figures = {
        name: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        for name, runs in rounds.items()
    }
    runs = len(next(iter(rounds.values())))
    print(f"recordings of {mbit_s:.2f} Mbit/s, {THREADS} threads or workers, median of {runs}")
    print(f"{'':38}{'frames/CPU-s':>14}{'frames/s':>12}{'frames':>10}")
    for name, figure in figures.items():
        print(
            f"{name:38}{figure['frames_per_cpu_s']:14,.0f}{figure['frames_per_s']:12,.0f}"
            f"{figure['frames']:10,.0f}"
        )
    ratios = {}
    for ours, other, bar in BARS:
        if other in figures:
            ratio = figures[ours]["frames_per_cpu_s"] / figures[other]["frames_per_cpu_s"]
            ratios[f"{ours} / {other}"] = {"ratio": ratio, "bar": bar}
            verdict = "met" if ratio >= bar else "MISSED"
            print(f"{ours} is {ratio:.2f} of {other} (bar {bar}): {verdict}")
    for name, found in resident.items():
        print(f"{name} after each epoch:", ", ".join(f"{mb:.0f}" for mb in found))
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "mbit_s": mbit_s,
        "figures": figures,
        "rounds": rounds,
        "ratios": ratios,
        "resident_mb": resident,
    }
    out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
