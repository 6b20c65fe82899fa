"""What counts of a project: for each task the submission of one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from ... import storage
from ..context import Context
from ..store.models import Assignment, Operation, Source, Task, User
from ..work.documents import ActionDocument, CleanDocument, replay_actions, replay_clean
from ..work.operations import operations_of
from ..work.predictions import Predictions


@dataclass(slots=True)
class Submission:
    """A submitted task with everything that exports need of it."""

    assignment: Assignment
    task: Task
    source: Source
    source_uri: str
    """Where the frames came from, as exports say it: of an upload, no path of this server."""
    who: str
    operations: list[Operation]

    @property
    def predictions(self) -> Predictions:
        """The predictions that the annotator started from."""
        if self.task.labels is None:
            raise ValueError(f"task {self.task.id} has no predictions")
        return Predictions.from_bytes(self.task.labels)

    def actions(self) -> ActionDocument:
        """The labels of an action-review task."""
        return replay_actions(self.predictions, self.operations)

    def clean(self) -> CleanDocument:
        """The labels of a clean-or-not task."""
        return replay_clean(self.task.frames, self.operations)

    def provenance(self) -> dict[str, Any]:
        """Return who said so, and when."""
        return {
            "assignment": self.assignment.id,
            "task": self.task.id,
            "annotator": self.who,
            "operations": len(self.operations),
            "submitted_ms": self.assignment.submitted_ms,
            "approved": self.assignment.state == "approved",
            "served": self.assignment.served,
        }


def submissions(
    context: Context, project_id: int, *, approved_only: bool, every: bool = False
) -> Iterator[Submission]:
    """The submissions of a project, by source and time, one at a time.

    Args:
        approved_only: leave out what no reviewer has approved.
        every: all people's submissions of a task, instead of one a task (an approved one before
            others, the latest before earlier ones).
    """
    states = ("approved",) if approved_only else ("submitted", "approved")
    with context.database.read() as session:
        rows = session.execute(
            select(Assignment.id, Assignment.task_id)
            .join(Task, Task.id == Assignment.task_id)
            .where(
                Task.project_id == project_id,
                Task.state != "excluded",
                Assignment.state.in_(states),
                # Answers to a task whose answer is known judge people, and are no labels.
                *(() if every else (Assignment.served != "gold",)),
            )
            .order_by(
                Task.source_id,
                Task.id,
                (Assignment.state == "approved").desc(),
                Assignment.submitted_ms.desc(),
                Assignment.id.desc(),
            )
        ).all()
    taken: set[int] = set()
    for assignment_id, task_id in rows:
        if task_id in taken and not every:
            continue
        taken.add(task_id)
        # One at a time, as the predictions of all of them may not fit into memory.
        with context.database.read() as session:
            assignment, task, source, who = (
                session.execute(
                    select(Assignment, Task, Source, User.name)
                    .join(Task, Task.id == Assignment.task_id)
                    .join(Source, Source.id == Task.source_id)
                    .join(User, User.id == Assignment.user_id)
                    .where(Assignment.id == assignment_id)
                    .options(undefer(Task.labels))
                )
                .tuples()
                .one()
            )
            yield Submission(
                assignment=assignment,
                task=task,
                source=source,
                source_uri=_told(context, source),
                who=who,
                operations=operations_of(session, assignment_id),
            )


def _told(context: Context, source: Source) -> str:
    path = storage.local_path(source.uri)
    if path is not None and path.is_relative_to(context.folder / "uploads"):
        return f"upload:{path.stem}"
    return source.uri
