"""What staff decide about others' work: approve it, return it, take it away.

A verdict is about exactly what its reviewer saw: it names the last operation on their screen, and
is refused where the work has gone on since. Nobody decides about work of their own, except where a
project is one person's (`solo`), and then the audit log says so; and nobody sees others' answers to
a task that they answer themselves.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..problems import Problem, forbidden
from ..store.audit import note
from ..store.database import Database
from ..store.models import FINISHED, KEPT, Assignment, Project, Task, now_ms
from ..store.rights import require_staff
from .places import close_if_done, lock
from .project_settings import settings_of


def review(
    database: Database,
    reviewer_id: int,
    assignment_id: int,
    verdict: str,
    reason: str,
    *,
    seq: int,
    address: str = "",
) -> str:
    """Approve a submission, or return it with a reason; returns its new state.

    Args:
        database: where.
        reviewer_id: who decides.
        assignment_id: about what.
        verdict: `approve` or `return`.
        reason: what should be mended; needed to return it.
        seq: the last operation that the reviewer has seen.
        address: where the request came from, for the audit log.

    Raises:
        Problem: 403 for work of their own, or of a task in which they hold a place; 409 `changed`
            where `seq` is not the log's, 409 `not_submitted`, 422 without a reason.
    """
    with database.write() as session:
        held = lock(session, assignment_id)
        assignment, task, project = held.assignment, held.task, held.project
        require_staff(session, project, reviewer_id)
        own = assignment.user_id == reviewer_id
        if own and not settings_of(project.settings).solo:
            raise forbidden(
                "This is your own work: somebody else has to review it. "
                "(An admin can mark the project as one person's under Rules.)"
            )
        if not own:
            require_not_blind(session, project, task, reviewer_id)
        if assignment.state not in (*FINISHED, "returned"):
            raise Problem(409, "not_submitted", "Only submitted work can be reviewed.")
        if assignment.seq != seq:
            raise Problem(
                409,
                "changed",
                "This work has changed since you opened it. Reload it, and decide about what is "
                "there now.",
                seq=assignment.seq,
            )
        if verdict == "return" and not reason.strip():
            raise Problem(422, "reason_needed", "Say why it is returned, so that it can be mended.")
        assignment.reviewed_by = reviewer_id
        assignment.reviewed_seq = seq
        assignment.state = "approved" if verdict == "approve" else "returned"
        assignment.reason = "" if verdict == "approve" else reason.strip()
        # The place of returned work is kept as that of paused work is: not for ever.
        assignment.lease_ms = now_ms() + settings_of(project.settings).pause_s * 1000
        close_if_done(session, task)
        note(
            session,
            reviewer_id,
            f"work {assignment.state}",
            f"assignment {assignment_id}",
            address=address,
            seq=seq,
            **({"reason": assignment.reason} if assignment.reason else {}),
            **({"own_work": True} if own else {}),
        )
        return assignment.state


def take_away(database: Database, staff_id: int, assignment_id: int, *, address: str = "") -> str:
    """Free the place of work that is not submitted; what was done stays in its history.

    Raises:
        Problem: 409 where it is finished.
    """
    with database.write() as session:
        held = lock(session, assignment_id)
        require_staff(session, held.project, staff_id)
        if held.assignment.state in FINISHED:
            raise Problem(
                409, "finished", f"This work is {held.assignment.state}; return it instead."
            )
        held.assignment.state = "released"
        note(
            session,
            staff_id,
            "work taken away",
            f"assignment {assignment_id}",
            address=address,
            owner=held.assignment.user_id,
        )
        return held.assignment.state


def free_places(session: Session, user_id: int) -> None:
    """Give back everything that a person holds: they have left, and others go on."""
    session.execute(
        update(Assignment)
        .where(Assignment.user_id == user_id, Assignment.state.in_(KEPT))
        .values(state="expired")
    )


def require_not_blind(session: Session, project: Project, task: Task, user_id: int) -> None:
    """Raise 403 where somebody answers a task themselves: others' answers would lead theirs."""
    if settings_of(project.settings).solo:
        return
    place = select(Assignment.id).where(
        Assignment.task_id == task.id,
        Assignment.user_id == user_id,
        # One that is approved cannot be changed any more; one that ended may be had back where
        # the task takes several people.
        Assignment.state.in_((*KEPT, "submitted", *(("expired",) if task.needed > 1 else ()))),
    )
    if session.scalars(place).first() is not None:
        raise forbidden(
            "You answer this task yourself, so others' answers are hidden from you. "
            "Give yours back to review theirs."
        )
