"""The table of tasks: found by state, person and source; assigned, put first, left out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from ..people.access import ContextOf, Reviewer, require_staffed
from ..schema import PathId, RowId, Strict
from ..work.task_table import change_tasks, labellers_of, tasks_of

router = APIRouter(prefix="/api/projects", tags=["tasks"])

TaskState = Literal["all", "open", "in_work", "returned", "done", "gold", "excluded"]


class Wanted(Strict):
    """Which tasks are looked for."""

    state: TaskState = "all"
    user: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Only tasks that this person has, or has done."""
    text: Annotated[str, Field(max_length=200)] = ""
    """Only tasks of sources whose names contain it."""
    sort: Literal["id", "source", "frames", "gain", "state"] = "id"
    falling: bool = False
    """Whether the largest comes first."""
    after: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """The last task of the page before."""


class TaskChange(Strict):
    tasks: Annotated[list[RowId], Field(min_length=1, max_length=1000)]
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """Higher ones are handed out first; 0 is usual."""
    excluded: bool | None = None
    """Whether nobody gets them and nothing of them is exported."""
    assign: RowId | None = None
    """The person who is to have them."""


@router.get("/{project_id}/tasks")
def tasks(
    project_id: PathId,
    person: Reviewer,
    context: ContextOf,
    wanted: Annotated[Wanted, Query()],
) -> dict[str, Any]:
    """The project's tasks, a hundred at a time, with the people who have them."""
    with context.database.read() as session:
        require_staffed(session, project_id, person)
        return tasks_of(
            session,
            project_id,
            state=wanted.state,
            user_id=wanted.user,
            text=wanted.text,
            sort=wanted.sort,
            falling=wanted.falling,
            after=wanted.after,
        )


@router.get("/{project_id}/labellers")
def labellers(project_id: PathId, person: Reviewer, context: ContextOf) -> list[dict[str, Any]]:
    """Whom tasks of this project can be assigned to."""
    with context.database.read() as session:
        project = require_staffed(session, project_id, person)
        return labellers_of(session, project)


@router.patch("/{project_id}/tasks")
def change(
    project_id: PathId, body: TaskChange, person: Reviewer, context: ContextOf
) -> dict[str, int]:
    """Assign, put first, or leave out some tasks."""
    with context.database.write() as session:
        project = require_staffed(session, project_id, person)
        changes = body.model_dump(exclude={"tasks"}, exclude_none=True)
        count = change_tasks(session, project, body.tasks, **changes)
        person.note(session, "tasks changed", project.name, tasks=body.tasks[:50], **changes)
        return {"tasks": count}
