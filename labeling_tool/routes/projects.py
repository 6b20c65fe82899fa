"""Projects: their rules, their people, how far they are, and the work that has come in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field
from sqlalchemy import delete, func, select, update

from ...datasets.actions.spec import ActionSpec, built_in_specs
from ..people.access import Admin, Anybody, ContextOf, Reviewer, require_staffed
from ..problems import Problem
from ..schema import PathId, RowId, Strict
from ..store.models import Assignment, Member, Project, Task, User
from ..store.rights import memberships_of, role_in
from ..store.rows import get_row, require_free_title
from ..work.progress import (
    NO_PROGRESS,
    last_work_of_each,
    people_of,
    progress_of,
    progress_of_each,
)
from ..work.project_settings import ProjectSettings, settings_of
from ..work.submission_table import submissions_of

router = APIRouter(prefix="/api/projects", tags=["projects"])


def _one_line(title: str) -> str:
    if not (told := " ".join(title.split())):
        raise ValueError("give it a name")
    return told


Title = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_one_line)]
# Of each the newest version; never a file's name, which would be opened.
SPECS = tuple(sorted(name for name in built_in_specs() if "@" not in name))


def _require_built_in(spec: str) -> str:
    if spec not in SPECS:
        raise ValueError(f"there is no such action spec: give one of {', '.join(SPECS)}")
    return spec


class NewProject(Strict):
    name: Title
    kind: Literal["actions", "clean"]
    spec: Annotated[str, AfterValidator(_require_built_in)] | None = None
    """A built-in action spec, for action review; a dataset brings its own."""
    settings: ProjectSettings = ProjectSettings()


class ProjectChange(Strict):
    name: Title | None = None
    state: Literal["open", "paused"] | None = None
    settings: ProjectSettings | None = None


class Members(Strict):
    users: Annotated[list[RowId], Field(max_length=1000)]
    roles: Annotated[
        dict[RowId, Literal["reviewer", "annotator", "contractor"]], Field(max_length=1000)
    ] = Field({})
    """Whose role differs in this project from that of their account."""


@router.get("")
def projects(person: Anybody, context: ContextOf) -> list[dict[str, Any]]:
    """The projects that I may work on, and what of mine waits in them.

    Contractors, who only send files, are not told how far they are.
    """
    with context.database.read() as session:
        member_of = memberships_of(session, person.id)
        mine: dict[int, dict[str, int]] = {}
        for project_id, state, count in session.execute(
            select(Task.project_id, Assignment.state, func.count())
            .join(Task, Task.id == Assignment.task_id)
            .where(Assignment.user_id == person.id)
            .group_by(Task.project_id, Assignment.state)
        ):
            mine.setdefault(project_id, {})[state] = count
        rows = session.execute(
            select(Project, User.name)
            .outerjoin(User, User.id == Project.created_by)
            .order_by(Project.practice.desc(), Project.name)
        ).all()
        there = [
            (project, owner, role)
            for project, owner in rows
            if (role := role_in(project, person.role, member_of)) is not None
        ]
        told = [project for project, _, role in there if role not in NO_PROGRESS]
        progress = progress_of_each(session, told)
        worked = last_work_of_each(session, told)
        return [
            {
                **_project(project),
                "created_ms": project.created_ms,
                # Null of what a server's start made, and the last of these of what is untouched.
                "owner": owner if role not in NO_PROGRESS else None,
                "worked_ms": worked.get(project.id),
                "role": role,
                "progress": progress.get(project.id),
                "mine": mine.get(project.id, {}),
            }
            for project, owner, role in there
        ]


@router.post("", status_code=201)
def add_project(body: NewProject, person: Admin, context: ContextOf) -> dict[str, Any]:
    """Make a project."""
    if body.kind == "actions" and body.spec is None:
        raise Problem(
            422, "spec_needed", f"Action review needs an action spec: one of {', '.join(SPECS)}."
        )
    spec = ActionSpec.load(body.spec).to_dict() if body.kind == "actions" and body.spec else None
    with context.database.write() as session:
        require_free_title(session, body.name)
        project = Project(
            name=body.name,
            kind=body.kind,
            spec=spec,
            settings=body.settings.model_dump(),
            created_by=person.id,
        )
        session.add(project)
        session.flush()
        person.note(session, "project made", body.name, kind=body.kind)
        return _project(project)


@router.get("/{project_id}")
def project(project_id: PathId, person: Reviewer, context: ContextOf) -> dict[str, Any]:
    """A project in full: rules, progress, people."""
    with context.database.read() as session:
        row = require_staffed(session, project_id, person)
        members = session.execute(
            select(User.id, User.name, Member.role)
            .join(Member, Member.user_id == User.id)
            .where(Member.project_id == project_id)
        ).all()
        return {
            **_project(row),
            "settings": settings_of(row.settings).model_dump(),
            "progress": progress_of(session, row),
            "people": people_of(session, project_id),
            "members": [
                {"id": user_id, "name": name, "role": role} for user_id, name, role in members
            ],
        }


@router.patch("/{project_id}")
def change_project(
    project_id: PathId, body: ProjectChange, person: Admin, context: ContextOf
) -> dict[str, Any]:
    """Rename, pause, open, or change the rules that are given.

    A new overlap holds for tasks that are not done yet.
    """
    with context.database.write() as session:
        row = get_row(session, Project, project_id, "project", lock=True)
        if body.name and body.name != row.name:
            require_free_title(session, body.name)
            row.name = body.name
        row.state = body.state or row.state
        if body.settings is not None:
            row.settings = settings_of(row.settings).model_dump() | body.settings.model_dump(
                exclude_unset=True
            )
            if not row.practice:
                session.execute(
                    update(Task)
                    .where(Task.project_id == project_id, Task.state == "open")
                    .values(needed=row.settings["overlap"])
                )
        changed = body.model_dump(exclude_none=True)
        person.note(session, "project changed", row.name, changed=changed)
        return {**_project(row), "settings": settings_of(row.settings).model_dump()}


@router.put("/{project_id}/members")
def set_members(
    project_id: PathId, body: Members, person: Admin, context: ContextOf
) -> dict[str, int]:
    """Who may work on it where it is not open to all, and as what."""
    with context.database.write() as session:
        row = get_row(session, Project, project_id, "project")
        there = set(session.scalars(select(User.id).where(User.id.in_(body.users))))
        session.execute(delete(Member).where(Member.project_id == project_id))
        roles = {user_id: body.roles.get(user_id, "") for user_id in sorted(there)}
        session.add_all(
            Member(project_id=project_id, user_id=user_id, role=role)
            for user_id, role in roles.items()
        )
        person.note(session, "members set", row.name, roles=roles)
        return {"members": len(there)}


class Submitted(Strict):
    """Which submissions are looked for."""

    state: Literal["submitted", "approved", "returned", "all"] = "all"
    text: Annotated[str, Field(max_length=200)] = ""
    """Only those of people or sources whose names contain it."""
    sort: Literal[
        "id", "task", "who", "source", "frames", "edits", "time", "submitted", "state"
    ] = "id"
    falling: bool = True
    """Whether the largest comes first: of `id`, the newest."""
    before: RowId | None = None
    """The last submission of the page before."""


@router.get("/{project_id}/submissions")
def submissions(
    project_id: PathId,
    person: Reviewer,
    context: ContextOf,
    wanted: Annotated[Submitted, Query()],
) -> dict[str, Any]:
    """Work that has come in, newest first unless sorted otherwise, a page at a time."""
    with context.database.read() as session:
        require_staffed(session, project_id, person)
        return submissions_of(
            session,
            project_id,
            state=wanted.state,
            text=wanted.text,
            sort=wanted.sort,
            falling=wanted.falling,
            after=wanted.before,
        )


def _project(row: Project) -> dict[str, Any]:
    return {
        **row.columns("id", "name", "kind", "state", "practice"),
        "spec": row.spec["name"] if row.spec else None,
    }
