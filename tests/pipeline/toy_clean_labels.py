"""Play, what is no play, and labels of both as the labeling tool exports them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from vidact.labeling_tool.exporting.filter_labels import SCHEMA

from .conftest import moving_picture


def film(frames: int) -> np.ndarray:
    """Slow gray stripes, uint8 [frames, 96, 96, 3]."""
    x = np.arange(96)
    rows = [128 + 100 * np.sin((x + t) / 20) for t in range(frames)]
    return np.stack([np.broadcast_to(row[:, None, None], (96, 96, 3)) for row in rows]).astype(
        np.uint8
    )


def menu(frames: int) -> np.ndarray:
    """Flat with a few bars, uint8 [frames, 96, 96, 3]."""
    out = np.full((frames, 96, 96, 3), 20, np.uint8)
    for t in range(frames):
        out[t, 20 + t % 3 : 30, 20:70] = 240
        out[t, 50:60, 20 : 50 + t % 20] = 240
    return out


def write_labels(folder: Path, *, videos: Sequence[int] = range(6), each: int = 12) -> Path:
    """Labels of frames of several videos: half play of another seed each, a quarter a menu, a
    quarter no play.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with tarfile.open(folder / "frames-00000.tar", "w") as tar:
        for video in videos:
            shown = {
                "clean": moving_picture(60 * each, seed=video)[::60],
                "artifacts": menu(each // 2),
                "none": film(7 * each)[video::14][: each // 2],
            }
            frames = [(label, picture) for label, some in shown.items() for picture in some]
            for number, (label, picture) in enumerate(frames):
                key = f"{video:012x}-{number:09d}"
                row = {
                    "key": key,
                    "source_uri": f"/videos/{video}.mp4",
                    "source_sha256": f"{video:064x}",
                    "frame_index": number,
                    "pts_ns": number,
                    "label": label,
                    "reasons": ["menu"] if label == "artifacts" else [],
                    "annotator": "ann",
                    "approved": False,
                    "served": "random",
                }
                rows.append(row)
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "JPEG", quality=95)
                info = tarfile.TarInfo(f"{key}.jpg")
                info.size = buffer.tell()
                tar.addfile(info, io.BytesIO(buffer.getvalue()))
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "labels.parquet")
    return folder
