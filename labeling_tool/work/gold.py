"""Gold tasks: tasks whose answer is known, handed out like any other, by which people are judged.

Nothing that an annotator is sent says which they are. A person's first tasks are gold ones, then
about one in ten; a project may ask for a mean score on the first ones before real work begins.
"""

from __future__ import annotations

import random

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from ..problems import Problem
from ..store.audit import note
from ..store.database import Database
from ..store.models import FINISHED, Assignment, Task
from ..store.rights import require_staff
from .answers import accuracy_counts, answer_to, known_answer
from .operations import operations_of
from .places import close_if_done, lock
from .project_settings import ProjectSettings

DECIDED = (*FINISHED, "released")


def gold_task(
    session: Session, user_id: int, project_id: int, rules: ProjectSettings
) -> int | None:
    """Return the gold task that a person gets now, or None where real work is due.

    Raises:
        Problem: 409 `qualifying` or `not_qualified` where the project asks for more than they did.
    """
    in_project = (Task.project_id == project_id, Task.state == "gold")
    if session.scalars(select(Task.id).where(*in_project).limit(1)).first() is None:
        return None
    mine = select(Assignment.task_id).where(Assignment.user_id == user_id)
    fresh = session.scalars(
        select(Task.id).where(*in_project, Task.id.not_in(mine)).order_by(Task.random_rank).limit(1)
    ).first()
    had = session.execute(
        select(Assignment.state, Assignment.gold_score)
        .join(Task, Task.id == Assignment.task_id)
        .where(
            Task.project_id == project_id,
            Assignment.user_id == user_id,
            Assignment.served == "gold",
        )
    ).tuples()
    # Whoever gives a task back has answered nothing of it.
    scores = [score or 0.0 if state in DECIDED else None for state, score in had]
    if fresh is not None and len(scores) < rules.gold_first:
        return fresh
    if rules.qualify and scores:
        _require_qualified(scores, rules.qualify)
    return fresh if random.random() < rules.gold_share else None


def _require_qualified(scores: list[float | None], wanted: float) -> None:
    done = [score for score in scores if score is not None]
    if len(done) < len(scores):
        raise Problem(
            409,
            "qualifying",
            f"Finish your first {len(scores)} tasks before you get others; "
            f"{len(done)} are submitted.",
        )
    mean = sum(done) / len(done)
    if mean < wanted:
        raise Problem(
            409,
            "not_qualified",
            f"Your tasks agree with their known answers in {mean:.0%}; "
            f"{wanted:.0%} are needed here. Read the instructions, and speak to your lead.",
        )


def score_of(session: Session, assignment: Assignment, task: Task) -> float | None:
    """Return how much of a gold task somebody got right, in [0, 1]; None where it is no gold."""
    gold = known_answer(task, assignment)
    if gold is None:
        return None
    given = answer_to(task, operations_of(session, assignment.id))
    right, decided = accuracy_counts(task, given, gold)
    return float(right / decided) if decided else 1.0


def set_gold(
    database: Database, staff_id: int, assignment_id: int, is_gold: bool, *, address: str = ""
) -> str:
    """Make approved work the known answer of its task, or take that back; returns the task's state.

    Raises:
        Problem: 409 where it is not approved.
    """
    with database.write() as session:
        held = lock(session, assignment_id)
        task = session.get_one(Task, held.task.id, options=[undefer(Task.labels)])
        require_staff(session, held.project, staff_id)
        if not is_gold:
            task.gold, task.state = None, "open"
            close_if_done(session, task)
        elif held.assignment.state != "approved":
            raise Problem(409, "not_approved", "Approve this work before it becomes gold.")
        else:
            answer = answer_to(task, operations_of(session, assignment_id))
            task.gold = {"assignment": assignment_id, **answer.to_json()}
            task.state = "gold"
        deed = "gold set" if is_gold else "gold taken back"
        note(session, staff_id, deed, f"task {task.id}", address=address, assignment=assignment_id)
        return task.state
