"""Adding sources and tasks to a project: once, however often the same import runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...datasets.actions.spec import ActionSpec
from ...errors import VideoError
from ...progress import Progress, log
from ..store.models import Project, Source, Task
from ..work.project_settings import settings_of

PRACTICE_PLACES = 1_000_000  # everybody gets every practice task


def get_project(
    session: Session,
    name: str,
    spec: ActionSpec | None,
    *,
    practice: bool = False,
    **settings: Any,
) -> Project:
    """Return the project of that name, made where it is missing.

    A new one is of action review where there is a spec, and of clean-or-not without; `settings` are
    fields of `ProjectSettings`.
    """
    project = session.scalars(select(Project).where(Project.name == name)).first()
    if project is None:
        project = Project(
            name=name,
            kind="actions" if spec else "clean",
            spec=spec.to_dict() if spec else None,
            settings=settings,
            practice=practice,
        )
        session.add(project)
        session.flush()
    return project


def get_source(
    session: Session,
    project: Project,
    *,
    kind: str,
    name: str,
    uri: str,
    sha256: str,
    meta: dict[str, Any],
) -> Source:
    """Return the project's source with these bytes at this place, made where it is missing."""
    source = session.scalars(
        select(Source).where(
            Source.project_id == project.id, Source.uri == uri, Source.sha256 == sha256
        )
    ).first()
    if source is None:
        source = Source(
            project_id=project.id, kind=kind, name=name[:200], uri=uri, sha256=sha256, meta=meta
        )
        session.add(source)
        session.flush()
    return source


def add_task(
    session: Session,
    project: Project,
    source: Source,
    *,
    identity: str,
    pts_ns: Sequence[int],
    gain: float,
    labels: bytes | None,
    lineage: dict[str, Any],
) -> bool:
    """Add a task; False where the project has it already."""
    there = select(Task.id).where(Task.project_id == project.id, Task.identity == identity)
    if session.scalars(there).first() is not None:
        return False
    session.add(
        Task(
            project_id=project.id,
            source_id=source.id,
            identity=identity,
            needed=PRACTICE_PLACES if project.practice else settings_of(project.settings).overlap,
            gain=gain,
            random_rank=random_rank(identity),
            frames=len(pts_ns),
            lineage={**lineage, "pts_ns": [int(pts) for pts in pts_ns]},
            labels=labels,
        )
    )
    return True


def add_each(items: Collection[Path], what: str, add: Callable[[Path], int]) -> int:
    """Add the tasks of several files; one that cannot be read is told of and left out.

    Returns how many tasks are new.
    """
    new = 0
    with Progress(f"Importing {what}", total=len(items), unit=what) as progress:
        for item in items:
            try:
                new += add(item)
            except VideoError as error:
                log(f"left out: {error}")
            progress.advance(1)
    return new


def random_rank(identity: str) -> float:
    """Return a number in [0, 1) that looks random and is always the same for a task.

    So the order of the random share needs no seed.
    """
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:6], "big") / 2**48
