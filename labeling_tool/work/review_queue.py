"""Which submission a reviewer looks at next: all of new people, a sample of the others'.

The sample is drawn by the submission's number, so that nobody chooses it and it stays the same; the
longest waiting come first. What one reviewer has been given, others are not given for a while.
"""

from __future__ import annotations

import threading

from sqlalchemy import BigInteger, Select, cast, func, select
from sqlalchemy.orm import Session

from ..store.models import TAKEN, Assignment, Project, Task, now_ms
from .project_settings import settings_of

GIVEN_MS = 5 * 60_000  # how long a reviewer has a submission to themselves
STRIDE, SHARES = 7919, 1000  # a prime: consecutive numbers spread evenly over the thousandths
AT_ONCE = 50  # submissions that other reviewers may have open


class ReviewDesk:
    """Who has been given which submission. One a server process: two reviewers who meet all the
    same hurt nobody, since the later verdict is refused or says the same.
    """

    def __init__(self) -> None:
        self._given: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def next(
        self, session: Session, project: Project, reviewer_id: int, *, beside: int | None = None
    ) -> tuple[int | None, int]:
        """Return the next submission for a reviewer, and how many wait in all.

        Args:
            session: of a reader.
            project: whose submissions.
            reviewer_id: who asks; work of theirs, and tasks that they answer, are not for them.
            beside: the submission on their screen; another one is wanted.
        """
        waiting = _waiting(project, reviewer_id)
        left = session.execute(select(func.count()).select_from(waiting.subquery())).scalar_one()
        if beside is not None:
            waiting = waiting.where(Assignment.id != beside)
        order = (Assignment.submitted_ms, Assignment.id)
        ids = session.scalars(waiting.order_by(*order).limit(AT_ONCE)).all()
        now = now_ms()
        with self._lock:
            self._given = {k: v for k, v in self._given.items() if v[1] > now - GIVEN_MS}
            free = [k for k in ids if self._given.get(k, (reviewer_id, 0))[0] == reviewer_id]
            found = free[0] if free else None
            if found is not None:
                self._given[found] = (reviewer_id, now)
        return found, left


def _waiting(project: Project, reviewer_id: int) -> Select[int]:
    """Submissions that this reviewer is to look at."""
    rules = settings_of(project.settings)
    ranked = (
        select(
            Assignment.id.label("id"),
            func.row_number()
            .over(partition_by=Assignment.user_id, order_by=Assignment.submitted_ms)
            .label("number"),
        )
        .join(Task, Task.id == Assignment.task_id)
        .where(Task.project_id == project.id, Assignment.submitted_ms.is_not(None))
        .subquery()
    )
    drawn = cast(Assignment.id, BigInteger) * STRIDE % SHARES < round(rules.review_share * SHARES)
    settled = select(Assignment.task_id).where(Assignment.state == "approved")
    statement = (
        select(Assignment.id)
        .join(ranked, ranked.c.id == Assignment.id)
        .where(
            Assignment.state == "submitted",
            (ranked.c.number <= rules.review_first) | drawn,
            # One approved answer settles a task, and gold ones judge people without a reviewer.
            Assignment.task_id.not_in(settled),
            Assignment.served != "gold",
        )
    )
    if rules.solo:
        return statement
    answers = select(Assignment.task_id).where(
        Assignment.user_id == reviewer_id, Assignment.state.in_(TAKEN)
    )
    return statement.where(Assignment.task_id.not_in(answers))
