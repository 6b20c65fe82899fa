"""Counts made while a shard is written: a manifest row for each clip, and the shard's sums.

Only valid ticks count. Legend: T ticks, K buttons, A axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..actions.spec import ActionSpec
from .clip import Clip

CONFIDENCE_BINS = 10
COPIED = ("episode_id", "source_uri", "source_sha256", "group", "label_source", "spec_sha256")
"""What a clip's row takes from its lineage as it is."""


def clip_row(clip: Clip, spec: ActionSpec, shard: str, split: str) -> dict[str, Any]:
    """The manifest's row of a clip, without its place in the tar.

    `presses` counts how often each button goes down (held at the start of the clip counts once);
    `null_fraction` is the share of valid ticks with no button held and all axes in the middle bin.
    """
    valid = np.asarray(clip.valid, bool)
    confidence = np.asarray(clip.confidence, np.float32)[valid]
    null = null_ticks(clip, spec)
    return {
        "key": clip.key,
        "shard": shard,
        "frames": clip.ticks,
        "valid_frames": int(valid.sum()),
        "start_tick": int(clip.meta["start_tick"]),
        "licence": clip.meta.get("licence") or None,
        "split": split,
        "mean_confidence": _rounded(confidence.mean() if confidence.size else 0.0),
        "p10_confidence": _rounded(np.percentile(confidence, 10) if confidence.size else 0.0),
        "null_fraction": _rounded(null.mean() if null.size else 0.0),
        "presses": dict(zip(spec.button_names, _presses(clip).tolist(), strict=True)),
        "filter_score": clip.meta.get("filter_score"),
        "idm_sha256": clip.meta.get("idm_sha256"),
    } | {name: clip.meta[name] for name in COPIED}


class ShardStatistics:
    """Sums over the clips of a shard.

    `to_dict` gives what the commit record keeps; `merge` adds such dicts up.
    """

    def __init__(self, spec: ActionSpec):
        self.spec = spec
        self.counts = {"clips": 0, "ticks": 0, "valid_ticks": 0, "null_ticks": 0}
        self.held_ticks = np.zeros(spec.num_buttons, np.int64)
        self.presses = np.zeros(spec.num_buttons, np.int64)
        self.camera_bins = [np.zeros(bins, np.int64) for bins in spec.num_bins]
        self.confidence = np.zeros(CONFIDENCE_BINS, np.int64)

    def add(self, clip: Clip) -> None:
        """Count a clip."""
        valid = np.asarray(clip.valid, bool)
        self.counts["clips"] += 1
        self.counts["ticks"] += clip.ticks
        self.counts["valid_ticks"] += int(valid.sum())
        self.counts["null_ticks"] += int(null_ticks(clip, self.spec).sum())
        self.held_ticks += clip.buttons[valid].sum(axis=0, dtype=np.int64)
        self.presses += _presses(clip)
        bins = self.spec.quantise(clip.camera[valid])  # (valid ticks, A)
        for a, num_bins in enumerate(self.spec.num_bins):
            self.camera_bins[a] += np.bincount(bins[:, a], minlength=num_bins)
        confidence = np.asarray(clip.confidence, np.float32)[valid]
        index = np.minimum((confidence * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
        self.confidence += np.bincount(index, minlength=CONFIDENCE_BINS)

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what another shard's `to_dict` holds."""
        for name in self.counts:
            self.counts[name] += other[name]
        self.held_ticks += [other["held_ticks"][name] for name in self.spec.button_names]
        self.presses += [other["presses"][name] for name in self.spec.button_names]
        for a, axis in enumerate(self.spec.axes):
            self.camera_bins[a] += other["camera_bins"][axis.name]
        self.confidence += other["confidence"]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: counts of ticks, clips and presses; histograms of axes and confidence."""
        names = self.spec.button_names
        return {
            **self.counts,
            "held_ticks": dict(zip(names, self.held_ticks.tolist(), strict=True)),
            "presses": dict(zip(names, self.presses.tolist(), strict=True)),
            "camera_bins": {
                axis.name: counts.tolist()
                for axis, counts in zip(self.spec.axes, self.camera_bins, strict=True)
            },
            "confidence": self.confidence.tolist(),
        }


def null_ticks(clip: Clip, spec: ActionSpec) -> np.ndarray:
    """bool [valid ticks]: where nothing is done."""
    valid = np.asarray(clip.valid, bool)
    middle = np.array([axis.quantiser.null_bin for axis in spec.axes], np.int64)
    still = (spec.quantise(clip.camera[valid]) == middle).all(axis=1)
    return still & ~clip.buttons[valid].any(axis=1)


def _presses(clip: Clip) -> np.ndarray:
    """int64 [K]: how often each button goes down; an invalid tick counts as released."""
    held = (clip.buttons > 0) & np.asarray(clip.valid, bool)[:, None]  # (T, K)
    return held[:1].sum(axis=0) + (held[1:] & ~held[:-1]).sum(axis=0)


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 6)
