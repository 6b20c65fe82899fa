"""Labels as parquet (a row per frame) and as JSON (a submission per line, with its history)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...datasets.actions.spec import ActionSpec
from ..store.models import Project
from ..work.operations import operation_json
from .submissions import Submission

LINEAGE = [
    ("project", pa.string()),
    ("task", pa.int64()),
    ("assignment", pa.int64()),
    ("annotator", pa.string()),
    ("approved", pa.bool_()),
    ("served", pa.string()),
    ("source_uri", pa.string()),
    ("source_sha256", pa.string()),
    ("frame", pa.int32()),
    ("pts_ns", pa.int64()),
]
CLEAN = [("label", pa.string()), ("reasons", pa.list_(pa.string()))]


def action_schema(spec: ActionSpec) -> pa.Schema:
    """Return the columns of an action-review table.

    `buttons` and `model_buttons` have a field per button, the cameras one per axis, in degrees.
    """
    buttons = pa.struct([(name, pa.uint8()) for name in spec.button_names])
    probabilities = pa.struct([(name, pa.float32()) for name in spec.button_names])
    camera = pa.struct([(name, pa.float32()) for name in spec.axis_names])
    return pa.schema(
        [
            *LINEAGE,
            ("tick", pa.int64()),
            ("buttons", buttons),
            ("model_buttons", buttons),
            ("model_prob", probabilities),
            *([("camera_deg", camera), ("model_camera_deg", camera)] if spec.axes else []),
            ("confidence", pa.float32()),
            ("edited", pa.bool_()),
            ("accepted", pa.bool_()),
            ("unsure", pa.bool_()),
            ("valid", pa.bool_()),
        ]
    )


def export_parquet(project: Project, found: Iterable[Submission], folder: Path) -> dict[str, Any]:
    """Write `labels.parquet`, a row per frame of everybody's submissions; returns counts."""
    spec = ActionSpec.from_dict(project.spec) if project.spec else None
    schema = action_schema(spec) if spec else pa.schema([*LINEAGE, *CLEAN])
    counts = {"submissions": 0, "frames": 0}
    with pq.ParquetWriter(folder / "labels.parquet", schema, compression="zstd") as writer:
        for submission in found:
            rows = (
                _action_rows(project, submission, spec)
                if spec
                else _clean_rows(project, submission)
            )
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            counts["submissions"] += 1
            counts["frames"] += len(rows)
    return counts


def export_json(project: Project, found: Iterable[Submission], folder: Path) -> dict[str, Any]:
    """Write `submissions.jsonl`: a submission per line, with lineage, labels and operations."""
    count = 0
    with open(folder / "submissions.jsonl", "w", encoding="utf-8") as file:
        for submission in found:
            if project.kind == "actions":
                document = submission.actions()
                labels: dict[str, Any] = {
                    "buttons": document.buttons.tolist(),
                    "camera_deg": [[round(float(v), 4) for v in row] for row in document.camera],
                    "edited": document.edited.tolist(),
                    "accepted": document.accepted.tolist(),
                    "unsure": document.unsure.tolist(),
                    "valid": document.valid.tolist(),
                    "note": document.note,
                }
            else:
                clean = submission.clean()
                labels = {"labels": clean.labels, "reasons": clean.reasons, "note": clean.note}
            line = {
                **submission.provenance(),
                "project": project.name,
                "source_uri": submission.source_uri,
                "source_sha256": submission.source.sha256,
                "lineage": submission.task.lineage,
                "labels": labels,
                "history": [operation_json(op) for op in submission.operations],
            }
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            count += 1
    return {"submissions": count}


def _lineage(project: Project, submission: Submission, frame: int) -> dict[str, Any]:
    return {
        "project": project.name,
        "task": submission.task.id,
        "assignment": submission.assignment.id,
        "annotator": submission.who,
        "approved": submission.assignment.state == "approved",
        "served": submission.assignment.served,
        "source_uri": submission.source_uri,
        "source_sha256": submission.source.sha256,
        "frame": frame,
        "pts_ns": submission.task.lineage["pts_ns"][frame],
    }


def _action_rows(
    project: Project, submission: Submission, spec: ActionSpec
) -> list[dict[str, Any]]:
    document, predictions = submission.actions(), submission.predictions
    first_tick = submission.task.lineage.get("first_tick") or 0

    def named(names: tuple[str, ...], values: Any) -> dict[str, Any]:
        return dict(zip(names, values.tolist(), strict=True))

    return [
        {
            **_lineage(project, submission, t),
            "tick": first_tick + t,
            "buttons": named(spec.button_names, document.buttons[t]),
            "model_buttons": named(spec.button_names, predictions.buttons[t]),
            "model_prob": named(spec.button_names, predictions.buttons_prob[t]),
            "camera_deg": named(spec.axis_names, document.camera[t]),
            "model_camera_deg": named(spec.axis_names, predictions.camera[t]),
            "confidence": float(predictions.confidence[t]),
            "edited": bool(document.edited[t]),
            "accepted": bool(document.accepted[t]),
            "unsure": bool(document.unsure[t]),
            "valid": bool(document.valid[t]),
        }
        for t in range(submission.task.frames)
    ]


def _clean_rows(project: Project, submission: Submission) -> list[dict[str, Any]]:
    document = submission.clean()
    return [
        {
            **_lineage(project, submission, t),
            "label": document.labels[t],
            "reasons": document.reasons[t],
        }
        for t in range(submission.task.frames)
    ]
