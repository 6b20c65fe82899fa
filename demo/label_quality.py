"""How right the labels of a dataset are, against true actions that the labelling job never saw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.actions.spec import ActionSpec
from ..datasets.recordings.recording import Recording, find_recordings
from ..datasets.shards.clip import Clip
from ..datasets.shards.codec import decode_clip
from ..datasets.shards.dataset import Dataset
from ..errors import DatasetError
from ..idm.scores.figures import Figures, confidence_curves, plain
from ..idm.scores.metrics import Labelling, Sums, Truth
from ..progress import Progress
from ..training.intervals import bootstrap_weights, interval
from .filmstrip import Strip

RESAMPLINGS = 1000
MIN_BUTTONS = 4  # pressed in a clip that is shown
SHOWN_BUTTONS = 7  # lanes on the page: more make it hard to read
NAMES = ("keypress_accuracy", "macro_f1", "macro_ap", "transition_f1")


def write_label_quality(dataset: Path, truth: Path, out: Path) -> None:
    """Write the figures of `label_quality` as JSON."""
    figures = label_quality(Dataset(dataset), truth)
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def label_quality(dataset: Dataset, truth: Path) -> dict[str, Any]:
    """Figures of all labels of `dataset` whose source has a recording in the folder `truth`.

    The metrics have the names of an IDM's `metrics.json`; intervals resample recordings. Ticks that
    were dropped from the dataset do not count.

    Raises:
        DatasetError: a clip's source is none of the recordings.
    """
    spec = dataset.spec()
    recordings = find_recordings([truth])
    ticks = sum(recording.num_ticks(spec) for recording in recordings)
    sums = []
    with Progress("Comparing labels", total=ticks, unit="ticks") as progress:
        for recording, clips in clips_by_recording(dataset, recordings):
            labels, true = labels_of(clips, recording, spec)
            sums.append(Sums.of(labels, true, spec))
            progress.advance(recording.num_ticks(spec))
    return _figures(Sums.stack(sums), spec)


def clips_by_recording(
    dataset: Dataset, recordings: list[Recording]
) -> Iterator[tuple[Recording, list[Clip]]]:
    """The clips of each recording, without their frames, in the order of time."""
    manifest = dataset.open_manifest()
    known = {recording.sha256 for recording in recordings}
    uris: dict[str, str] = {}
    for batch in manifest.batches(["source_sha256", "source_uri"]):
        names = batch.group_by(batch.column_names, use_threads=False).aggregate([]).to_pylist()
        uris |= {row["source_sha256"]: row["source_uri"] for row in names}
    if strange := uris.keys() - known:
        raise DatasetError(
            f"{dataset}: there is no true recording of {uris[min(strange)]}, "
            "so its labels cannot be measured"
        )
    for recording in recordings:
        rows = manifest.source_rows(recording.sha256)
        if own := sorted(rows, key=lambda row: row["start_tick"]):
            members = ((row["key"], dataset.read_sample(row)) for row in own)
            yield recording, [decode_clip(*sample, frames=False) for sample in members]


def labels_of(clips: list[Clip], recording: Recording, spec: ActionSpec) -> tuple[Labelling, Truth]:
    """Labels and truth of the whole recording; ticks without a label, or without a truth, are not
    valid.
    """
    true = recording.actions(spec)
    ticks = len(true.valid)
    buttons = np.zeros((ticks, spec.num_buttons), np.uint8)
    prob = np.zeros((ticks, spec.num_buttons), np.float32)
    camera = np.zeros((ticks, spec.num_axes), np.float32)
    confidence = np.zeros(ticks, np.float32)
    labelled = np.zeros(ticks, bool)
    for clip in clips:
        start = clip.meta["start_tick"]
        there = slice(start, start + clip.ticks)
        buttons[there], prob[there], camera[there] = clip.buttons, clip.buttons_prob, clip.camera
        confidence[there], labelled[there] = clip.confidence, clip.valid
    labels = Labelling(buttons=buttons, buttons_prob=prob, camera=camera, confidence=confidence)
    return labels, Truth(buttons=true.buttons, camera=true.camera, valid=true.valid & labelled)


def _figures(sums: Sums, spec: ActionSpec) -> dict[str, Any]:
    weights = bootstrap_weights(len(sums.ticks), RESAMPLINGS, seed=0)
    total = sums.weighted(np.ones((1, len(sums.ticks))))
    figures = Figures.of(sums.weighted(weights), spec, total.press_rates()[0])
    names = [*NAMES, *(f"mouse_r2.{axis}" for axis in spec.axis_names)]
    return {
        "ticks": int(total.ticks[0]),
        "recordings": len(sums.ticks),
        **{name: plain(figures.headline[name][0]) for name in NAMES},
        "mouse_r2": {
            axis: plain(figures.motion_r2[0, a]) for a, axis in enumerate(spec.axis_names)
        },
        "mouse_error_deg": {
            axis: plain(figures.motion_error_deg[0, a]) for a, axis in enumerate(spec.axis_names)
        },
        "ci95": {name: interval(figures.headline[name]) for name in names},
        "tick_error": plain(figures.confidence["error"][0]),
        "mean_confidence": plain(figures.confidence["mean_confidence"][0]),
        "confidence_ece": plain(figures.confidence["ece"][0]),
        "confidence_auroc": plain(figures.confidence["auroc"][0]),
        "error_at_80": plain(figures.confidence["error_at_80"][0]),
        **confidence_curves(total),
        "true_press_share": dict(
            zip(spec.button_names, np.nan_to_num(total.press_rates()[0]).tolist(), strict=True)
        ),
    }


def labelled_strips(dataset: Dataset, truth: Path, count: int) -> list[Strip]:
    """Whole clips of `dataset` for the page, `count` of them, each of another map.

    Of the clips in which enough happens, those whose mean confidence is nearest to the dataset's
    median: neither the best nor the worst, and the choice never looks at whether labels are right.
    """
    spec = dataset.spec()
    recordings = {recording.sha256: recording for recording in find_recordings([truth])}
    manifest = dataset.open_manifest()
    clips = manifest.table(
        ["key", "shard", "source_sha256", "valid_frames", "mean_confidence", "presses"]
    )
    valid = clips["valid_frames"].to_numpy()
    unusual = clips["mean_confidence"].to_numpy().astype(np.float64)
    unusual = np.abs(unusual - np.median(unusual))
    presses = clips["presses"].combine_chunks().flatten()
    pressed = np.sum([column.to_numpy() > 0 for column in presses], axis=0)
    whole = valid == valid.max()
    busy = whole & (pressed >= MIN_BUTTONS)
    candidates = np.flatnonzero(busy if busy.any() else whole)
    keys = clips["key"].take(candidates).to_numpy(zero_copy_only=False).astype("S")
    chosen: dict[str, int] = {}
    for place in candidates[np.lexsort((keys, unusual[candidates]))].tolist():
        recording = recordings[clips["source_sha256"][place].as_py()]
        if len(chosen) < count:
            chosen.setdefault(recording.meta.get("map", recording.name), place)
    strips = []
    for row in manifest.whole_rows(clips.take(list(chosen.values()))):
        clip = decode_clip(row["key"], dataset.read_sample(row))
        strips.append(_strip(clip, recordings[row["source_sha256"]], spec))
    return strips


def _strip(clip: Clip, recording: Recording, spec: ActionSpec) -> Strip:
    """Draw a clip with the buttons that are used most in it, by label or in truth."""
    if clip.frames is None:
        raise DatasetError(f"clip {clip.key} was read without its frames")
    start = clip.meta["start_tick"]
    true = recording.actions(spec)
    true_buttons = true.buttons[start : start + clip.ticks]
    ticks_held = clip.buttons.sum(0).astype(int) + true_buttons.sum(0)
    shown = sorted(np.argsort(-ticks_held, kind="stable")[:SHOWN_BUTTONS].tolist())
    seconds = start / float(spec.tick_hz)
    where = recording.meta.get("map", recording.name)
    sure = float(clip.confidence.astype(np.float32).mean())
    return Strip(
        caption=f"Map {where}, from second {seconds:.0f} of its recording. "
        f"Mean confidence {sure:.2f}.",
        frames=clip.frames,
        tick_hz=float(spec.tick_hz),
        button_names=tuple(spec.button_names[k] for k in shown),
        prob=clip.buttons_prob[:, shown].astype(np.float32),
        buttons=clip.buttons[:, shown],
        true_buttons=true_buttons[:, shown],
        axis_names=spec.axis_names,
        camera=clip.camera,
        true_camera=true.camera[start : start + clip.ticks],
        confidence=clip.confidence.astype(np.float32),
    )
