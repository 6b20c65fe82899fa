"""Previews: larger pictures of the least certain clips, for people, kept for when a source
vanishes.

A clip of 128 pixels cannot be read by a person; the labelling tool renders frames from the source,
and where that is gone from `previews/<key>.mp4`: one frame a tick, 360 lines at most.

Which clips are the least certain is known when the last shard is labeled, and by then the workers
have let the sources go. So remote sources that hold some of these clips, and only they, are fetched
a second time: one while the one before it is decoded.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ... import storage
from ...datasets.actions.spec import FrameSpec
from ...datasets.shards.codec import decode_clip, encode_video
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.parquet import sort_rows
from ...datasets.video.config import DecoderConfig
from ...datasets.video.resize import fit
from ...datasets.video.sandbox import open_decoder
from ...errors import VideoError
from ...progress import Progress, log
from .source_files import SourceFile, SourceFiles

MAX_LINES = 360
MAX_WIDTH = 640
COLUMNS = pa.schema({"key": "string", "shard": "string", "mean_confidence": "float32"})


def least_certain(table: pa.Table, share: float) -> list[dict[str, Any]]:
    """The share of a table's clips with the lowest mean confidence, at least one where the share
    is above 0.
    """
    count = min(len(table), max(1, round(share * len(table)))) if share > 0 else 0
    return sort_rows(table, "mean_confidence", "key").slice(0, count).to_pylist()


def keep_previews(
    dataset: Dataset, share: float, decoder: DecoderConfig | None = None, *, scratch: str = ""
) -> int:
    """Write the previews that are missing; returns how many. A source that cannot be decoded is
    told and left out.

    Args:
        share: of the clips.
        decoder: of the sources.
        scratch: the folder for downloads; the system's one for temporary files unless given.
    """
    config = decoder or DecoderConfig()
    wanted: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    manifest = dataset.open_manifest()
    kept = {uri.rsplit("/", 1)[1].removesuffix(".mp4") for uri in dataset.previews()}
    chosen = least_certain(manifest.table(COLUMNS.names), share)
    missing = [row for row in chosen if row["key"] not in kept]
    for row in manifest.whole_rows(pa.Table.from_pylist(missing, COLUMNS)):
        wanted[row["source_uri"], row["source_sha256"]].append(row)
    made = 0
    sources = sorted(wanted.items())
    with (
        tempfile.TemporaryDirectory(prefix="vidact-previews-", dir=scratch or None) as folder,
        closing(SourceFiles(Path(folder))) as files,
        Progress(
            "Keeping previews", total=sum(map(len, wanted.values())), unit="clips"
        ) as progress,
    ):
        for ((uri, _), rows), after in zip_longest(sources, sources[1:]):
            try:
                with files.open(uri) as file:
                    if after is not None:
                        files.fetch_ahead(after[0][0])
                    made += _of_source(dataset, file, rows, config)
            except (VideoError, OSError) as error:
                log(f"no previews of {uri}: {error}")
            progress.advance(len(rows))
    return made


def _of_source(
    dataset: Dataset, file: SourceFile, rows: list[dict[str, Any]], config: DecoderConfig
) -> int:
    spec, uri, path = dataset.spec(), file.uri, file.path
    probing = open_decoder(config, FrameSpec(16, 16))
    try:
        facts = probing.probe(path, spec.tick_hz)
    finally:
        probing.close()
    if facts.sha256 != rows[0]["source_sha256"]:
        raise VideoError("other_file", uri, "it is not the file that was labelled")
    frame = preview_frame(facts.width, facts.height, facts.rotation)
    reading = open_decoder(config, frame)
    made = 0
    try:
        for row in sorted(rows, key=lambda row: row["start_tick"]):
            lineage = decode_clip(row["key"], dataset.read_sample(row), frames=False).meta
            start, end = row["start_tick"], row["start_tick"] + row["frames"]
            frames, times = [], []
            for batch in reading.ticks(path, frame, spec.tick_hz, start_tick=start, end_tick=end):
                frames.append(batch.frames.copy())  # a batch is overwritten by the next
                times.append(batch.pts_ns.copy())
            if np.concatenate(times).tolist() != lineage["pts_ns"]:
                raise VideoError("other_file", uri, "its frames are not those that were labelled")
            video = encode_video(np.concatenate(frames), spec.tick_hz)
            storage.write_atomic(dataset.preview_uri(row["key"]), video)
            made += 1
    finally:
        reading.close()
    return made


def preview_frame(width: int, height: int, rotation: int = 0) -> FrameSpec:
    """The even size of a preview: the picture's own shape, 360 lines and 640 columns at most,
    never enlarged.
    """
    if rotation in (90, 270):
        width, height = height, width
    return FrameSpec(*fit(width, height, (MAX_WIDTH, MAX_LINES)))
