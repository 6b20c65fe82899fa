"""Stretches that a filter dropped: their scores as the records keep them, their pixels from the
source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import storage
from ...errors import VideoError
from ..actions.spec import ActionSpec
from ..video.config import DecoderConfig
from ..video.sandbox import open_decoder
from .commits import CLEAN, IN_GAME, NOT_THE_GAME
from .dataset import Dataset

COLUMNS = 6  # of the sheet
WIDTH = 14.0  # inches


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """A stretch of a source."""

    source_uri: str
    source_sha256: str
    start_tick: int
    end_tick: int
    reason: str
    score: float
    """Mean of what the filter said: `in_game`, or the probability of being clean play."""

    def line(self, tick_hz: float) -> str:
        """For people."""
        start, end = self.start_tick / tick_hz, self.end_tick / tick_hz
        return f"{start:8.1f} - {end:8.1f} s  {self.reason:14} {self.score:.3f}  {self.source_uri}"


def dropped_stretches(dataset: Dataset) -> Iterator[Dropped]:
    """All that the records tell of, source by source within each shard."""
    for record in dataset.commits():
        told = [
            (sha256, said, [(a, b, NOT_THE_GAME, score) for a, b, score in said[NOT_THE_GAME]])
            for sha256, said in record.extra.get(IN_GAME, {}).items()
        ]
        told += [
            (sha256, said, sorted(said["dropped"]))
            for sha256, said in record.extra.get(CLEAN, {}).items()
        ]
        for sha256, said, found in told:
            for start, end, reason, score in found:
                yield Dropped(
                    source_uri=said["uri"],
                    source_sha256=sha256,
                    start_tick=int(start),
                    end_tick=int(end),
                    reason=reason,
                    score=score,
                )


def draw_dropped(some: Sequence[Dropped], spec: ActionSpec, out: str) -> list[str]:
    """Draw the middle tick of each stretch, read from its source, as a sheet (PNG).

    Returns:
        Why stretches are missing from it: their source is elsewhere, gone, or another file.
    """
    from matplotlib.figure import Figure

    shown, missing = [], []
    decoder = open_decoder(DecoderConfig(), spec.frame)
    try:
        for one in some:
            try:
                shown.append((one, _middle(one, spec, decoder)))
            except (VideoError, FileNotFoundError) as error:
                missing.append(f"{one.source_uri}: {error}")
    finally:
        decoder.close()
    if not shown:
        return missing
    rows = -(-len(shown) // COLUMNS)
    side = WIDTH / COLUMNS
    figure = Figure(figsize=(WIDTH, rows * (side + 0.4)), layout="constrained")
    places = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in places:
        axes.axis("off")
    for axes, (one, picture) in zip(places, shown, strict=False):
        axes.imshow(picture)
        at = (one.start_tick + one.end_tick) / 2 / float(spec.tick_hz)
        name = Path(one.source_uri).name[:28]
        axes.set_title(f"{one.reason} {one.score:.2f}\n{name} {at:.1f} s", fontsize=7)
    figure.savefig(out, dpi=90)
    return list(dict.fromkeys(missing))


def _middle(one: Dropped, spec: ActionSpec, decoder: Any) -> np.ndarray:
    """The picture, uint8 [H, W, 3]. Raises FileNotFoundError, VideoError."""
    path = storage.local_path(one.source_uri)
    if path is None or not path.is_file():
        raise FileNotFoundError("is not on this machine")
    facts = decoder.probe(path, spec.tick_hz)
    if facts.sha256 != one.source_sha256:
        raise VideoError("changed", str(path), "is not the file that was labeled")
    tick = (one.start_tick + one.end_tick) // 2
    for batch in decoder.ticks(path, spec.frame, spec.tick_hz, start_tick=tick, end_tick=tick + 1):
        return np.array(batch.frames[0])
    raise VideoError("ended_early", str(path), f"has no tick {tick}")
