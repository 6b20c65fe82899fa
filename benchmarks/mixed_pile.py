"""What an IDM's labels of a mixed pile are worth, before filters and after: a table of
`clean_frames.py`.

Recordings with their true actions, of which by turns ten seconds are play as it is and ten lie
under a kind of dirt that no label showed, are labeled as a whole. What counts is all of it, what
looks like the game to the IDM, or what a filter of clean frames keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vidact.datasets.actions.spec import FrameSpec
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.video.resize import FrameResizer
from vidact.datasets.video.ticks import decode_ticks
from vidact.idm.eval_idm import label, truth_of
from vidact.idm.labels.predict import Predictor
from vidact.idm.scores.figures import Figures
from vidact.idm.scores.metrics import Sums
from vidact.pipeline.filtering.clean_filter import CleanFilter
from vidact.pipeline.filtering.config import CleanConfig
from vidact.pipeline.labelling.clean_stretches import CleanJudge

Picture = NDArray[np.uint8]
Paint = Callable[[list[Picture], np.random.Generator], list[Picture]]
LEAST = 0.5  # of `in_game`
BATCH = 64


def mixed_pile(
    recordings: Sequence[Recording],
    kinds: Sequence[Paint],
    predictor: Predictor,
    clean_filter: CleanFilter,
    *,
    stretch_s: float,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Figures of the labels of all ticks, and of those that stay, by what decides that."""
    spec, generator = predictor.spec, np.random.default_rng(seed)
    sums: dict[str, list[Sums]] = {}
    ticks: dict[str, NDArray[np.int64]] = {}  # kept, and of them dirty
    turn = 0
    for recording in recordings:
        truth = truth_of(recording, spec)
        pictures = list(pictures_of(recording, predictor))[: len(truth.valid)]
        dirty = np.zeros(len(pictures), bool)
        length = round(stretch_s * float(spec.tick_hz))
        for start in range(0, len(pictures), length):
            if turn % 2:
                own = pictures[start : start + length]
                pictures[start : start + length] = kinds[turn // 2 % len(kinds)](own, generator)
                dirty[start : start + length] = True
            turn += 1
        resizer = FrameResizer(spec.frame)
        frames = np.stack([resizer.from_rgb(np.ascontiguousarray(one)) for one in pictures])
        batches = (frames[i : i + BATCH] for i in range(0, len(frames), BATCH))
        labels = label(predictor, batches, len(frames))
        game = np.ones(len(frames), bool)
        if predictor.game is not None:
            game = predictor.game.ask(frames, 0) >= LEAST
        kept = {
            "everything": np.ones(len(frames), bool),
            "looks like the game": game,
            "kept by the filter": game & kept_by(clean_filter, frames, float(spec.tick_hz)),
        }
        for name, mask in kept.items():
            counted = replace(truth, valid=truth.valid[: len(frames)] & mask)
            sums.setdefault(name, []).append(Sums.of(labels, counted, spec))
            counts = np.array([mask.sum(), (mask & dirty).sum()])
            ticks[name] = ticks.get(name, 0) + counts
    return {
        name: row_of(Figures.over(own, spec), ticks[name], ticks["everything"], predictor)
        for name, own in sums.items()
    }


def pictures_of(recording: Recording, predictor: Predictor) -> Iterator[Picture]:
    """The picture of each tick at the recording's own size."""
    size = FrameSpec(recording.video.width, recording.video.height)
    hz = predictor.spec.tick_hz
    for batch in decode_ticks(recording.path, size, hz, probe=recording.video):
        yield from batch.frames


def kept_by(clean_filter: CleanFilter, frames: Picture, tick_hz: float) -> NDArray[np.bool_]:
    """Which ticks `label --filter` would keep."""
    judge = CleanJudge(clean_filter, CleanConfig(threshold=clean_filter.threshold), tick_hz)
    asked = np.arange(0, len(frames), judge.thresholds.every)
    parts, _ = judge.ask(frames[asked], asked, "pile")
    kept = judge.thresholds.keep(parts)
    return kept[judge.thresholds.frame_of(np.arange(len(frames)), 0, len(kept))]


def row_of(
    figures: Figures, ticks: NDArray[np.int64], whole: NDArray[np.int64], predictor: Predictor
) -> dict[str, float]:
    headline = {
        name: float(figures.headline[name][0])
        for name in ("keypress_accuracy", "macro_f1_common", "transition_f1_common")
    }
    motion: dict[str, Any] = {
        f"{axis} R²": float(value)
        for axis, value in zip(predictor.spec.axis_names, figures.motion_r2[0], strict=True)
    }
    share = {"kept": ticks[0] / whole[0], "dirty share": ticks[1] / max(int(ticks[0]), 1)}
    return {name: round(float(x), 4) for name, x in {**share, **headline, **motion}.items()}
