"""Projects, people and tasks straight into a database, for tests that are not about making them."""

from __future__ import annotations

import numpy as np
from vidact.datasets.actions.spec import ActionSpec
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.task_rows import add_task, get_project, get_source
from vidact.labeling_tool.people.names import name_key
from vidact.labeling_tool.store.models import User
from vidact.labeling_tool.work.predictions import Predictions


def add_people(context: Context, count: int, role: str = "annotator") -> list[int]:
    """People who cannot log in (their passwords are no hashes); ids."""
    with context.database.write() as session:
        names = [f"{role}{i}" for i in range(count)]
        users = [
            User(name=name, name_key=name_key(name), password_hash="-", role=role) for name in names
        ]
        session.add_all(users)
        session.flush()
        return [user.id for user in users]


def guesses(frames: int, confidence: float, spec: ActionSpec) -> Predictions:
    """Predictions of a model that thinks nothing is held."""
    return Predictions(
        buttons=np.zeros((frames, spec.num_buttons), np.uint8),
        buttons_prob=np.full((frames, spec.num_buttons), 0.1, np.float32),
        camera=np.zeros((frames, spec.num_axes), np.float32),
        confidence=np.full(frames, confidence, np.float32),
        valid=np.ones(frames, bool),
    )


def add_tasks(
    context: Context,
    count: int,
    *,
    name: str = "Review",
    frames: int = 32,
    uri: str = "/gone.mp4",
    game: str = "doom",
    **settings: object,
) -> int:
    """A project of action review whose task i has confidence 0.1 + 0.8 i / count; its id."""
    spec = ActionSpec.load(game)
    with context.database.write() as session:
        project = get_project(session, name, spec, **settings)
        source = get_source(
            session, project, kind="video", name="film", uri=uri, sha256="ab" * 32, meta={}
        )
        for i in range(count):
            labels = guesses(frames, 0.1 + 0.8 * i / count, spec)
            add_task(
                session,
                project,
                source,
                identity=f"task{i}",
                pts_ns=[40_000_000 * t for t in range(frames)],
                gain=labels.gain,
                labels=labels.to_bytes(),
                lineage={"first_tick": frames * i},
            )
        return project.id
