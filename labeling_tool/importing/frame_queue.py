"""A queue of frames as tasks of clean-or-not: those that a filter is least sure of.

The queue is a table (Parquet) with `source_uri`, `source_sha256` and `pts_ns`, the frames that are
worth most first, as `vidact train-filter` writes it.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import ConfigError, VideoError
from ..context import Context
from ..pictures.sandbox import at_limited
from ..store.models import Project
from .task_rows import add_each, get_project
from .videos import add_frames

COLUMNS = ("source_uri", "source_sha256", "pts_ns")
GAIN = 1.0  # of videos at even distances it is 0: what a filter asks for is served before


def import_frame_queue(context: Context, file: str, *, random_fraction: float) -> tuple[int, int]:
    """Make or extend a clean-or-not project; returns its id and the number of new tasks.

    Frames of a video that is gone, or another file now, are told of and left out.

    Raises ConfigError where the file is no such table.
    """
    try:
        table = pq.read_table(file, columns=list(COLUMNS))
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise ConfigError(f"clean: {file} is no queue of frames: {error}") from error
    wanted: dict[str, list[int]] = {}
    hashes: dict[str, str] = {}
    for uri, sha256, pts_ns in zip(*(table[name].to_pylist() for name in COLUMNS), strict=True):
        wanted.setdefault(uri, []).append(pts_ns)
        hashes[uri] = sha256
    with context.database.write() as session:
        project = get_project(
            session,
            "Clean or not: frames a filter asks for",
            None,
            origin=file,
            random_fraction=random_fraction,
        )

    def add(path: Path) -> int:
        return _add(context, project, path, wanted[str(path)], hashes[str(path)])

    return project.id, add_each([Path(uri) for uri in wanted], "videos", add)


def _add(context: Context, project: Project, path: Path, pts_ns: list[int], sha256: str) -> int:
    """Add the frames of one video. Raises VideoError where it is not the one that was meant."""
    if not path.is_file():
        raise VideoError("missing", str(path), "is not there")
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index.npz"
        facts = at_limited(path, pts_ns, index)
        with np.load(index, allow_pickle=False) as arrays:
            frames = arrays["indices"], arrays["pts_ns"]
    if facts["sha256"] != sha256:
        raise VideoError("other_file", str(path), "is not the video that the queue was made of")
    chosen = hashlib.sha256(frames[0].tobytes()).hexdigest()[:12]
    return add_frames(context, project, path, facts, frames, cut=f"queue-{chosen}", gain=GAIN)
