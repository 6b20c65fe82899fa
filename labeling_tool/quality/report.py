"""The quality page: every number of a project with the work that it was made of.

Numbers are sums over tasks, so that their intervals can be drawn by drawing tasks.
"""

from __future__ import annotations

import heapq
import math
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from ...datasets.actions.axes import Axis
from ...datasets.actions.spec import ActionSpec
from ..problems import Problem
from ..store.models import FINISHED, Assignment, Operation, Project, Source, Task, User
from ..work.answers import CLEAN_LABELS, Answer, accuracy_counts, answer_to, known_answer
from ..work.predictions import Predictions
from ..work.project_settings import settings_of
from .agreement import (
    alpha,
    coincidences,
    confusion,
    event_counts,
    f1,
    interval,
    kappa,
    mean,
)

MOST_TASKS = 2000  # the newest; older work says little about today's people
MOST_COMPARED = 10  # answers to a task: two of each are compared
ITEMS = 50  # of the work that a number was made of: the worst
BINS = 10  # of the model's probability
HOUR_MS = 3600_000
Sums = NDArray[np.float64]


@dataclass(slots=True)
class Tally:
    """A statistic of several tasks: what each adds to its sums, and whose work that was."""

    statistic: Callable[[Sums], Sums]
    parts: list[Sums] = field(default_factory=list)
    items: list[tuple[float, int]] = field(default_factory=list)

    def add(self, part: Sums, badness: float, assignment: int) -> None:
        self.parts.append(part)
        self.items.append((badness, assignment))

    def take(self, other: Tally) -> None:
        """Add what another one has of other tasks."""
        self.parts += other.parts
        self.items += other.items

    def to_json(self) -> dict[str, Any]:
        """The value, its interval, of how many tasks, and the work, the worst first."""
        if not self.parts:
            return {"value": None, "interval": None, "tasks": 0, "items": []}
        parts = np.stack(self.parts)
        value = float(self.statistic(parts.sum(axis=0)))
        worst = heapq.nlargest(ITEMS, self.items)
        return {
            "value": None if math.isnan(value) else value,
            "interval": interval(parts, self.statistic),
            "tasks": len(self.parts),
            "items": [assignment for _, assignment in worst],
        }


@dataclass(frozen=True, slots=True)
class Work:
    """A submission with its answer."""

    assignment: Assignment
    who: str
    answer: Answer


@dataclass(slots=True)
class Report:
    """The page's tables while they are summed up; of one task, or of many."""

    names: tuple[str, ...]
    axes: tuple[Axis, ...]
    alphas: list[Tally]
    events: list[Tally]
    camera: list[Tally]
    calibration: list[Tally]
    pairs: dict[tuple[str, str], Tally] = field(
        default_factory=lambda: defaultdict(lambda: Tally(_flat(kappa)))
    )
    people: dict[str, Tally] = field(default_factory=lambda: defaultdict(lambda: Tally(mean)))
    days: dict[tuple[str, str], Sums] = field(default_factory=lambda: defaultdict(_no_day))
    disputes: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def empty(cls, names: tuple[str, ...], axes: tuple[Axis, ...], *, events: bool) -> Report:
        """Tables with nothing in them; those of events where there are presses."""
        return cls(
            names,
            axes,
            alphas=[Tally(_flat(alpha)) for _ in names],
            events=[Tally(f1) for _ in names] if events else [],
            camera=[Tally(mean) for _ in axes],
            calibration=[Tally(mean) for _ in range(BINS)],
        )

    def take(self, other: Report) -> None:
        """Add the tables of other tasks."""
        for name in ("alphas", "events", "camera", "calibration"):
            for tally, more in zip(getattr(self, name), getattr(other, name), strict=True):
                tally.take(more)
        for pair, more in other.pairs.items():
            self.pairs[pair].take(more)
        for person, more in other.people.items():
            self.people[person].take(more)
        for day, sums in other.days.items():
            self.days[day] += sums
        self.disputes += other.disputes


def _flat(statistic: Callable[[Sums], Sums]) -> Callable[[Sums], Sums]:
    """The same statistic of square matrices that were laid out in rows."""

    def of(sums: Sums) -> Sums:
        side = math.isqrt(sums.shape[-1])
        return statistic(sums.reshape(*sums.shape[:-1], side, side))

    return of


def _no_day() -> Sums:
    return np.zeros(5)  # tasks, frames, ms, right on gold, decided on gold


def quality_of(
    session: Session,
    project: Project,
    parts: dict[int, Any] | None = None,
    closing: threading.Event | None = None,
) -> dict[str, Any]:
    """Return the quality page's tables as JSON.

    Args:
        session: of a reader.
        project: whose labels.
        parts: what the report before kept of each task, by its id; only tasks whose work has
            changed since then are looked at. It is brought up to date.
        closing: set when the server ends.

    Raises:
        Problem: 503 where the server ends.
    """
    parts = {} if parts is None else parts
    spec = ActionSpec.from_dict(project.spec) if project.spec else None
    names = spec.button_names if spec else CLEAN_LABELS
    axes = spec.axes if spec else ()
    report = Report.empty(names, axes, events=spec is not None)
    states = _states(session, project)
    for task_id in parts.keys() - states.keys():
        del parts[task_id]
    for task_id, state in states.items():
        if closing is not None and closing.is_set():
            raise Problem(503, "closing", "The server ends.")
        if task_id not in parts or parts[task_id][0] != state:
            part = Report.empty(names, axes, events=spec is not None)
            _look_at(session, task_id, part)
            parts[task_id] = (state, part)
        report.take(parts[task_id][1])
    return _as_json(report, session, project)


def _states(session: Session, project: Project) -> dict[int, tuple[Any, ...]]:
    """Return the tasks with work on them, the newest first, and what their tables depend on."""
    newest = (
        select(Assignment.task_id)
        .join(Task, Task.id == Assignment.task_id)
        .where(Task.project_id == project.id, Assignment.state.in_(FINISHED))
        .distinct()
        .order_by(Assignment.task_id.desc())
        .limit(MOST_TASKS)
    )
    rows = session.execute(
        select(
            Assignment.task_id,
            Task.state,
            Assignment.id,
            Assignment.seq,
            Assignment.state,
            Assignment.submitted_ms,
            Assignment.active_ms,
            User.name,
        )
        .join(Task, Task.id == Assignment.task_id)
        .join(User, User.id == Assignment.user_id)
        .where(Assignment.task_id.in_(newest), Assignment.state.in_(FINISHED))
        .order_by(Assignment.task_id.desc(), Assignment.id)
    )
    states: dict[int, tuple[Any, ...]] = {}
    for task_id, *state in rows:
        states[task_id] = (*states.get(task_id, ()), *state)
    return states


def _look_at(session: Session, task_id: int, part: Report) -> None:
    """Fill the tables of one task."""
    task = session.get_one(Task, task_id, options=[undefer(Task.labels), undefer(Task.gold)])
    source = session.get_one(Source, task.source_id).name
    works = _works(session, task)
    _compare(part, task, source, works)
    _judge(part, task, works)
    if task.labels is not None:
        _calibrate(part, Predictions.from_bytes(task.labels), works)
    session.expunge(task)  # the predictions of all of them may not fit into memory


def _works(session: Session, task: Task) -> list[Work]:
    """Return the submissions for a task with their answers."""
    rows = session.execute(
        select(Assignment, User.name)
        .join(User, User.id == Assignment.user_id)
        .where(Assignment.task_id == task.id, Assignment.state.in_(FINISHED))
        .order_by(Assignment.id)
    ).tuples()
    own: dict[int, list[Operation]] = defaultdict(list)
    # Their own answer: what a reviewer changed afterwards is no agreement of theirs.
    for operation in session.scalars(
        select(Operation)
        .join(Assignment, Assignment.id == Operation.assignment_id)
        .where(
            Assignment.task_id == task.id,
            Assignment.state.in_(FINISHED),
            Operation.user_id == Assignment.user_id,
        )
        .order_by(Operation.assignment_id, Operation.seq)
    ):
        own[operation.assignment_id].append(operation)
    return [Work(assignment, who, answer_to(task, own[assignment.id])) for assignment, who in rows]


def _ratings(report: Report, works: list[Work], k: int) -> NDArray[np.int64]:
    """What each person said about one label, frame by frame: [R, T]; -1 where nothing."""
    if report.axes or works[0].answer.buttons.shape[1] > 1:
        rows = [np.where(w.answer.counted, w.answer.buttons[:, k], -1) for w in works]
    else:  # clean or not: this label, or another
        rows = [
            np.where(w.answer.counted, (w.answer.buttons[:, 0] == k).astype(np.int64), -1)
            for w in works
        ]
    return np.stack(rows).astype(np.int64)


def _compare(report: Report, task: Task, source: str, works: list[Work]) -> None:
    """Add what several people's answers to a task have in common.

    Everybody answers gold tasks, and is compared with their known answers instead.
    """
    if len(works) < 2 or task.gold is not None:
        return
    if len(works) > MOST_COMPARED:
        # A lesson has an answer of everybody's; the same ones are drawn each time.
        drawn = random.Random(task.id).sample(works, MOST_COMPARED)
        works = sorted(drawn, key=lambda work: work.assignment.id)
    first = works[0].assignment.id
    different, compared = 0, 0
    pairs = dict.fromkeys(combinations(range(len(works)), 2), np.zeros((2, 2)))
    for k in range(len(report.names)):
        ratings = _ratings(report, works, k)
        table = coincidences(ratings, 2)
        off = float(table.sum() - np.trace(table))
        report.alphas[k].add(table.ravel(), off, first)
        different += int(((ratings == 0).any(axis=0) & (ratings == 1).any(axis=0)).sum())
        compared += ratings.shape[1]
        for a, b in pairs:
            pairs[a, b] = pairs[a, b] + confusion(ratings[a], ratings[b], 2)
            if report.events:
                counts = event_counts(
                    ratings[a] == 1, ratings[b] == 1, (ratings[a] >= 0) & (ratings[b] >= 0)
                )
                report.events[k].add(counts, counts[1] + counts[2] - 2 * counts[0], first)
    for (a, b), table in pairs.items():
        one, other = works[a].who, works[b].who
        # A pair of people is one pair: its tables are added up with the same one first.
        ordered = table if one <= other else table.T
        tally = report.pairs[min(one, other), max(one, other)]
        tally.add(ordered.ravel(), float(table[0, 1] + table[1, 0]), first)
    for left, right in combinations(works, 2):
        both = left.answer.counted & right.answer.counted
        for a, tally in enumerate(report.camera):
            error = np.abs(left.answer.camera[both, a] - right.answer.camera[both, a])
            tally.add(np.array([error.sum(), both.sum()]), float(error.sum()), first)
    if different:
        report.disputes.append(
            {
                "task": task.id,
                "source": source,
                "assignments": [w.assignment.id for w in works],
                "people": [w.who for w in works],
                "different": different / max(1, compared),
                "settled": any(w.assignment.state == "approved" for w in works),
            }
        )


def _judge(report: Report, task: Task, works: list[Work]) -> None:
    """Add what people got right of a gold task, and how long they took for any."""
    for work in works:
        assignment = work.assignment
        moment = datetime.fromtimestamp((assignment.submitted_ms or 0) / 1000, UTC)
        day = report.days[work.who, moment.date().isoformat()]
        day[:3] += (1, task.frames, assignment.active_ms)
        gold = known_answer(task, assignment)
        if gold is None:
            continue
        counts = accuracy_counts(task, work.answer, gold)
        report.people[work.who].add(counts, float(counts[1] - counts[0]), assignment.id)
        day[3:] += counts


def _calibrate(report: Report, predictions: Predictions, works: list[Work]) -> None:
    """Add how often people hold what the model gives a probability."""
    bins = np.minimum((predictions.buttons_prob * BINS).astype(int), BINS - 1)  # [T, K]
    for work in works:
        counted = np.broadcast_to(work.answer.counted[:, None], bins.shape)
        for number in range(BINS):
            here = (bins == number) & counted
            if not here.any():
                continue
            held = float(work.answer.buttons[here].sum())
            expected = float(predictions.buttons_prob[here].sum())
            off = abs(held - expected)
            part = np.array([held, here.sum(), expected])
            report.calibration[number].add(part, off, work.assignment.id)


def _as_json(report: Report, session: Session, project: Project) -> dict[str, Any]:
    labels = [
        {
            "label": name,
            "alpha": report.alphas[k].to_json(),
            "event_f1": report.events[k].to_json() if report.events else None,
        }
        for k, name in enumerate(report.names)
    ]
    worked: dict[str, Sums] = defaultdict(_no_day)
    for (who, _), day in report.days.items():
        worked[who] += day
    people = [
        {"name": who, "accuracy": report.people[who].to_json(), **_work_json(sums)}
        for who, sums in sorted(worked.items())
    ]
    pace = [
        {
            "name": who,
            "day": day,
            **_work_json(sums),
            "accuracy": sums[3] / sums[4] if sums[4] else None,
        }
        for (who, day), sums in sorted(report.days.items())
    ]
    calibration = []
    for number, tally in enumerate(report.calibration):
        if tally.parts:
            _, cells, expected = np.sum(tally.parts, axis=0)
            calibration.append(
                {
                    "from": number / BINS,
                    "to": (number + 1) / BINS,
                    "cells": int(cells),
                    "model": float(expected / cells),
                    "people": tally.to_json(),
                }
            )
    return {
        "labels": labels,
        "camera": [
            {"axis": axis.name, "unit": axis.unit, "error_deg": report.camera[a].to_json()}
            for a, axis in enumerate(report.axes)
        ],
        "pairs": [
            {"people": list(names), "kappa": tally.to_json()}
            for names, tally in sorted(report.pairs.items())
        ],
        "people": people,
        "pace": pace,
        "calibration": calibration,
        "disputes": sorted(
            report.disputes, key=lambda row: (row["settled"], -row["different"], row["task"])
        ),
        "effort": _effort(session, project, worked),
    }


def _work_json(sums: Sums) -> dict[str, Any]:
    """How much was done in some days, and how fast."""
    tasks, frames, ms = sums[:3]
    hours = ms / HOUR_MS
    return {
        "tasks": int(tasks),
        "hours": hours,
        "frames_per_hour": frames / hours if ms else None,
    }


def _effort(session: Session, project: Project, worked: dict[str, Sums]) -> dict[str, Any]:
    """Return hours worked and to go, and what they cost."""
    total = sum(worked.values(), _no_day())
    open_tasks = (Task.project_id == project.id, Task.state == "open")
    places = select(func.sum(Task.needed * Task.frames)).where(*open_tasks)
    taken = (
        select(func.sum(Task.frames))
        .join(Assignment, Assignment.task_id == Task.id)
        .where(*open_tasks, Assignment.state.in_(FINISHED))
    )
    frames_left = int(session.scalar(places) or 0) - int(session.scalar(taken) or 0)
    hours = total[2] / HOUR_MS
    to_go = hours * frames_left / total[1] if total[1] and hours else None
    rate = settings_of(project.settings).hourly_cost
    return {
        "hours": hours,
        "frames": int(total[1]),
        "frames_to_go": frames_left,
        "hours_to_go": to_go,
        "cost": hours * rate if rate else None,
        "cost_to_go": to_go * rate if rate and to_go is not None else None,
    }
