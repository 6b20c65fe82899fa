"""Who gets which task: claims, leases, pauses, submissions.

A task has `needed` places. What holds a place: a lease that has not expired, and every state after
it. To claim, a task's row is locked first and its places are counted in a statement of their own:
counted within the locking statement, PostgreSQL gives out places twice.
"""

from __future__ import annotations

import random
import time
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from ..problems import Problem, not_found
from ..store.database import Database
from ..store.models import FINISHED, HOLDING, LEASED, Assignment, Project, Task, now_ms
from ..store.rows import get_row
from .project_settings import ProjectSettings, settings_of

BEAT_WRITES_MS = 60_000  # how much of a lease is used up before a heartbeat is worth a write
TRIES = 20  # rows that others may take between choosing and locking


def _holds(now: int) -> Any:
    """Return the condition on an assignment that it takes one of its task's places."""
    return or_(
        Assignment.state.in_([state for state in HOLDING if state not in LEASED]),
        and_(Assignment.state.in_(LEASED), Assignment.lease_ms > now),
    )


def claim(
    database: Database,
    user_id: int,
    project_id: int,
    *,
    beside: int | None = None,
    chance: float | None = None,
) -> Assignment | None:
    """Find a person's next task: returned ones first, then what they left, then the queue's.

    Args:
        database: where.
        user_id: who.
        project_id: which project.
        beside: an assignment that they have on screen already; another one is wanted, to be ready
        when it is done.
        chance: a number in [0, 1) that decides whether the task is drawn at random; a fresh one by
            default.

    Returns:
        An assignment whose lease has begun, or None when nothing is left.
    """
    draw = random.random() if chance is None else chance
    for _ in range(TRIES):
        assignment, left = _claim_once(database, user_id, project_id, beside=beside, draw=draw)
        if assignment is not None or not left:
            return assignment
        # Every open row was in somebody's hands. Waiting for them within the transaction could end
        # in a deadlock.
        time.sleep(random.uniform(0.005, 0.03))
    return None


def _claim_once(
    database: Database, user_id: int, project_id: int, *, beside: int | None, draw: float
) -> tuple[Assignment | None, bool]:
    """Return an assignment or None, and whether a place seemed to be left."""
    now = now_ms()
    with database.write() as session:
        project = get_row(session, Project, project_id, "project")
        if project.state != "open":
            raise Problem(409, "paused", "This project is paused; an admin can open it again.")
        rules = settings_of(project.settings)
        mine = _own(session, user_id, project_id, beside, now)
        if mine is not None:
            mine.state = mine.state if mine.state == "returned" else "leased"
            mine.lease_ms = now + rules.lease_s * 1000
            return mine, False
        served = "random" if draw < rules.random_fraction else "gain"
        found = _take(session, user_id, project_id, rules=rules, served=served, now=now)
        left = (
            found is None
            and session.scalars(_open_tasks(user_id, project_id, now).limit(1)).first() is not None
        )
        return found, left


def _own(
    session: Session, user_id: int, project_id: int, beside: int | None, now: int
) -> Assignment | None:
    """Find what the person has begun and may resume, the returned first."""
    rows = session.scalars(
        select(Assignment)
        .join(Task, Task.id == Assignment.task_id)
        .where(
            Assignment.user_id == user_id,
            Task.project_id == project_id,
            # What they gave back does not come to them again.
            Assignment.state.in_(("returned", "leased", "paused", "expired")),
        )
        .order_by((Assignment.state == "returned").desc(), Assignment.seq.desc(), Assignment.id)
    ).all()
    for row in rows:
        if row.id == beside:
            continue
        if row.state == "returned" or (row.state in LEASED and row.lease_ms > now):
            return row
        if renew(session, row, now):
            return row
    return None


def renew(session: Session, assignment: Assignment, now: int) -> bool:
    """Give a lost lease back if its task still has a place.

    The task's row is locked then, and the caller sets the lease's new end.
    """
    task = session.get(Task, assignment.task_id, with_for_update=True)
    if (
        task is None
        or task.state != "open"
        or _places_taken(session, task.id, now, but=assignment.id) >= task.needed
    ):
        if assignment.state in LEASED:
            assignment.state = "expired"
        return False
    return True


def _open_tasks(user_id: int, project_id: int, now: int) -> Select[Task]:
    """Tasks that seem to have a place for a person who has not had them."""
    taken = (
        select(func.count())
        .where(Assignment.task_id == Task.id, _holds(now))
        .correlate(Task)
        .scalar_subquery()
    )
    mine = (
        select(Assignment.id)
        .where(Assignment.task_id == Task.id, Assignment.user_id == user_id)
        .correlate(Task)
    )
    return select(Task).where(
        Task.project_id == project_id, Task.state == "open", taken < Task.needed, ~mine.exists()
    )


def _take(
    session: Session,
    user_id: int,
    project_id: int,
    *,
    rules: ProjectSettings,
    served: str,
    now: int,
) -> Assignment | None:
    order = (Task.random_rank,) if served == "random" else (Task.gain.desc(), Task.id)
    passed: list[int] = []
    for _ in range(TRIES):
        statement = (
            _open_tasks(user_id, project_id, now)
            .order_by(*order)
            .limit(1)
            .with_for_update(of=Task, skip_locked=True)
        )
        if passed:
            statement = statement.where(Task.id.not_in(passed))
        task = session.scalars(statement).first()
        if task is None:
            return None
        if _places_taken(session, task.id, now) < task.needed:
            assignment = Assignment(
                task_id=task.id,
                user_id=user_id,
                lease_ms=now + rules.lease_s * 1000,
                served=served,
                state="leased",
            )
            session.add(assignment)
            session.flush()
            return assignment
        passed.append(task.id)
    return None


def _places_taken(session: Session, task_id: int, now: int, *, but: int | None = None) -> int:
    statement = select(func.count()).where(Assignment.task_id == task_id, _holds(now))
    if but is not None:
        statement = statement.where(Assignment.id != but)
    return session.execute(statement).scalar_one()


def heartbeat(database: Database, user_id: int, assignment_ids: list[int]) -> dict[int, str]:
    """Extend leases.

    Returns:
        The state of each: `held`, `lost` (somebody else has the task), or what it has become.
    """
    now = now_ms()
    states: dict[int, str] = {}
    short: list[int] = []
    with database.read() as session:
        for assignment_id in sorted(assignment_ids):
            assignment, project = _mine(session, user_id, assignment_id)
            states[assignment_id] = _held_or_lost(assignment)
            span = _span_ms(assignment, project)
            used = span - (assignment.lease_ms - now)
            if assignment.state in LEASED and used > min(BEAT_WRITES_MS, span // 4):
                short.append(assignment_id)
    # Most beats: a lease that was extended a moment ago needs no write, and no wait for the disk
    if not short:
        return states
    with database.write() as session:
        for assignment_id in short:
            assignment, project = _mine(session, user_id, assignment_id)
            states[assignment_id] = _held_or_lost(assignment)
            if assignment.state in LEASED:
                if assignment.lease_ms > now or renew(session, assignment, now):
                    assignment.lease_ms = now + _span_ms(assignment, project)
                else:
                    states[assignment_id] = "lost"
    return states


def _span_ms(assignment: Assignment, project: Project) -> int:
    rules = settings_of(project.settings)
    return 1000 * (rules.lease_s if assignment.state == "leased" else rules.pause_s)


def _held_or_lost(assignment: Assignment) -> str:
    if assignment.state in LEASED:
        return "held"
    return "lost" if assignment.state in ("expired", "released") else assignment.state


def pause(database: Database, user_id: int, assignment_id: int) -> None:
    """Keep a task for its annotator over a longer time."""
    with database.write() as session:
        assignment, project = _mine(session, user_id, assignment_id)
        if assignment.state not in LEASED:
            raise Problem(
                409,
                "closed",
                f"This task is {assignment.state}; only one you work on can be paused.",
            )
        assignment.state = "paused"
        assignment.lease_ms = now_ms() + settings_of(project.settings).pause_s * 1000


def release(database: Database, user_id: int, assignment_id: int) -> None:
    """Give a task back to the queue. Operations on it stay in the log."""
    with database.write() as session:
        assignment, _ = _mine(session, user_id, assignment_id)
        if assignment.state in ("leased", "paused", "expired"):
            assignment.state = "released"


def submit(database: Database, user_id: int, assignment_id: int, *, seq: int) -> str:
    """Finish a task. Doing it twice is harmless.

    Args:
        seq: the last operation that the window knows, so that nothing unseen is submitted.

    Raises:
        Problem: 409 `unsaved` where `seq` is not the log's, 409 `lease_lost` where the task is full
            without this one.
    """
    now = now_ms()
    with database.write() as session:
        assignment, _ = _mine(session, user_id, assignment_id)
        if assignment.state in FINISHED:
            return assignment.state
        task = get_row(session, Task, assignment.task_id, "task", lock=True)
        session.refresh(assignment, with_for_update=True)
        if assignment.seq != seq:
            raise Problem(
                409,
                "unsaved",
                "The task has changed in another window. Reload to see it before submitting.",
                seq=assignment.seq,
            )
        lost = assignment.state in ("expired", "released") or (
            assignment.state in LEASED and assignment.lease_ms <= now
        )
        full = _places_taken(session, task.id, now, but=assignment.id) >= task.needed
        too_late = lost and full
        assignment.state = "expired" if too_late else "submitted"
        if not too_late:
            assignment.submitted_ms = now
            session.flush()
            _close_if_done(session, task)
    if too_late:  # after the commit: that the lease is gone must stand
        raise Problem(
            409,
            "lease_lost",
            "Your lease ended and somebody else has this task now. "
            "Your edits are kept in its history.",
        )
    return "submitted"


def reopen(database: Database, user_id: int, assignment_id: int) -> None:
    """Take one's own submission back, as long as no reviewer has approved it."""
    with database.write() as session:
        assignment, project = _mine(session, user_id, assignment_id)
        if assignment.state == "approved":
            raise Problem(
                409, "approved", "A reviewer has approved this task; ask them to return it."
            )
        if assignment.state == "submitted":
            assignment.state = "leased"
            assignment.lease_ms = now_ms() + settings_of(project.settings).lease_s * 1000
            _open_again(session, assignment.task_id)


def review(
    database: Database, reviewer_id: int, assignment_id: int, verdict: str, reason: str
) -> None:
    """Approve a submission, or return it with a reason."""
    with database.write() as session:
        assignment = get_row(session, Assignment, assignment_id, "assignment", lock=True)
        if assignment.state not in (*FINISHED, "returned"):
            raise Problem(409, "not_submitted", "Only submitted work can be reviewed.")
        assignment.reviewed_by = reviewer_id
        if verdict == "approve":
            assignment.state = "approved"
            assignment.reason = ""
        else:
            if not reason.strip():
                raise Problem(
                    422, "reason_needed", "Say why it is returned, so that it can be mended."
                )
            assignment.state = "returned"
            assignment.reason = reason.strip()
            _open_again(session, assignment.task_id)


def _mine(session: Session, user_id: int, assignment_id: int) -> tuple[Assignment, Project]:
    found = session.execute(
        select(Assignment, Project)
        .join(Task, Task.id == Assignment.task_id)
        .join(Project, Project.id == Task.project_id)
        .where(Assignment.id == assignment_id, Assignment.user_id == user_id)
    ).first()
    if found is None:
        raise not_found("assignment")
    return found[0], found[1]


def _close_if_done(session: Session, task: Task) -> None:
    done = session.execute(
        select(func.count()).where(Assignment.task_id == task.id, Assignment.state.in_(FINISHED))
    ).scalar_one()
    task.state = "done" if done >= task.needed else "open"


def _open_again(session: Session, task_id: int) -> None:
    session.flush()
    task = session.get(Task, task_id, with_for_update=True)
    if task is not None:
        _close_if_done(session, task)
