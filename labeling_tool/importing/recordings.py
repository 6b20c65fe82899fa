"""Recordings (mp4 and jsonl) as tasks of action review.

The recorded actions are what the annotator starts from.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...datasets.recordings.recording import find_stems
from ...datasets.shards.clip import CLIP_TICKS, clip_ranges
from ...errors import RecordingError
from ..context import Context
from ..pictures.sandbox import read_recording_limited
from ..store.models import Project
from ..work.predictions import Predictions
from .task_rows import MAX_TASKS, add_each, add_tasks, get_project, get_source


def import_recordings(
    context: Context,
    paths: Sequence[str],
    *,
    spec_name: str,
    random_fraction: float,
) -> tuple[int, int]:
    """Make or extend a project that reviews recordings; returns its id and how many are new."""
    spec = ActionSpec.load(spec_name)
    stems = find_stems(paths)
    title = f"Review of {Path(paths[0]).stem}"
    with context.database.write() as session:
        project = get_project(
            session, title, spec, origin=str(paths[0]), random_fraction=random_fraction
        )
    return project.id, add_each(stems, "recordings", partial(add_recording, context, project))


def add_recording(
    context: Context, project: Project, stem: Path, *, name: str | None = None
) -> int:
    """Cut a recording into tasks of a project; returns how many are new.

    It is read in a limited child process, since contractors' files are strangers' bytes.

    Raises:
        RecordingError: the project is none of action review.
        VideoError: the recording cannot be read; reason `no_recording` where frames and lines do
            not fit.
    """
    if project.spec is None:
        raise RecordingError(
            f"{stem.name}: the project has no action spec; recordings need one of action review"
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ticks.npz"
        facts = read_recording_limited(stem, project.spec, out, most=MAX_TASKS * CLIP_TICKS)
        with np.load(out, allow_pickle=False) as arrays:
            pts_ns, buttons, camera, valid = (
                arrays[key] for key in ("pts_ns", "buttons", "camera", "valid")
            )
    with context.database.write() as session:
        source = get_source(
            session,
            project,
            kind="recording",
            name=name or facts["name"],
            uri=str(Path(facts["video"]).resolve()),
            sha256=facts["sha256"],
            meta={"fps": facts["fps"], "meta": facts["meta"]},
        )

    def task(start: int, end: int) -> dict[str, Any]:
        part = slice(start, end)
        predictions = Predictions(
            buttons=buttons[part],
            buttons_prob=buttons[part].astype(np.float32),
            camera=camera[part],
            confidence=np.ones(end - start, np.float32),
            valid=valid[part],
        )
        return {
            "identity": f"rec:{facts['sha256'][:32]}:{start}",
            "pts_ns": pts_ns[part].tolist(),
            "gain": predictions.gain,
            "labels": predictions.to_bytes(),
            "lineage": {
                "first_tick": start,
                "episode_id": facts["sha256"][:12],
                "start_ns": int(pts_ns[0]),
            },
        }

    parts = clip_ranges(0, facts["ticks"])
    return add_tasks(context.database, project, source, (task(*part) for part in parts))
