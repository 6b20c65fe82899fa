"""How far a project is: counts, time, and when it will be done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..store.models import FINISHED, LEASED, Assignment, Project, Task, User, now_ms

RECENT_MS = 24 * 3600_000  # the present pace is that of the last day
MIN_RECENT = 3  # submissions: fewer say nothing about the pace
NO_PROGRESS = (None, "contractor")
"""Roles in a project that are not told how far it is: who only sends files to it needs no more than
its name."""
MIN_SPAN_MS = 60_000  # a first burst of submissions is no pace either


def progress_of(session: Session, project: Project) -> dict[str, Any]:
    """Return counts of tasks, assignments and frames, the time worked, and the time to go.

    `to_go_s` is at the present pace; it is None where that is unknown.
    """
    return progress_of_each(session, [project])[project.id]


def progress_of_each(session: Session, projects: Sequence[Project]) -> dict[int, dict[str, Any]]:
    """Return the progress of several projects by their ids, in as many queries as of one."""
    ids = [project.id for project in projects]
    tasks: dict[int, Counter[str]] = defaultdict(Counter)
    frames: dict[int, Counter[str]] = defaultdict(Counter)
    for project_id, state, count, total_frames in session.execute(
        select(Task.project_id, Task.state, func.count(), func.sum(Task.frames))
        .where(Task.project_id.in_(ids), Task.state.in_(("open", "done")))
        .group_by(Task.project_id, Task.state)
    ):
        tasks[project_id][state], frames[project_id][state] = count, int(total_frames)
    states: dict[int, Counter[str]] = defaultdict(Counter)
    worked_ms: Counter[int] = Counter()
    for project_id, state, count, active_ms in session.execute(
        select(Task.project_id, Assignment.state, func.count(), func.sum(Assignment.active_ms))
        .join(Task, Task.id == Assignment.task_id)
        .where(Task.project_id.in_(ids))
        .group_by(Task.project_id, Assignment.state)
    ):
        states[project_id][state] = count
        worked_ms[project_id] += int(active_ms)
    recent = {
        project_id: (count, first_ms)
        for project_id, count, first_ms in session.execute(
            select(Task.project_id, func.count(), func.min(Assignment.submitted_ms))
            .join(Task, Task.id == Assignment.task_id)
            .where(
                Task.project_id.in_(ids),
                Assignment.state.in_(FINISHED),
                Assignment.submitted_ms > now_ms() - RECENT_MS,
            )
            .group_by(Task.project_id)
        )
    }
    return {
        project.id: {
            "tasks": tasks[project.id].total(),
            "done": tasks[project.id]["done"],
            "frames": frames[project.id].total(),
            "done_frames": frames[project.id]["done"],
            "submitted": sum(states[project.id][state] for state in FINISHED),
            "approved": states[project.id]["approved"],
            "returned": states[project.id]["returned"],
            "in_work": sum(states[project.id][state] for state in LEASED),
            "worked_s": round(worked_ms[project.id] / 1000),
            "to_go_s": None
            if project.practice
            else _to_go_s(tasks[project.id], *recent.get(project.id, (0, None))),
        }
        for project in projects
    }


def last_work_of_each(session: Session, projects: Sequence[Project]) -> dict[int, int]:
    """Return when somebody last worked on a project, by its id; nothing where nobody has."""
    rows = session.execute(
        select(Task.project_id, func.max(Assignment.active_at_ms))
        .join(Task, Task.id == Assignment.task_id)
        .where(Task.project_id.in_([project.id for project in projects]))
        .group_by(Task.project_id)
    ).tuples()
    return {project_id: at_ms for project_id, at_ms in rows if at_ms}


def _to_go_s(tasks: Counter[str], submissions: int, first_ms: int | None) -> int | None:
    """Return how long the open tasks take at the pace of the last day's submissions."""
    if submissions < MIN_RECENT or not tasks["open"]:
        return None
    span_ms = max(MIN_SPAN_MS, now_ms() - (first_ms or 0))
    return round(tasks["open"] * span_ms / submissions / 1000)


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
