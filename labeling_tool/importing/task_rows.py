"""Adding sources and tasks to a project: once, however often the same import runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ... import storage
from ...datasets.actions.spec import ActionSpec
from ...errors import DatasetError, VideoError
from ...progress import Progress, log
from ..store.database import Database
from ..store.models import Project, Source, Task
from ..work.project_settings import settings_of

# Of one file: ten hours of play, or a week of film at a frame every two seconds.
MAX_TASKS = 5000
COMMIT_TASKS = 100  # then others get their turn to write
PRACTICE_PLACES = 1_000_000  # everybody gets every practice task
MAX_NAME = 110  # of a project: its column has 120, and a number may have to follow


def get_project(
    session: Session,
    name: str,
    spec: ActionSpec | None,
    *,
    origin: str = "",
    practice: bool = False,
    **settings: Any,
) -> Project:
    """Return the project that was made of `origin`, made where it is missing.

    Its people may have renamed it; and what bears its name may have been made of something else,
    and is left alone. A new one is of action review where there is a spec, and of clean-or-not
    without.

    Args:
        session: of a writer.
        name: what a new one is called, with a number behind where there is one called so.
        spec: the actions that it is about, or None.
        origin: the dataset, folder or file; "" for a project that is found by its name.
        practice: whether it is the tour's.
        settings: fields of `ProjectSettings` of a new one.

    Raises:
        DatasetError: the project's actions are other ones.
    """
    name = name[:MAX_NAME]
    project = _made_of(session, origin, name, _kind_of(spec)) if origin else _called(session, name)
    if project is None:
        free, number = name, 2
        while _called(session, free) is not None:
            free, number = f"{name} ({number})", number + 1
        project = Project(
            name=free,
            kind=_kind_of(spec),
            spec=spec.to_dict() if spec else None,
            settings=settings,
            practice=practice,
            origin=origin_of(origin) if origin else "",
        )
        session.add(project)
        session.flush()
    elif origin and (spec.sha256 if spec else None) != (
        ActionSpec.from_dict(project.spec).sha256 if project.spec else None
    ):
        raise DatasetError(
            f"{origin or name}: the project {project.name!r} is there already, of other actions"
        )
    return project


def _kind_of(spec: ActionSpec | None) -> str:
    return "actions" if spec else "clean"


def _called(session: Session, name: str) -> Project | None:
    return session.scalars(select(Project).where(Project.name == name)).first()


def _made_of(session: Session, given: str, name: str, kind: str) -> Project | None:
    """Find what was made of a dataset or file.

    Of one folder there may be a project of each kind: its recordings are videos, too. A project of
    before, which does not say what it was made of, is adopted; so is one of that name whose own
    origin is no longer there: it has been moved.
    """
    origin = origin_of(given)
    of_kind = select(Project).where(Project.kind == kind, ~Project.practice)
    projects = session.scalars(of_kind.order_by(Project.id)).all()
    for project in projects:
        if project.origin == origin:
            return project
    for project in projects:
        if project.origin:
            path = storage.local_path(project.origin)
            moved = project.name == name and path is not None and not path.exists()
        else:
            meta = session.scalars(
                select(Source.meta).where(Source.project_id == project.id).limit(1)
            ).first()
            dataset = (meta or {}).get("dataset")
            moved = dataset == given or (project.name == name and dataset is None)
        if moved:
            project.origin = origin
            return project
    return None


def origin_of(given: str) -> str:
    """Return a dataset or file as projects remember it: wherever the server is started."""
    path = storage.local_path(given)
    return given if path is None else str(path.resolve())


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


def add_tasks(
    database: Database, project: Project, source: Source, tasks: Iterable[dict[str, Any]]
) -> int:
    """Add many tasks, a few to a transaction: others save in between. Returns how many are new.

    Args:
        database: where.
        project: whose they are.
        source: where their frames come from.
        tasks: the other arguments of `add_task`.
    """
    left, new = iter(tasks), 0
    while some := list(islice(left, COMMIT_TASKS)):
        with database.write() as session:
            new += sum(add_task(session, project, source, **task) for task in some)
    return new


def add_each(items: Collection[Path], what: str, add: Callable[[Path], int]) -> int:
    """Add the tasks of several files; one that cannot be read is told of and left out.

    Returns how many tasks are new.
    """
    new = 0
    with Progress(f"Importing {what}", total=len(items), unit=what) as progress:
        for item in items:
            try:
                str(item).encode()
                new += add(item)
            except UnicodeEncodeError:  # the database holds text only
                log(f"left out: {str(item)!a}: its name is no UTF-8; rename it")
            except (VideoError, OSError) as error:
                log(f"left out: {error}")
            progress.advance(1)
    return new


def random_rank(identity: str) -> float:
    """Return a number in [0, 1) that looks random and is always the same for a task.

    So the order of the random share needs no seed.
    """
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:6], "big") / 2**48
