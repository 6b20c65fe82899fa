"""Which frames are worth labeling next: those that a filter is unsure of, and that differ.

N frames, F features
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ... import storage
from ...datasets.actions.spec import FrameSpec
from ...datasets.video.config import DecoderConfig
from ...datasets.video.file import VIDEO_SUFFIXES
from ...datasets.video.sandbox import open_decoder
from ...errors import ConfigError, VideoError
from ...progress import Progress, log

QUEUE_FILE = "next_frames.parquet"
QUEUE_SCHEMA = pa.schema(
    {
        "source_uri": pa.string(),
        "source_sha256": pa.string(),
        "pts_ns": pa.int64(),
        "clean": pa.float32(),
    }
)
# As many of the least sure frames as are chosen among, for each that is chosen: fewer would be
# neighbors in one video, more would be frames that the filter knows.
CHOICE = 8
AT_ONCE = 256  # frames held


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """Frames of one video that may be worth a label."""

    uri: str
    sha256: str
    pts_ns: NDArray[np.int64]
    """[N]."""
    frames: NDArray[np.uint8]
    """[N, H, W, 3]."""


def find_videos(paths: Sequence[str]) -> list[Path]:
    """Video files at these places and under these folders; ConfigError where one has none."""
    found: set[Path] = set()
    for path in map(Path, paths):
        inside = map(Path, storage.list_files(path, recursive=True)) if path.is_dir() else [path]
        own = {file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file()}
        if not own:
            raise ConfigError(f"unlabeled: {path} has no videos")
        found |= own
    return sorted(found)


def look_at(videos: Sequence[Path], frame: FrameSpec, step_s: float) -> Iterator[Looks]:
    """Frames of videos, `step_s` seconds apart, some at a time; a video that cannot be read is told
    of and left out.
    """
    tick_hz = 1 / Fraction(step_s).limit_denominator(1000)
    decoder = open_decoder(DecoderConfig(), frame)
    try:
        with Progress("Looking for frames to label", total=len(videos), unit="videos") as progress:
            for path in videos:
                try:
                    facts = decoder.probe(path, tick_hz)
                    for batch in decoder.ticks(
                        path, frame, tick_hz, start_tick=0, end_tick=facts.ticks
                    ):
                        yield Looks(
                            uri=str(path.resolve()),
                            sha256=facts.sha256,
                            pts_ns=batch.pts_ns.copy(),
                            frames=batch.frames.copy(),
                        )
                except VideoError as error:
                    log(f"left out: {error}")
                progress.advance(1)
    finally:
        decoder.close()


def choose(
    uncertainty: NDArray[np.float64], features: NDArray[np.float64], count: int
) -> list[int]:
    """Rows of the frames to label: of the least sure ones those farthest from each other.

    The least sure one comes first, then always the one farthest from all before (k-center).

    Args:
        uncertainty: [N], the more the less sure.
        features: [N, F].
    """
    least_sure = np.argsort(-uncertainty, kind="stable")[: CHOICE * count]
    chosen: list[int] = []
    nearest = np.full(len(least_sure), np.inf)
    place = 0
    while len(chosen) < min(count, len(least_sure)):
        chosen.append(int(least_sure[place]))
        distance = np.square(features[least_sure] - features[chosen[-1]]).sum(1)
        nearest = np.minimum(nearest, distance)
        nearest[place] = -1.0
        place = int(np.argmax(nearest))
        if nearest[place] <= 0:  # what is left shows the same as what is chosen
            break
    return chosen


def write_queue(file: Path, looks: Sequence[tuple[str, str, int]], clean: Sequence[float]) -> None:
    """Write the frames (URI, content hash, time) and their probabilities, the first to label
    first.
    """
    rows = [
        dict(zip(QUEUE_SCHEMA.names, (*look, p), strict=True))
        for look, p in zip(looks, clean, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=QUEUE_SCHEMA)
    with storage.replacing(file) as temporary:
        pq.write_table(table, temporary, compression="zstd")
