"""Videos whose frames say their own number: 16 bits as black and white columns that survive any
codec.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, BITS = 320, 240, 16
COLUMN = WIDTH // BITS


def picture(number: int) -> NDArray[np.uint8]:
    """The frame with that number: its bits above, a moving grey ramp below so that every frame
    differs.
    """
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(BITS):
        frame[: HEIGHT // 2, bit * COLUMN : (bit + 1) * COLUMN] = 235 if number >> bit & 1 else 20
    ramp = (np.arange(WIDTH) + 7 * number) % 256
    frame[HEIGHT // 2 :] = ramp[None, :, None]
    return frame


def read(frame: NDArray[np.uint8]) -> int:
    """The number in a frame of any size."""
    height, width = frame.shape[:2]
    row = frame[: height // 3].mean(axis=(0, 2))
    centres = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    return int(sum(1 << bit for bit, x in enumerate(centres) if row[x - 2 : x + 3].mean() > 128))


def write(
    path: Path, count: int, *, rate: Fraction = Fraction(30), kind: str = "plain", first: int = 0
) -> Path:
    """A video of `count` frames. Kinds: `plain`, `b-frames`, `vfr`, `offset` (starts late), `webm`
    (VP9).
    """
    codec = "libvpx-vp9" if kind == "webm" else "libx264"
    options = {
        "preset": "veryfast",
        "g": "48",
        "bf": "3" if kind == "b-frames" else "0",
        "crf": "23",
    }
    if kind == "webm":
        options = {"deadline": "realtime", "cpu-used": "8", "g": "48", "b:v": "600k"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        time_base = Fraction(1, 90_000)
        stream.codec_context.time_base = time_base
        rng = np.random.default_rng(0)
        pts = 0 if kind != "offset" else 90_000 * 3 // 2
        for number in range(first, first + count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(
                format="yuv420p", threads=1
            )
            frame.pts, frame.time_base = pts, time_base
            for packet in stream.encode(frame):
                container.mux(packet)
            step = round(90_000 / rate)
            pts += int(rng.integers(step // 3, 3 * step)) if kind == "vfr" else step
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def with_edit_list(source: Path, path: Path, start_s: float) -> Path:
    """A stream copy that begins in the middle of a group of pictures: players hide its first frames
    by an edit list.
    """
    with av.open(str(source)) as origin, av.open(str(path), "w") as target:
        stream = origin.streams.video[0]
        copy = target.add_stream_from_template(stream)
        time_base = stream.time_base or Fraction(1, 90_000)
        start = int(start_s / time_base)
        origin.seek(start, stream=stream)
        for packet in origin.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            packet.pts -= start
            packet.dts -= start
            packet.stream = copy
            target.mux(packet)
    return path
