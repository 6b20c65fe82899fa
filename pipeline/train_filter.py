"""`vidact train-filter`: clean-or-not labels ► a filter of clean frames, a report, a queue.

Pictures of the export ► vectors ► cross-validation by video ► a filter fitted to all ► checkpoint
folder: `model.safetensors`, `config.json`, `report.html`, `next_frames.parquet`.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import storage
from ..datasets.actions.spec import FrameSpec
from ..datasets.video.resize import FrameResizer
from ..errors import ConfigError
from ..idm.labels.calibration import sigmoid
from ..idm.labels.checkpoint import load_idm, spec_of
from ..networks.checkpoints import require_place
from ..progress import Progress, log
from ..settings import to_plain
from ..training.intervals import bootstrap_weights, interval
from .filtering.clean_filter import CleanFilter, frame_entry
from .filtering.clean_model import CleanModel
from .filtering.config import TrainFilterConfig
from .filtering.embeddings import PictureEmbedding, StillTrunk, embedding_of_weights
from .filtering.fitting import (
    LEAST_RECALL,
    SHARES,
    Judgments,
    Painted,
    calibration,
    figures_of,
    fit_cells,
    fit_model,
    folds_of,
    held_out_log_odds,
    held_out_probability,
    lowest_threshold,
    reliability_of,
    require_sklearn,
    with_reasons,
)
from .filtering.insets import Gray, OwnLines, gray_of, shows_insets
from .filtering.labeled_frames import LabeledFrame, decode_picture, pictures, read_labels
from .filtering.made_up_dirt import painted_over
from .filtering.next_frames import QUEUE_FILE, choose, find_videos, look_at, write_queue
from .filtering.report import HardFrame, data_uri, render

AT_ONCE = 64  # pictures held
PAINTINGS = 3  # of each clean frame, under dirt made up anew
MOST_PAINTED = 2000  # in all: their vectors are held
REPORT_FILE = "report.html"
DRAWS = 500
# By how much twice the labels must have helped, for as many again to be worth the work.
WORTHWHILE = 0.005


def train_filter(config: TrainFilterConfig) -> int:
    """Train it and write what came out; returns 0. Raises what the user can fix as VidactError."""
    require_sklearn()
    require_place(config.out, "filter")
    videos = find_videos(config.unlabeled)
    embedding, frame = embedding_for(config)
    frames, left_out = read_labels(config.labels)
    if not frames:
        raise ConfigError("labels: nobody has marked any frame of these exports")
    judgments_of(frames).require_enough()
    frames, vectors, painted, lines = embedded(frames, embedding, frame, config.seed)
    judged = judgments_of(frames)
    found, metrics, said = measured(vectors, judged, painted, config)
    clean_filter = CleanFilter(
        embedding=embedding,
        model=found,
        reasons=tuple(metrics["reasons"]),
        frame=frame_entry(frame),
        threshold=metrics["threshold"],
        own_lines=lines,
    )
    metrics["left_out"] = dict(left_out)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    page = render(metrics, hardest_of(frames, said, config.hardest))
    storage.write_atomic(out / REPORT_FILE, page.encode())
    clean_filter.save(
        config.out,
        {
            "training": to_plain(config),
            "metrics": metrics,
            "data": {"videos": sorted(set(judged.videos.tolist())), "frames": len(frames)},
        },
    )
    queued = queue_of(clean_filter, frame, videos, config) if videos else 0
    log(summary(metrics, config.out, queued))
    return 0


def embedding_for(config: TrainFilterConfig) -> tuple[PictureEmbedding, FrameSpec]:
    """What looks at pictures, and the size to which they are brought before."""
    checkpoint = load_idm(config.idm)
    spec = spec_of(checkpoint)
    if not config.weights:
        return StillTrunk.of_idm(checkpoint, spec), spec.frame
    return embedding_of_weights(config.architecture, config.weights), spec.frame


def judgments_of(frames: Sequence[LabeledFrame]) -> Judgments:
    """What people say of the frames, in their order."""
    return Judgments(
        clean=np.array([one.clean for one in frames]),
        videos=np.array([one.video for one in frames]),
        reasons=[one.reason for one in frames],
    )


def embedded(
    frames: Sequence[LabeledFrame], embedding: PictureEmbedding, frame: FrameSpec, seed: int
) -> tuple[list[LabeledFrame], NDArray[np.float32], Painted, OwnLines | None]:
    """The frames in the order in which the exports have their pictures, their vectors, those of
    clean ones under made-up dirt, and the lines that clean ones have themselves.
    """
    resizer = FrameResizer(frame)
    order: list[LabeledFrame] = []
    vectors, under = Gathered(embedding), Gathered(embedding)
    rows: list[int] = []
    gray: list[Gray] = []
    compared = shows_insets(frame_entry(frame))
    clean = sum(one.clean for one in frames)
    with Progress("Looking at labeled frames", total=len(frames), unit="frames") as progress:
        for one, data in pictures(frames):
            picture = decode_picture(data, one.key)
            small = resizer.from_rgb(picture)
            vectors.add(small)
            if one.clean and compared:
                gray.append(gray_of(small[None]))
            # By its name, so that a frame is painted alike whatever is labeled beside it.
            generator = np.random.default_rng([seed, zlib.crc32(one.key.encode())])
            times = min(PAINTINGS, MOST_PAINTED / max(clean, 1)) + generator.random()
            for _ in range(int(times) if one.clean else 0):
                under.add(resizer.from_rgb(painted_over(picture, generator)))
                rows.append(len(order))
            order.append(one)
            progress.advance(1)
    made_up = Painted(vectors=under.all(), rows=np.array(rows, np.intp))
    lines = OwnLines.of(np.concatenate(gray), seed=seed) if gray else None
    return order, vectors.all(), made_up, lines


class Gathered:
    """Vectors of pictures, of which few are held at a time."""

    def __init__(self, embedding: PictureEmbedding):
        self._embedding = embedding
        self._held: list[NDArray[np.uint8]] = []
        self._vectors: list[NDArray[np.float32]] = []

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Look at a picture of the spec's size."""
        self._held.append(picture)
        if len(self._held) == AT_ONCE:
            self._look()

    def all(self) -> NDArray[np.float32]:
        """The vectors of all of them, in their order."""
        if self._held:
            self._look()
        return np.concatenate(self._vectors)

    def _look(self) -> None:
        self._vectors.append(self._embedding(np.stack(self._held)))
        self._held = []


def measured(
    vectors: NDArray[np.float32], judged: Judgments, painted: Painted, config: TrainFilterConfig
) -> tuple[CleanModel, dict[str, Any], NDArray[np.float64]]:
    """Fit to all labels, and measure on held-out videos.

    Returns:
        The model; `metrics` of the checkpoint; what was said of each frame, [N], by a filter that
        was fitted without its video.
    """
    tests = folds_of(judged, config.folds, config.seed)
    curve = []
    with Progress("Cross-validation", total=len(SHARES) * len(tests), unit="fits") as progress:
        for share in SHARES:
            log_odds = held_out_log_odds(
                vectors,
                judged,
                painted,
                tests,
                regularization=config.regularization,
                share=share,
                seed=config.seed,
                progress=progress,
            )
            said = held_out_probability(log_odds, judged, tests)
            curve.append(curve_point(share, said, judged))
    known = np.isfinite(said)  # of all labels, which come last
    if not known.all():
        raise ConfigError(
            "labels: without some video all other frames are of one kind; label both kinds in more "
            "videos"
        )
    threshold = lowest_threshold(said, judged.clean, config.precision)
    fitted = fit_cells(vectors, judged, painted, seed=config.seed)
    model = fit_model(fitted, judged, regularization=config.regularization)
    model, reasons = with_reasons(model, vectors, judged, regularization=config.regularization)
    model = replace(model, slope=calibration(log_odds, judged.clean))
    wrongly = [
        reason for reason, p in zip(judged.reasons, said, strict=True) if reason and p >= threshold
    ]
    counts, called = Counter(filter(None, judged.reasons)), Counter(wrongly)
    metrics = {
        "labels": {
            "clean": int(judged.clean.sum()),
            "unclean": int((~judged.clean).sum()),
            "videos": len(set(judged.videos.tolist())),
        },
        "folds": len(tests),
        "threshold": threshold,
        "held_out": figures_of(said, judged.clean, threshold),
        "by_reason": {
            reason: {"frames": count, "called_clean": called[reason]}
            for reason, count in sorted(counts.items())
        },
        "reasons": reasons,
        "reliability": reliability_of(said, judged.clean),
        "curve": curve,
        "advice": advice(curve),
        "doubt": doubt(said, judged, threshold, config.precision),
    }
    return model, metrics, said


def curve_point(share: float, said: NDArray[np.float64], judged: Judgments) -> dict[str, Any]:
    """Balanced accuracy with a share of the labels, with a 95 % interval over videos."""
    right = np.where(np.isfinite(said), (said >= 0.5) == judged.clean, 0.5)
    names, video = np.unique(judged.videos, return_inverse=True)
    sums = np.zeros((len(names), 4))
    for column, of in enumerate((judged.clean, ~judged.clean)):
        np.add.at(sums[:, 2 * column], video, right * of)
        np.add.at(sums[:, 2 * column + 1], video, of)
    weights = bootstrap_weights(len(names), DRAWS if len(names) > 1 else 0, 0)
    drawn = weights @ sums  # the first row weighs all alike
    with np.errstate(invalid="ignore", divide="ignore"):
        values = 0.5 * (drawn[:, 0] / drawn[:, 1] + drawn[:, 2] / drawn[:, 3])
    low_high = interval(values)
    value = float(values[0])
    return {
        "labels": round(share * len(said)),
        "balanced_accuracy": value,
        "ci95": low_high if low_high and None not in low_high else [value, value],
    }


def advice(curve: Sequence[dict[str, Any]]) -> str:
    """Whether more labels would help, in a sentence."""
    before, now = (point["balanced_accuracy"] for point in curve[-2:])
    gain, labels = now - before, curve[-1]["labels"]
    if gain >= WORTHWHILE:
        return (
            f"The second half of the labels brought {100 * gain:.1f} points of balanced accuracy: "
            f"more labels will help. Another {labels:,} would bring less than that again."
        )
    return (
        f"The second half of the labels brought {100 * gain:.1f} points of balanced accuracy: more "
        "of the same will hardly help. Look at the hardest frames: are some labels wrong, is a "
        "kind of dirt rare, or too small for the pictures that the filter sees?"
    )


def doubt(said: NDArray[np.float64], judged: Judgments, threshold: float, precision: float) -> str:
    """That the precision which was asked for is not reached, in a sentence; empty where it is."""
    reached = figures_of(said, judged.clean, threshold)["precision"]
    if reached >= precision:
        return ""
    return (
        f"No threshold has a precision of {precision:g} for kinds of dirt without a label and "
        f"keeps {LEAST_RECALL:.0%} of the clean frames; from {threshold:.3g} on it is "
        f"{reached:.3f}. Some dirt looks like play to this filter: the table of reasons says which."
    )


def hardest_of(
    frames: Sequence[LabeledFrame], said: NDArray[np.float64], count: int
) -> list[HardFrame]:
    """The frames that the filter is most wrong about, the worst first."""
    clean = np.array([one.clean for one in frames])
    worst = np.argsort(np.where(clean, said, 1 - said), kind="stable")[:count]
    place = {frames[row].key: (rank, float(said[row])) for rank, row in enumerate(worst)}
    wanted = [one for one in frames if one.key in place]
    found = [
        HardFrame(
            key=one.key,
            uri=one.uri,
            said=place[one.key][1],
            label=one.reason or "clean",
            picture=data_uri(data, "jpeg"),
        )
        for one, data in pictures(wanted)
    ]
    return sorted(found, key=lambda frame: place[frame.key][0])


def queue_of(
    clean_filter: CleanFilter, frame: FrameSpec, videos: Sequence[Path], config: TrainFilterConfig
) -> int:
    """Write the frames that are worth labeling next; returns how many there are."""
    places: list[tuple[str, str, int]] = []
    said, features = [], []
    for looks in look_at(videos, frame, config.frame_step_s):
        own = clean_filter.model.features(clean_filter.embedding(looks.frames))
        said.append(sigmoid(clean_filter.model.log_odds(own)))
        features.append(own)
        places += [(looks.uri, looks.sha256, int(pts)) for pts in looks.pts_ns]
    if not places:
        return 0
    p = np.concatenate(said)
    rows = choose(-np.abs(p - 0.5), np.concatenate(features), config.next_frames)
    file = Path(config.out) / QUEUE_FILE
    write_queue(file, [places[row] for row in rows], p[rows].tolist())
    return len(rows)


def summary(metrics: dict[str, Any], out: str, queued: int) -> str:
    """What came out, in a few lines."""
    held_out, labels = metrics["held_out"], metrics["labels"]
    lines = [
        f"{labels['clean']:,} clean and {labels['unclean']:,} unclean frames of "
        f"{labels['videos']:,} videos; left out: {json.dumps(metrics['left_out'])}",
        "on videos, and kinds of dirt, that it was not fitted on, from "
        f"{metrics['threshold']:.3f} on: precision {held_out['precision']:.3f}, recall "
        f"{held_out['recall']:.3f}, calibration error {held_out['ece']:.3f}",
        *([metrics["doubt"]] if metrics["doubt"] else []),
        metrics["advice"],
        f"{out}: the filter, and {REPORT_FILE} with the hardest frames",
    ]
    if queued:
        lines.append(f"{queued} frames to label next: vidact serve DATA --clean {out}/{QUEUE_FILE}")
    return "\n".join(lines)
