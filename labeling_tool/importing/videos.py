"""Videos as tasks of clean-or-not.

A task has frames at even distances, as many as a person judges in a few minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import storage
from ...datasets.video.file import VIDEO_SUFFIXES
from ...errors import ConfigError
from ..context import Context
from ..pictures.sandbox import evenly_limited
from ..store.models import Project
from .task_rows import MAX_TASKS, add_each, add_tasks, get_project, get_source

BATCH_FRAMES = 64  # four pages of the 4x4 grid


def find_videos(paths: Sequence[str]) -> list[Path]:
    """Return video files under folders, at any depth, and at paths, sorted.

    Hidden files are left out of folders: files that are being written have such names. Links that
    lead nowhere are among them: they are told of where they are opened.

    Raises:
        ConfigError: a path leads to no video.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        if path.is_dir():
            inside = map(Path, storage.list_files(path, recursive=True))
            found_here = {file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES}
        else:
            found_here = {path} if path.is_file() else set()
        if not found_here:
            raise ConfigError(f"{path}: no videos there ({', '.join(sorted(VIDEO_SUFFIXES))})")
        found |= found_here
    return sorted(found)


def import_videos(
    context: Context,
    paths: Sequence[str],
    *,
    frame_step_s: float,
    random_fraction: float,
) -> tuple[int, int]:
    """Make or extend a clean-or-not project. Returns its id and the number of new tasks."""
    videos = find_videos(paths)
    title = f"Clean or not: {Path(paths[0]).stem}"
    with context.database.write() as session:
        project = get_project(
            session, title, None, origin=str(paths[0]), random_fraction=random_fraction
        )
    add = partial(add_video, context, project, frame_step_s=frame_step_s)
    return project.id, add_each(videos, "videos", add)


def add_video(
    context: Context, project: Project, path: Path, *, frame_step_s: float, name: str | None = None
) -> int:
    """Cut a video into tasks of a clean-or-not project; returns how many are new.

    Raises:
        VideoError: the video cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index.npz"
        facts = evenly_limited(path, frame_step_s, index, most=MAX_TASKS * BATCH_FRAMES)
        with np.load(index, allow_pickle=False) as arrays:
            shown, pts_ns = arrays["indices"], arrays["pts_ns"]
    frames = shown, pts_ns
    return add_frames(context, project, path, facts, frames, name=name, cut=f"{frame_step_s:g}")


def add_frames(
    context: Context,
    project: Project,
    path: Path,
    facts: Mapping[str, Any],
    frames: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    name: str | None = None,
    cut: str,
    gain: float = 0.0,
) -> int:
    """Add tasks of frames of a video; returns how many are new.

    Args:
        facts: of the video, as the sandbox tells them.
        frames: their numbers and their times.
        cut: tells this choice of frames from another one of the same video.
        gain: what labels of them are worth; the more, the sooner they are served.
    """
    shown, pts_ns = frames
    with context.database.write() as session:
        source = get_source(
            session,
            project,
            kind="video",
            name=name or path.name,
            uri=str(path.resolve()),
            sha256=facts["sha256"],
            meta={
                key: facts[key]
                for key in ("codec", "width", "height", "frames", "fps", "duration_s", "truncated")
            },
        )
    return add_tasks(
        context.database,
        project,
        source,
        (
            {
                "identity": f"video:{facts['sha256'][:32]}:{cut}:{number}",
                "pts_ns": pts_ns[start : start + BATCH_FRAMES].tolist(),
                "gain": gain,
                "labels": None,
                "lineage": {
                    "frame_indices": shown[start : start + BATCH_FRAMES].tolist(),
                    "start_ns": facts["start_ns"],
                },
            }
            for number, start in enumerate(range(0, len(shown), BATCH_FRAMES))
        ),
    )
