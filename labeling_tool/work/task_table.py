"""The lead's table of tasks: which there are, whose they are, and what is decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from ..problems import Problem
from ..store.models import LEASED, TAKEN, Assignment, Project, Source, Task, User, now_ms
from ..store.paging import Key, by_letters, page_of
from ..store.rights import LABELLERS, roles_in
from .places import close_if_done, places_taken
from .project_settings import settings_of

PAGE = 100
ORDERS: dict[str, Key] = {
    "id": Task.id,
    "source": by_letters(Source.name),
    "frames": Task.frames,
    "gain": Task.gain,
    "state": Task.state,
}
"""What the table can be sorted by."""


def tasks_of(
    session: Session,
    project_id: int,
    *,
    state: str = "all",
    user_id: int | None = None,
    text: str = "",
    sort: str = "id",
    falling: bool = False,
    after: int | None = None,
) -> dict[str, Any]:
    """Return a page of a project's tasks, and how many there are.

    Args:
        session: of a reader.
        project_id: whose tasks.
        state: `open` (nobody has it), `in_work`, `returned`, `done`, `gold`, `excluded` or `all`.
        user_id: only tasks that this person has, or has done.
        text: only tasks of sources whose names contain it.
        sort: one of ORDERS.
        falling: whether the largest comes first.
        after: the last task of the page before.
    """
    in_project = Task.project_id == project_id
    rows = select(Task.id).join(Source, Source.id == Task.source_id).where(in_project)
    wanted = _filtered(rows, project_id, state, user_id, text)
    total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    page = page_of(
        session,
        rows,
        wanted,
        key=ORDERS[sort],
        row_id=Task.id,
        falling=falling,
        after=after,
        size=PAGE,
    )
    ids = session.scalars(page).all()
    held: dict[int, list[dict[str, Any]]] = {task_id: [] for task_id in ids}
    for assignment, who in session.execute(
        select(Assignment, User.name)
        .join(User, User.id == Assignment.user_id)
        .where(Assignment.task_id.in_(ids), Assignment.state.in_(TAKEN))
        .order_by(Assignment.id)
    ):
        held[assignment.task_id].append(
            {**assignment.columns("id", "state", "created_ms", "submitted_ms", "seq"), "who": who}
        )
    tasks = session.execute(
        select(Task, Source.name).join(Source, Source.id == Task.source_id).where(Task.id.in_(ids))
    ).all()
    found = [
        {
            **task.columns("id", "state", "needed", "priority", "frames"),
            "gain": round(task.gain, 1),
            "source": source,
            "people": held[task.id],
        }
        for task, source in sorted(tasks, key=lambda row: ids.index(row[0].id))
    ]
    return {"tasks": found, "total": total, "next": ids[-1] if len(ids) == PAGE else None}


def _filtered(
    rows: Select[int], project_id: int, state: str, user_id: int | None, text: str
) -> Select[int]:
    statement = rows
    if state in ("done", "gold", "excluded"):
        statement = statement.where(Task.state == state)
    elif state != "all":
        states = {"open": TAKEN, "in_work": LEASED, "returned": ("returned",)}[state]
        some = (
            select(Assignment.id)
            .where(Assignment.task_id == Task.id, Assignment.state.in_(states))
            .exists()
        )
        statement = statement.where(~some if state == "open" else some, Task.state != "excluded")
    if user_id is not None:
        mine = select(Assignment.task_id).where(
            Assignment.user_id == user_id, Assignment.state.in_(TAKEN)
        )
        statement = statement.where(Task.id.in_(mine))
    if text:
        statement = statement.where(Source.name.icontains(text, autoescape=True))
    return statement


def labellers_of(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the people whom tasks of a project can be assigned to, by name."""
    people = session.scalars(select(User).where(User.active).order_by(User.name)).all()
    roles = roles_in(session, [(project, user.id) for user in people])
    return [
        user.columns("id", "name") for user in people if roles[project.id, user.id] in LABELLERS
    ]


def change_tasks(
    session: Session,
    project: Project,
    task_ids: Sequence[int],
    *,
    priority: int | None = None,
    excluded: bool | None = None,
    assign: int | None = None,
) -> int:
    """Change what is given of some tasks of a project; returns how many there were.

    Args:
        session: of a writer.
        project: whose tasks; others' are left alone.
        task_ids: which.
        priority: higher ones are handed out first.
        excluded: whether nobody gets them and nothing of them is exported.
        assign: the person who is to have them, as if they had paused them.

    Raises:
        Problem: 422 where that person may not work on the project, 409 `no_place` where a task has
            no place left.
    """
    tasks = session.scalars(
        select(Task)
        .where(Task.project_id == project.id, Task.id.in_(task_ids))
        .order_by(Task.id)  # everybody locks them in this order
        .with_for_update()
    ).all()
    if assign is not None:
        role = roles_in(session, [(project, assign)])[project.id, assign]
        if role not in LABELLERS:
            raise Problem(422, "no_labeller", "That person does not label in this project.")
    for task in tasks:
        if priority is not None:
            task.priority = priority
        if excluded is not None and excluded != (task.state == "excluded"):
            task.state = "excluded" if excluded else "open"
            task.gold = None
            close_if_done(session, task)
        if assign is not None:
            _assign(session, project, task, assign)
    return len(tasks)


def _assign(session: Session, project: Project, task: Task, user_id: int) -> None:
    now = now_ms()
    found = session.scalars(
        select(Assignment)
        .where(Assignment.task_id == task.id, Assignment.user_id == user_id)
        .with_for_update()
    ).first()
    if found is not None and found.state in TAKEN and found.lease_ms > now:
        return  # they have it
    taken = places_taken(session, task.id, now)
    if task.state != "open" or taken >= task.needed:
        raise Problem(409, "no_place", f"Task {task.id} has no place left; take it away first.")
    if found is None:
        found = Assignment(task_id=task.id, user_id=user_id, served="assigned", lease_ms=0)
        session.add(found)
    found.state = "paused"
    found.lease_ms = now + settings_of(project.settings).pause_s * 1000
