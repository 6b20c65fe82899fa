"""The places of a task: who holds one, and the order in which rows are locked.

A task has `needed` places. What holds one: a lease that has not ended (of work that is leased,
paused or returned), and every state after it. Whoever changes an assignment's state locks its task
first and the assignment then, and reads it only afterwards: two who decide at once would otherwise
each overwrite what the other decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from ..problems import not_found
from ..store.models import FINISHED, KEPT, Assignment, Project, Task
from ..store.rights import require_there
from ..store.rows import get_row
from .project_settings import settings_of


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment with its task, both locked, and their project."""

    assignment: Assignment
    task: Task
    project: Project


def holds(now: int) -> Any:
    """Return the condition on an assignment that it takes one of its task's places."""
    return or_(
        Assignment.state.in_(FINISHED),
        and_(Assignment.state.in_(KEPT), Assignment.lease_ms > now),
    )


def lock(session: Session, assignment_id: int, *, owner: int | None = None) -> Held:
    """Lock an assignment, after its task.

    Args:
        session: of a writer.
        assignment_id: which.
        owner: the person whose it must be, and for whom its project must be there; None for any.

    Raises:
        Problem: 404 where there is none, or none of this person's.
    """
    assignment = get_row(session, Assignment, assignment_id, "assignment")
    if owner is not None and assignment.user_id != owner:
        raise not_found("assignment")
    task = get_row(session, Task, assignment.task_id, "task", lock=True)
    session.refresh(assignment, with_for_update=True)
    project = session.get_one(Project, task.project_id)
    if owner is not None:
        require_there(session, project, owner)
    return Held(assignment, task, project)


def places_taken(session: Session, task_id: int, now: int, *, but: int | None = None) -> int:
    """Count the places of a task that are held, leaving out the assignment `but`."""
    statement = select(func.count()).where(Assignment.task_id == task_id, holds(now))
    if but is not None:
        statement = statement.where(Assignment.id != but)
    return session.execute(statement).scalar_one()


def renew(session: Session, held: Held, now: int) -> bool:
    """Say whether a lost lease may be had back, since its task still has a place.

    The caller sets the lease's new end; a lease that is lost for good becomes `expired`.
    """
    assignment, task = held.assignment, held.task
    taken = places_taken(session, task.id, now, but=assignment.id)
    if task.state == "gold" or (task.state == "open" and taken < task.needed):
        return True
    if assignment.state in KEPT:
        assignment.state = "expired"
    return False


def span_ms(assignment: Assignment, project: Project) -> int:
    """Return how long a lease of this state lasts."""
    rules = settings_of(project.settings)
    return 1000 * (rules.lease_s if assignment.state == "leased" else rules.pause_s)


def close_if_done(session: Session, task: Task) -> None:
    """Set whether a task is done, after one of its assignments has changed."""
    if task.state not in ("open", "done"):
        return  # gold tasks have places for all, excluded ones for nobody
    session.flush()
    done = session.execute(
        select(func.count()).where(Assignment.task_id == task.id, Assignment.state.in_(FINISHED))
    ).scalar_one()
    task.state = "done" if done >= task.needed else "open"
