"""The practice tasks in a new data folder, and how well somebody did them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from ...datasets.actions.devices import DeviceState, device_state_of
from ...datasets.actions.spec import ActionSpec
from ...datasets.actions.stretches import stretches
from ...datasets.recordings.writer import RecordingWriter
from ...datasets.video.probe import probe
from ...storage import sha256_file
from ..context import Context
from ..importing.task_rows import PRACTICE_PLACES, add_task, get_project, get_source
from ..importing.videos import add_video
from ..store.models import Project, Task
from ..work.documents import ActionDocument, CleanDocument
from .maze import HEIGHT, WIDTH
from .script import action_lesson, clean_lesson

REVIEW_TITLE = "Practice: action review"
CLEAN_TITLE = "Practice: clean or not"
CLEAN_FPS = Fraction(2)  # slow, so that every frame is shown once at the step of half a second


def import_practice(context: Context) -> tuple[int, int]:
    """Make the practice projects where they are missing.

    Returns the id of the first project and how many tasks are new.
    """
    folder = context.folder / "practice"
    folder.mkdir(exist_ok=True)
    spec = ActionSpec.load("doom")
    new = 0
    with context.database.write() as session:
        review = get_project(session, REVIEW_TITLE, spec, random_fraction=0.0, practice=True)
        clean = get_project(session, CLEAN_TITLE, None, random_fraction=0.0, practice=True)
    for number in range(2):
        stem = folder / f"lesson-{number + 1}"
        path = stem.with_suffix(".mp4")
        lesson = action_lesson(spec, number)
        if not path.is_file():
            state = DeviceState()
            with RecordingWriter(stem, fps=spec.tick_hz, size=(WIDTH, HEIGHT), meta={}) as writer:
                for frame, buttons, camera in zip(
                    lesson.frames, lesson.truth.buttons, lesson.truth.camera, strict=True
                ):
                    state = device_state_of(spec, buttons, camera, previous=state)
                    writer.write(frame, state)
        video = probe(path, sha256=False)
        with context.database.write() as session:
            source = get_source(
                session,
                review,
                kind="recording",
                name=f"Lesson {number + 1}",
                uri=str(path),
                sha256=sha256_file(path),
                meta={},
            )
            new += add_task(
                session,
                review,
                source,
                identity=f"lesson:{number + 1}",
                pts_ns=video.pts_ns.tolist(),
                gain=10.0 - number,  # the first lesson first
                labels=lesson.predictions.to_bytes(),
                lineage={
                    "first_tick": 0,
                    "truth": {
                        "buttons": [
                            "".join(map(str, row)) for row in lesson.truth.buttons.T.tolist()
                        ],
                        "camera": lesson.truth.camera.T.tolist(),
                    },
                },
            )
    new += _clean(context, folder, clean.id)
    return review.id, new


def _clean(context: Context, folder: Path, project_id: int) -> int:
    frames, labels = clean_lesson()
    stem = folder / "lesson-3"
    path = stem.with_suffix(".mp4")
    if not path.is_file():
        with RecordingWriter(stem, fps=CLEAN_FPS, size=(WIDTH, HEIGHT), meta={}) as writer:
            for frame in frames:
                writer.write(np.ascontiguousarray(frame), DeviceState())
    with context.database.read() as session:
        project = session.get_one(Project, project_id)
    new = add_video(
        context,
        project,
        path,
        frame_step_s=float(1 / CLEAN_FPS),
        name="Lesson 3",
    )
    with context.database.write() as session:
        for task in session.scalars(select(Task).where(Task.project_id == project_id)):
            task.needed = PRACTICE_PLACES
            task.lineage = {**task.lineage, "truth": {"labels": labels[: task.frames]}}
    return new


def score_actions(task: Task, document: ActionDocument, spec: ActionSpec) -> dict[str, Any]:
    """Say how an action-review lesson went: frames right, and where it is still wrong."""
    truth = task.lineage["truth"]
    buttons = np.array([[int(c) for c in lane] for lane in truth["buttons"]], np.uint8).T  # (T, K)
    camera = np.array(truth["camera"], np.float32).T  # (T, A)
    wrong = document.buttons != buttons
    off = np.abs(document.camera - camera) > 1.0  # a degree: nobody sees less
    missed = [
        {"lane": name, "frames": stretches(wrong[:, k]).tolist()}
        for k, name in enumerate(spec.button_names)
        if wrong[:, k].any()
    ] + [
        {"lane": name, "frames": stretches(off[:, a]).tolist()}
        for a, name in enumerate(spec.axis_names)
        if off[:, a].any()
    ]
    right = ~(wrong.any(axis=1) | off.any(axis=1))
    return {"frames": len(right), "right": int(right.sum()), "missed": missed}


def score_clean(task: Task, document: CleanDocument) -> dict[str, Any]:
    """Say how a clean-or-not lesson went."""
    truth = task.lineage["truth"]["labels"]
    right = np.array([given == true for given, true in zip(document.labels, truth, strict=True)])
    missed = [
        {"lane": true, "frames": [[i, i + 1]]} for i, true in enumerate(truth) if not right[i]
    ]
    return {"frames": len(right), "right": int(right.sum()), "missed": missed}
