"""Who gets which task: claims, leases, pauses, submissions.

To claim, a task's row is locked first and its places are counted in a statement of their own:
counted within the locking statement, PostgreSQL gives out places twice. What holds a place, and in
which order rows are locked: `places.py`.
"""

from __future__ import annotations

import random
import time

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from ..problems import Problem, not_found
from ..store.audit import note
from ..store.database import Database
from ..store.models import FINISHED, KEPT, LEASED, Assignment, Project, Task, now_ms
from ..store.rights import STAFF, require_there
from ..store.rows import get_row
from .gold import gold_task, score_of
from .places import close_if_done, holds, lock, places_taken, renew, span_ms
from .project_settings import ProjectSettings, settings_of

BEAT_WRITES_MS = 60_000  # how much of a lease is used up before a heartbeat is worth a write
TRIES = 20  # rows that others may take between choosing and locking
DAY_MS = 24 * 3600_000
# Tasks that one person may look at in a day without finishing them: skipping is part of the work,
# leafing through the data is not.
UNFINISHED_A_DAY = 50
RESUMED = ("returned", "leased", "paused", "expired")
"""States that a claim goes on with."""


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
        is_staff = require_there(session, project, user_id) in STAFF
        rules = settings_of(project.settings)
        candidate = _own(session, user_id, project_id, beside, now)
        if candidate is not None:
            held = lock(session, candidate)
            mine = held.assignment
            if mine.state not in RESUMED or not (
                (mine.state in KEPT and mine.lease_ms > now) or renew(session, held, now)
            ):
                return None, True  # it changed between choosing and locking
            mine.state = mine.state if mine.state == "returned" else "leased"
            mine.lease_ms = now + span_ms(mine, project)
            return mine, False
        served = "random" if draw < rules.random_fraction else "gain"
        found = _take(
            session, user_id, project_id, rules=rules, served=served, is_staff=is_staff, now=now
        )
        left = (
            found is None
            and session.scalars(_open_tasks(user_id, project_id, now).limit(1)).first() is not None
        )
        return found, left


def _own(
    session: Session, user_id: int, project_id: int, beside: int | None, now: int
) -> int | None:
    """Find what the person has begun and seems to have a place still, the returned first.

    Nothing is locked here: the locks of several tasks, taken in each person's order, would end in
    deadlocks.
    """
    others = (
        select(func.count())
        .where(Assignment.task_id == Task.id, Assignment.user_id != user_id, holds(now))
        .correlate(Task)
        .scalar_subquery()
    )
    statement = (
        select(Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .where(
            Assignment.user_id == user_id,
            Task.project_id == project_id,
            # What they gave back does not come to them again.
            Assignment.state.in_(RESUMED),
            or_(
                and_(Assignment.state.in_(KEPT), Assignment.lease_ms > now),
                and_(Task.state == "open", others < Task.needed),
                Task.state == "gold",
            ),
        )
        .order_by((Assignment.state == "returned").desc(), Assignment.seq.desc(), Assignment.id)
    )
    if beside is not None:
        statement = statement.where(Assignment.id != beside)
    return session.scalars(statement.limit(1)).first()


def _open_tasks(user_id: int, project_id: int, now: int) -> Select[Task]:
    """Tasks that seem to have a place for a person who has not had them."""
    taken = (
        select(func.count())
        .where(Assignment.task_id == Task.id, holds(now))
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
    is_staff: bool,
    now: int,
) -> Assignment | None:
    order = (Task.random_rank,) if served == "random" else (Task.gain.desc(), Task.id)
    passed: list[int] = []
    _require_finishing(session, user_id, now)
    gold = None if is_staff else gold_task(session, user_id, project_id, rules)
    if gold is not None:
        return _give(session, user_id, gold, rules=rules, served="gold", now=now)
    for _ in range(TRIES):
        statement = (
            _open_tasks(user_id, project_id, now)
            .order_by(Task.priority.desc(), *order)
            .limit(1)
            .with_for_update(of=Task, skip_locked=True)
        )
        if passed:
            statement = statement.where(Task.id.not_in(passed))
        task = session.scalars(statement).first()
        if task is None:
            return None
        if places_taken(session, task.id, now) < task.needed:
            return _give(session, user_id, task.id, rules=rules, served=served, now=now)
        passed.append(task.id)
    return None


def _give(
    session: Session, user_id: int, task_id: int, *, rules: ProjectSettings, served: str, now: int
) -> Assignment:
    assignment = Assignment(
        task_id=task_id,
        user_id=user_id,
        lease_ms=now + rules.lease_s * 1000,
        served=served,
        state="leased",
    )
    session.add(assignment)
    session.flush()
    note(session, user_id, "work claimed", f"assignment {assignment.id}", task=task_id)
    return assignment


def _require_finishing(session: Session, user_id: int, now: int) -> None:
    """Raise 429 where somebody has looked at many tasks in a day and finished none of them."""
    unfinished = session.execute(
        select(func.count()).where(
            Assignment.user_id == user_id,
            Assignment.created_ms > now - DAY_MS,
            or_(
                Assignment.state.in_(("released", "expired")),
                and_(Assignment.state.in_(LEASED), Assignment.lease_ms <= now),
            ),
        )
    ).scalar_one()
    if unfinished >= UNFINISHED_A_DAY:
        raise Problem(
            429,
            "too_many_unfinished",
            f"You have left {unfinished} tasks unfinished in a day; no more are handed out until "
            "tomorrow.",
            retry_after_s=3600,
        )


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
            span = span_ms(assignment, project)
            used = span - (assignment.lease_ms - now)
            if assignment.state in KEPT and used > min(BEAT_WRITES_MS, span // 4):
                short.append(assignment_id)
    # Most beats: a lease that was extended a moment ago needs no write, and no wait for the disk
    for assignment_id in short:
        with database.write() as session:  # one each: several locked tasks could be a deadlock
            held = lock(session, assignment_id, owner=user_id)
            if held.assignment.state in KEPT and (
                held.assignment.lease_ms > now or renew(session, held, now)
            ):
                held.assignment.lease_ms = now + span_ms(held.assignment, held.project)
            states[assignment_id] = _held_or_lost(held.assignment)
    return states


def _held_or_lost(assignment: Assignment) -> str:
    if assignment.state in LEASED:
        return "held"
    return "lost" if assignment.state in ("expired", "released") else assignment.state


def pause(database: Database, user_id: int, assignment_id: int) -> None:
    """Keep a task for its annotator over a longer time."""
    with database.write() as session:
        held = lock(session, assignment_id, owner=user_id)
        assignment = held.assignment
        if assignment.state not in LEASED:
            raise Problem(
                409,
                "closed",
                f"This task is {assignment.state}; only one you work on can be paused.",
            )
        assignment.state = "paused"
        assignment.lease_ms = now_ms() + span_ms(assignment, held.project)


def release(database: Database, user_id: int, assignment_id: int) -> None:
    """Give a task back to the queue. Operations on it stay in the log."""
    with database.write() as session:
        assignment = lock(session, assignment_id, owner=user_id).assignment
        if assignment.state in ("leased", "paused", "expired"):
            assignment.state = "released"
            note(session, user_id, "work given back", f"assignment {assignment_id}")


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
        held = lock(session, assignment_id, owner=user_id)
        assignment, task = held.assignment, held.task
        if assignment.state in FINISHED:
            return assignment.state
        if assignment.seq != seq:
            raise Problem(
                409,
                "unsaved",
                "The task has changed in another window. Reload to see it before submitting.",
                seq=assignment.seq,
            )
        lost = assignment.state in ("expired", "released") or (
            assignment.state in KEPT and assignment.lease_ms <= now
        )
        full = places_taken(session, task.id, now, but=assignment.id) >= task.needed
        too_late = lost and full and task.state != "gold"
        assignment.state = "expired" if too_late else "submitted"
        if not too_late:
            assignment.submitted_ms = now
            assignment.gold_score = score_of(session, assignment, task)
            close_if_done(session, task)
            note(session, user_id, "work submitted", f"assignment {assignment_id}", seq=seq)
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
        held = lock(session, assignment_id, owner=user_id)
        assignment = held.assignment
        if assignment.state == "approved":
            raise Problem(
                409, "approved", "A reviewer has approved this task; ask them to return it."
            )
        if assignment.state == "submitted":
            assignment.state = "leased"
            assignment.lease_ms = now_ms() + span_ms(assignment, held.project)
            close_if_done(session, held.task)
            note(session, user_id, "work reopened", f"assignment {assignment_id}")


def _mine(session: Session, user_id: int, assignment_id: int) -> tuple[Assignment, Project]:
    found = session.execute(
        select(Assignment, Project)
        .join(Task, Task.id == Assignment.task_id)
        .join(Project, Project.id == Task.project_id)
        .where(Assignment.id == assignment_id, Assignment.user_id == user_id)
    ).first()
    if found is None:
        raise not_found("assignment")
    require_there(session, found[1], user_id)
    return found[0], found[1]
