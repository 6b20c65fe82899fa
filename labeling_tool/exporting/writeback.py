"""Corrected labels written back: a new version of the dataset that the clips came from.

Pixels are copied byte for byte. A corrected clip gets certain labels (probabilities 0 and 1,
confidence 1) and says in its lineage who corrected it; every other clip is copied as it is. The old
version is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...datasets.shards.clip import Clip
from ...datasets.shards.codec import decode_clip, encode_arrays, encode_json
from ...datasets.shards.commits import DeadLetter
from ...datasets.shards.dataset import Dataset
from ...datasets.shards.info import DatasetInfo
from ...datasets.shards.manifest import HASHED_NUMBERS, manifest_hash
from ...datasets.shards.writer import ShardWriter
from ...errors import DatasetError
from ..store.models import Project
from ..work.documents import ActionDocument
from .submissions import Submission


def export_dataset(project: Project, found: Iterable[Submission], folder: Path) -> dict[str, Any]:
    """Write `dataset/` into `folder`; returns counts.

    Raises:
        DatasetError: the clips come from no dataset, from several, or from one that has changed.
    """
    by_dataset: dict[str, dict[str, Submission]] = {}
    for submission in found:
        uri, row = submission.source.meta.get("dataset"), submission.task.lineage.get("row")
        if uri and row:
            by_dataset.setdefault(uri, {})[row["key"]] = submission
    if len(by_dataset) != 1:
        raise DatasetError(
            f"{project.name}: submitted clips come from {len(by_dataset)} datasets; writing back "
            "needs exactly one (recordings and videos have none: export recordings instead)"
        )
    ((uri, corrections),) = by_dataset.items()
    dataset, target = Dataset(uri), Dataset(folder / "dataset")
    spec = dataset.spec()
    parent = dataset.content()
    parent_hash = manifest_hash(dataset.manifest(["key", "shard", *HASHED_NUMBERS]))
    origin = {"dataset": uri, "manifest": parent_hash}
    counts = {"clips": 0, "corrected_clips": 0, "corrected_buttons": 0}
    for record in dataset.commits():
        with ShardWriter(target, record.shard, spec) as writer:
            for row in record.rows:
                located = {**row, "shard": record.shard}
                members = dataset.read_sample(located)
                clip = decode_clip(row["key"], members, frames=False)
                if row["key"] in corrections:
                    submission = corrections.pop(row["key"])
                    corrected = correct(
                        clip,
                        submission.actions(),
                        spec,
                        provenance=submission.provenance(),
                        parent=origin,
                    )
                    counts["corrected_clips"] += 1
                    counts["corrected_buttons"] += int((corrected.buttons != clip.buttons).sum())
                    clip = corrected
                    members = {
                        **members,
                        "npz": encode_arrays(clip.arrays()),
                        "json": encode_json(clip.meta),
                    }
                writer.add_encoded(clip, members)
                counts["clips"] += 1
            for letter in record.dead_letters:
                writer.dead_letter(letter)
            for reason, ticks in record.drops.items():
                writer.drop(reason, ticks)
            writer.commit({**record.inherited, "parent": origin})
    if corrections:
        raise DatasetError(
            f"{dataset}: no longer holds {len(corrections)} of the corrected clips, "
            f"such as {min(corrections)}; was it made anew since they were imported?"
        )
    what = f"Corrected by hand: {counts['corrected_clips']} clips."
    target.compact(
        DatasetInfo(
            name=f"{parent['name']} (corrected)",
            spec=spec,
            labels=parent["labels"],
            description=f"{parent['description']} {what}".strip(),
            license=parent["license"],
            idm=parent["idm"],
            options={
                **parent["options"],
                "corrected": {"project": project.name, "parent": uri, **counts},
            },
            environment=parent["environment"],
            dead_letters=tuple(
                DeadLetter(**letter) for letter in dataset.dead_letters().to_pylist()
            ),
            duplicates=parent.get("duplicates", {}),
        ),
    )
    return {**counts, "parent": uri, "parent_manifest": parent_hash}


def correct(
    clip: Clip,
    document: ActionDocument,
    spec: ActionSpec,
    *,
    provenance: dict[str, Any],
    parent: dict[str, str],
) -> Clip:
    """The clip with a person's labels; frames they were unsure of carry none."""
    camera = document.camera.astype(np.float32)
    if clip.meta.get("idm_sha256") is not None:
        # A model's labels hold no more than its axes can say, and `label_checks.py` insists on it.
        low = np.array([axis.quantiser.low for axis in spec.axes], np.float32)
        high = np.array([axis.quantiser.high for axis in spec.axes], np.float32)
        camera = np.clip(camera, low, high) if spec.axes else camera
    bins = spec.quantise(camera)  # (T, A)
    camera_prob = np.zeros_like(clip.camera_prob)
    ticks = np.arange(len(camera))
    for a in range(spec.num_axes):
        camera_prob[ticks, a, bins[:, a]] = 1
    return replace(
        clip,
        buttons=document.buttons,
        buttons_prob=document.buttons.astype(np.float16),
        camera=camera,
        camera_prob=camera_prob,
        confidence=np.ones(len(camera), np.float16),
        valid=document.valid & ~document.unsure,
        meta={
            **clip.meta,
            "label_source": "corrected",
            "corrected": {**provenance, "parent": parent},
        },
    )
