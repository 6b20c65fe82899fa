"""How far a project is: counts, time, and when it will be done."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..store.models import FINISHED, LEASED, Assignment, Project, Task, User, now_ms

RECENT_MS = 24 * 3600_000  # the present pace is that of the last day
MIN_RECENT = 3  # submissions: fewer say nothing about the pace
MIN_SPAN_MS = 60_000  # a first burst of submissions is no pace either


def progress_of(session: Session, project: Project) -> dict[str, Any]:
    """Return counts of tasks, assignments and frames, the time worked, and the time to go.

    `to_go_s` is at the present pace; it is None where that is unknown.
    """
    tasks: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    for state, count, total_frames in session.execute(
        select(Task.state, func.count(), func.sum(Task.frames))
        .where(Task.project_id == project.id, Task.state.in_(("open", "done")))
        .group_by(Task.state)
    ):
        tasks[state], frames[state] = count, int(total_frames)
    states: Counter[str] = Counter()
    worked_ms = 0
    for state, count, active_ms in session.execute(
        select(Assignment.state, func.count(), func.sum(Assignment.active_ms))
        .join(Task, Task.id == Assignment.task_id)
        .where(Task.project_id == project.id)
        .group_by(Assignment.state)
    ):
        states[state] = count
        worked_ms += int(active_ms)
    recent = session.execute(
        select(func.count(), func.min(Assignment.submitted_ms))
        .join(Task, Task.id == Assignment.task_id)
        .where(
            Task.project_id == project.id,
            Assignment.state.in_(FINISHED),
            Assignment.submitted_ms > now_ms() - RECENT_MS,
        )
    ).one()
    total, done = tasks.total(), tasks["done"]
    to_go_s = None
    if recent[0] >= MIN_RECENT and total > done and not project.practice:
        span_ms = max(MIN_SPAN_MS, now_ms() - (recent[1] or 0))
        per_ms = recent[0] / span_ms  # submissions
        to_go_s = round((total - done) / per_ms / 1000)
    return {
        "tasks": total,
        "done": done,
        "frames": frames.total(),
        "done_frames": frames["done"],
        "submitted": sum(states[state] for state in FINISHED),
        "approved": states["approved"],
        "returned": states["returned"],
        "in_work": sum(states[state] for state in LEASED),
        "worked_s": round(worked_ms / 1000),
        "to_go_s": to_go_s,
    }


def people_of(session: Session, project_id: int) -> list[dict[str, Any]]:
    """Return what each person has done in a project."""
    rows = session.execute(
        select(
            User.name,
            func.count().filter(Assignment.state.in_(FINISHED)),
            func.count().filter(Assignment.state == "returned"),
            func.sum(Assignment.active_ms),
            func.sum(Assignment.seq),
        )
        .select_from(Assignment)
        .join(Task, Task.id == Assignment.task_id)
        .join(User, User.id == Assignment.user_id)
        .where(Task.project_id == project_id)
        .group_by(User.name)
        .order_by(User.name)
    )
    return [
        {
            "name": name,
            "submitted": submitted,
            "returned": returned,
            "worked_s": round(int(worked_ms) / 1000),
            "operations": int(count),
        }
        for name, submitted, returned, worked_ms, count in rows
    ]
