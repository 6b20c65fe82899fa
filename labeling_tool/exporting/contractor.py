"""Corrected labels as recordings (mp4 and jsonl), which `vidact train-idm` reads.

Tasks that follow one another in a source become one recording, so that the model has its context.
The video has a frame per tick, at the tick rate, as large as annotators saw it. A frame that
somebody marked as unsure, or as carrying no label, is not valid: training leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.actions.devices import DeviceState, device_state_of
from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.writer import RecordingWriter
from ..context import Context
from ..pictures.rendering import frames_of, recipe_of
from ..store.models import Project
from .submissions import Submission


def export_recordings(
    context: Context, project: Project, found: Iterable[Submission], folder: Path
) -> dict[str, Any]:
    """Write recordings into `folder`; returns counts."""
    spec = ActionSpec.from_dict(project.spec or {})
    counts = {"recordings": 0, "frames": 0, "valid_frames": 0, "corrected_buttons": 0}
    for group in _consecutive(found):
        first = group[0]
        frames, documents = [], []
        for submission in group:
            frames.append(frames_of(context, recipe_of(submission.task, submission.source)))
            documents.append(submission.actions())
        height, width = frames[0].shape[1:3]
        source = first.source.sha256[:12] or "source"
        first_tick = first.task.lineage.get("first_tick", 0)
        stem = folder / f"{source}-{first_tick:09d}-t{first.task.id}"
        meta = {
            "spec": spec.name,
            "spec_sha256": spec.sha256,
            "source": first.source.name,
            "source_sha256": first.source.sha256,
            "first_tick": first.task.lineage.get("first_tick"),
            "idm_sha256": first.task.lineage.get("idm_sha256"),
            "pts_ns": [pts for submission in group for pts in submission.task.lineage["pts_ns"]],
            "labels": [submission.provenance() for submission in group],
        }
        with RecordingWriter(stem, fps=spec.tick_hz, size=(width, height), meta=meta) as writer:
            state: DeviceState | None = None
            for pictures, document, submission in zip(frames, documents, group, strict=True):
                valid = document.valid & ~document.unsure
                for t, picture in enumerate(pictures):
                    state = device_state_of(
                        spec, document.buttons[t], document.camera[t], previous=state
                    )
                    writer.write(
                        np.ascontiguousarray(picture),
                        replace(state, valid=bool(valid[t]), label_source="corrected"),
                    )
                counts["frames"] += len(pictures)
                counts["valid_frames"] += int(valid.sum())
                counts["corrected_buttons"] += int(
                    (document.buttons != submission.predictions.buttons).sum()
                )
        counts["recordings"] += 1
    return counts


def _consecutive(found: Iterable[Submission]) -> list[list[Submission]]:
    """Groups of submissions whose ticks follow one another in one source."""
    ordered = sorted(
        found, key=lambda s: (s.source.id, s.task.lineage.get("first_tick") or 0, s.task.id)
    )
    groups: list[list[Submission]] = []
    for submission in ordered:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.source.id == submission.source.id
            and last.task.lineage.get("episode_id") == submission.task.lineage.get("episode_id")
            and last.task.lineage.get("first_tick") is not None
            and last.task.lineage["first_tick"] + last.task.frames
            == submission.task.lineage.get("first_tick")
        ):
            groups[-1].append(submission)
        else:
            groups.append([submission])
    return groups
