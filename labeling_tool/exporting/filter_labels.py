"""Clean-or-not labels for the filter: a table, and a WebDataset tar of frames and labels."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..context import Context
from ..pictures.rendering import get_pictures, recipe_of
from ..store.bundles import unpack
from ..store.models import Project
from .submissions import Submission

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("source_uri", pa.string()),
        ("source_sha256", pa.string()),
        ("frame_index", pa.int64()),
        ("pts_ns", pa.int64()),
        ("label", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("annotator", pa.string()),
        ("approved", pa.bool_()),
        ("served", pa.string()),
    ]
)


def export_filter_labels(
    context: Context, project: Project, found: Iterable[Submission], folder: Path
) -> dict[str, Any]:
    """Write `labels.parquet` and `frames-00000.tar` into `folder`; returns counts.

    The tar holds `<key>.jpg` and `<key>.json` for each frame.
    """
    rows: list[dict[str, Any]] = []
    with tarfile.open(folder / "frames-00000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for submission in found:
            document = submission.clean()
            lineage = submission.task.lineage
            path = get_pictures(context, recipe_of(submission.task, submission.source))
            pictures, _ = unpack(path.read_bytes())
            for frame, label in enumerate(document.labels):
                if label is None:
                    continue
                row = {
                    "key": f"{submission.source.sha256[:12]}-{lineage['frame_indices'][frame]:09d}",
                    "source_uri": submission.source_uri,
                    "source_sha256": submission.source.sha256,
                    "frame_index": lineage["frame_indices"][frame],
                    "pts_ns": lineage["pts_ns"][frame],
                    "label": label,
                    "reasons": document.reasons[frame],
                    "annotator": submission.who,
                    "approved": submission.assignment.state == "approved",
                    "served": submission.assignment.served,
                }
                rows.append(row)
                _add(tar, f"{row['key']}.jpg", pictures[frame])
                _add(tar, f"{row['key']}.json", json.dumps(row, sort_keys=True).encode())
    pq.write_table(
        pa.Table.from_pylist(rows, schema=SCHEMA), folder / "labels.parquet", compression="zstd"
    )
    return {
        "frames": len(rows),
        "labels": dict(sorted(Counter(row["label"] for row in rows).items())),
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # its time is 0: the same labels give the same bytes
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
