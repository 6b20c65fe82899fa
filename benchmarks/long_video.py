"""Memory while a long video is probed and decoded: `python benchmarks/long_video.py [--minutes
60]`.

The video is one minute of bar codes, copied packet by packet behind itself. Resident memory is told
after the probe and after each tenth of the ticks; it must not grow with the length. Figures go to
results/long_video.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.video.probe import probe
from vidact.datasets.video.ticks import decode_ticks, num_ticks

FPS, SIZE, TICK_HZ = 30, (160, 96), Fraction(20)
BAR_MB = 32  # more than this between the first tenth and the last would be a leak


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "long_video.json"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        minute, path = Path(folder) / "minute.mp4", Path(folder) / "long.mp4"
        make_minute(minute)
        repeat(minute, path, options.minutes)
        before = resident_mb()
        started = time.process_time()
        video = probe(path)
        probed_s = time.process_time() - started
        found = {
            "minutes": options.minutes,
            "frames": video.frames,
            "probe_cpu_s": probed_s,
            "before_mb": before,
        }
        found["probed_mb"] = resident_mb()
        total, marks = num_ticks(video, TICK_HZ), []
        for batch in decode_ticks(path, FrameSpec(128, 128), TICK_HZ, probe=video):
            if (batch.start_tick + len(batch.frames)) * 10 // total > len(marks):
                marks.append(resident_mb())
        found["decoding_mb"] = marks
        found["frames_per_cpu_s"] = video.frames / (time.process_time() - started)
        print(json.dumps(found, indent=1))
        print("flat" if marks[-1] - marks[0] <= BAR_MB else "GROWS")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def make_minute(path: Path) -> None:
    """A minute of stripes that move."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "g": "150"}
        )
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        columns = np.arange(SIZE[0])
        for number in range(60 * FPS):
            row = ((columns + number) // 16 % 2 * 150 + 50).astype(np.uint8)
            picture = np.broadcast_to(row[None, :, None], (SIZE[1], SIZE[0], 3))
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            ):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def repeat(minute: Path, path: Path, times: int) -> None:
    """Copy the packets of `minute` so many times, one minute behind the other."""
    with av.open(str(path), "w") as target:
        copy = None
        for number in range(times):
            with av.open(str(minute)) as source:
                stream = source.streams.video[0]
                copy = copy or target.add_stream_from_template(stream)
                shift = round(60 * number / (stream.time_base or Fraction(1)))
                for packet in source.demux(stream):
                    if packet.pts is None or packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = (
                        packet.pts + shift,
                        packet.dts + shift,
                        copy,
                    )
                    target.mux(packet)


def resident_mb() -> float:
    """Megabytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


if __name__ == "__main__":
    main()
