"""The table of the work that has come in, for those who review it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ..store.models import FINISHED, Assignment, Operation, Source, Task, User
from ..store.paging import Key, by_letters, page_of

PAGE = 100
ORDERS: dict[str, Key] = {
    "id": Assignment.id,
    "task": Assignment.task_id,
    "who": by_letters(User.name),
    "source": by_letters(Source.name),
    "frames": Task.frames,
    "edits": Assignment.seq,
    "time": Assignment.active_ms,
    "submitted": func.coalesce(Assignment.submitted_ms, 0),
    "state": Assignment.state,
}
"""What the table can be sorted by."""


def submissions_of(
    session: Session,
    project_id: int,
    *,
    state: str = "all",
    text: str = "",
    sort: str = "id",
    falling: bool = True,
    after: int | None = None,
) -> dict[str, Any]:
    """Return a page of a project's submissions.

    Args:
        session: of a reader.
        project_id: whose submissions.
        state: `submitted`, `approved`, `returned` or `all`.
        text: only those of people or sources whose names contain it.
        sort: one of ORDERS.
        falling: whether the largest comes first.
        after: the last submission of the page before.
    """
    rows = (
        select(Assignment, User.name, Source.name, Task.frames)
        .join(Task, Task.id == Assignment.task_id)
        .join(Source, Source.id == Task.source_id)
        .join(User, User.id == Assignment.user_id)
        .where(Task.project_id == project_id)
    )
    states = (*FINISHED, "returned") if state == "all" else (state,)
    wanted = rows.where(Assignment.state.in_(states))
    if text := text.strip():
        named = (User.name, Source.name)
        wanted = wanted.where(or_(*(name.icontains(text, autoescape=True) for name in named)))
    page = page_of(
        session,
        rows,
        wanted,
        key=ORDERS[sort],
        row_id=Assignment.id,
        falling=falling,
        after=after,
        size=PAGE,
    )
    found = session.execute(page).tuples().all()
    corrections = _corrections(session, [assignment.id for assignment, *_ in found])
    told = [
        {
            **assignment.columns("id", "task_id", "state", "active_ms", "submitted_ms", "served"),
            "who": name,
            "source": source,
            "frames": frames,
            "operations": assignment.seq,
            # Of these, the edits of others than its annotator.
            "corrections": corrections.get(assignment.id, 0),
        }
        for assignment, name, source, frames in found
    ]
    return {"submissions": told, "next": told[-1]["id"] if len(told) == PAGE else None}


def _corrections(session: Session, ids: list[int]) -> dict[int, int]:
    """Return how many edits of each are others' than its annotator's."""
    statement = (
        select(Operation.assignment_id, func.count())
        .join(Assignment, Assignment.id == Operation.assignment_id)
        .where(Operation.assignment_id.in_(ids), Operation.user_id != Assignment.user_id)
        .group_by(Operation.assignment_id)
    )
    return dict(session.execute(statement).tuples().all())
