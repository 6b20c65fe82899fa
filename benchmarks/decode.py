"""Decoding at tick rate beside decoding alone, in one run: `python benchmarks/decode.py [VIDEO …]`.

Without files it makes two: 640x360 at 30 and 60 frames/s, moving texture at about the bitrate of
gameplay video. Rounds of all methods are interleaved; figures are source frames per CPU-second
(user and system) of this process, medians over the rounds. The bar: ticks at 20 Hz, 128x128, at 0.9
of decoding alone or more. Figures go to results/decode.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.ticks import decode_ticks

TICK_HZ = Fraction(20)
BAR = 0.9


def decode_only(path: Path) -> Iterator[None]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            yield None


def plain_loop(path: Path) -> Iterator[None]:
    """Every frame decoded and resized: what a straightforward loop with a kept reformatter does."""
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            reformatter.reformat(
                frame, 128, 128, "rgb24", interpolation=Interpolation.AREA, threads=1
            ).to_ndarray()
            yield None


def ticks(resize: str) -> Callable[[Path], Iterator[None]]:
    def run(path: Path) -> Iterator[None]:
        for _ in decode_ticks(path, FrameSpec(128, 128, resize), TICK_HZ):
            yield None

    return run


METHODS: dict[str, Callable[[Path], Iterator[None]]] = {
    "decode only": decode_only,
    "plain loop, area": plain_loop,
    "decode_ticks, area": ticks("area"),
    "decode_ticks, vpt": ticks("vpt"),
}


def gameplay(path: Path, fps: int, seconds: int) -> None:
    """A view that turns and walks over a textured ground, with a still weapon and status bar, at
    about 1.3 Mbit/s.

    The bitrate matters: the cheaper the decoding, the more the resize weighs beside it.
    """
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (90, 400, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    ground = (
        ground.astype(np.uint16)
        + np.roll(ground, 3, 0)
        + np.roll(ground, 3, 1)
        + np.roll(ground, 2, 0)
    ) // 4
    texture = ground.astype(np.uint8)
    heading = np.cumsum(rng.normal(0, 180 / fps, fps * seconds) * (rng.random(fps * seconds) < 0.7))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"preset": "medium", "crf": "20", "g": "250"}
        )
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for i in range(fps * seconds):
            x, y = int(heading[i]) % 2400, int(i * 60 / fps) % 300
            picture = texture[y : y + 360, x : x + 640].copy()
            for _ in range(
                6
            ):  # monsters, shots and pick-ups: what motion compensation cannot foresee
                left, top = int(rng.integers(0, 600)), int(rng.integers(0, 200))
                picture[top : top + 24, left : left + 24] = (
                    rng.integers(0, 255, (8, 8, 3)).repeat(3, 0).repeat(3, 1)
                )
            picture[320:] = 80
            picture[230:320, 270:370] = 120
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def measure(path: Path, rounds: int) -> dict[str, object]:
    with av.open(str(path)) as container:
        frames = sum(1 for packet in container.demux(video=0) if packet.size)
        stream = container.streams.video[0]
        context = stream.codec_context
        fps = float(stream.average_rate or 1)
        mbit_s = path.stat().st_size * 8 / (frames / fps) / 1e6
        print(
            f"\n{path.name}: {frames} frames, {context.name} {context.width}x{context.height}, "
            f"{fps:.2f} fps, {mbit_s:.2f} Mbit/s"
        )
    rates: dict[str, list[float]] = {name: [] for name in METHODS}
    for _ in range(rounds):
        for name, method in METHODS.items():
            start = time.process_time()
            for _ in method(path):
                pass
            rates[name].append(frames / (time.process_time() - start))
    alone = median(rates["decode only"])
    for name, values in rates.items():
        rate = median(values)
        verdict = (
            ""
            if not name.startswith("decode_ticks")
            else "  ok"
            if rate / alone >= BAR
            else f"  below {BAR}"
        )
        spread = f"{min(values):,.0f}-{max(values):,.0f}"
        print(
            f"  {name:<20} {rate:>8,.0f} frames/CPU-s ({spread})  "
            f"{rate / alone:.2f} of decode only{verdict}"
        )
    return {
        "frames": frames,
        "fps": fps,
        "mbit_s": mbit_s,
        "frames_per_cpu_s": {name: median(values) for name, values in rates.items()},
        "of_decode_only": {name: median(values) / alone for name, values in rates.items()},
        "bar": BAR,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=int, default=60, help="length of the videos that it makes"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "decode.json"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = list(options.videos)
        if not videos:
            for fps in (30, 60):
                videos.append(Path(folder) / f"gameplay_{fps}.mp4")
                gameplay(videos[-1], fps, options.seconds)
        found = {video.name: measure(video, options.rounds) for video in videos}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
