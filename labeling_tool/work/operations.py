"""The append-only log: batches of operations in, acknowledged once they are on disk.

Many annotators save at once, and each commit waits for the disk. One thread therefore takes
whatever has gathered, writes it in one transaction, and answers everybody after the one commit. A
batch that is refused touches nothing of the others.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..problems import Problem, not_found
from ..store.audit import note
from ..store.database import Database
from ..store.models import FINISHED, Assignment, Operation, Project, Task, now_ms
from ..store.rights import STAFF, roles_in
from .append_limits import Pace, require_room
from .operation_kinds import MAX_ACTIVE_MS, Batch, check_payload
from .verdicts import require_not_blind

MAX_IN_A_COMMIT = 64  # batches: far more than gather in one disk write
OWNER_WRITES = ("leased", "paused", "returned", "expired", "released")
REVIEWER_WRITES = FINISHED


@dataclass(frozen=True, slots=True)
class Job:
    """A batch that waits to be written."""

    assignment_id: int
    user_id: int
    batch: Batch
    answer: Future[dict[str, Any]]


class OperationLog:
    """Appends batches. One for each server process; `close` when it ends."""

    def __init__(self, database: Database):
        self.database = database
        self._pace = Pace()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="operation log", daemon=True)
        self._thread.start()

    def append(self, assignment_id: int, user_id: int, *, batch: Batch) -> dict[str, Any]:
        """Append a batch; returns when it is on disk.

        Returns `seq` (of the last operation), `accepted` (ids written now), `known` (ids that were
        there already).

        Raises:
            Problem: 404 for a foreign assignment, 409 `conflict` with the operations that this
                window has not seen, 409 `closed` after the submission, 409 `full`, 422 for an
                operation that the task does not allow, 429 `too_fast`.
        """
        self._pace.spend(user_id, len(batch.operations))
        job = Job(assignment_id, user_id, batch, Future())
        self._jobs.put(job)
        return job.answer.result()

    def close(self) -> None:
        """Finish what has been asked for, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._jobs.get()
            if first is None:
                return
            jobs, stop = [first], False
            while len(jobs) < MAX_IN_A_COMMIT:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stop = True
                    break
                jobs.append(job)
            self._write(jobs)
            if stop:
                return

    def _write(self, jobs: list[Job]) -> None:
        # Several server processes may do this at once: rows locked in one order cannot lock each
        # other up.
        jobs.sort(key=lambda job: job.assignment_id)
        while jobs:
            # One batch per task at a time: what the next one may do depends on it.
            first: dict[int, Job] = {}
            later: list[Job] = []
            for job in jobs:
                if job.assignment_id in first:
                    later.append(job)
                else:
                    first[job.assignment_id] = job
            self._write_group(list(first.values()))
            jobs = later

    def _write_group(self, jobs: list[Job]) -> None:
        outcomes: list[dict[str, Any] | Exception]
        try:
            with self.database.write() as session:
                outcomes = append_batches(session, jobs)
        except IntegrityError as error:
            if len(jobs) > 1:
                # One of them brings an id of another task: the others must not suffer for it.
                for job in jobs:
                    self._write_group([job])
                return
            outcomes = [_as_problem(error)]
        except Exception as error:
            # The commit failed: nothing of this is on disk, and everybody must know.
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(outcome)


def append_batches(session: Session, jobs: list[Job]) -> list[dict[str, Any] | Exception]:
    """Append a batch to each of several assignments, in the session's transaction.

    Returns an outcome for each.

    However many they are, it takes the same few statements: each is a way to the database and back,
    and on a busy machine those ways are what saving waits for.
    """
    found = {
        row[0].id: row
        for row in session.execute(
            select(Assignment, Task, Project)
            .join(Task, Task.id == Assignment.task_id)
            .join(Project, Project.id == Task.project_id)
            .where(Assignment.id.in_([job.assignment_id for job in jobs]))
            .order_by(Assignment.id)
            .with_for_update(of=Assignment)
        )
    }
    roles = roles_in(
        session, [(found[j.assignment_id][2], j.user_id) for j in jobs if j.assignment_id in found]
    )
    ids = {op.id for job in jobs for op in job.batch.operations}
    targets = {op.payload.get("op") for job in jobs for op in job.batch.operations}
    known: dict[int, dict[str, int]] = {}
    for op_id, assignment_id, user_id in session.execute(
        select(Operation.id, Operation.assignment_id, Operation.user_id).where(
            Operation.id.in_({*ids, *(op for op in targets if isinstance(op, str))}),
            Operation.assignment_id.in_(list(found)),
        )
    ):
        known.setdefault(assignment_id, {})[op_id] = user_id
    clocks = _clocks(session, {job.user_id for job in jobs})
    outcomes: list[dict[str, Any] | Exception] = []
    rows: list[dict[str, Any]] = []
    for job in jobs:
        try:
            if job.assignment_id not in found:
                raise not_found("assignment")
            assignment, task, project = found[job.assignment_id]
            had = known.get(assignment.id, {})
            role = roles[project.id, job.user_id]
            made = _rows_of(session, job, assignment, task, project, role=role, known=had)
            assignment.op_bytes = require_room(
                assignment.seq + len(made), assignment.op_bytes, [row["payload"] for row in made]
            )
        except Problem as problem:
            outcomes.append(problem)
            continue
        if made:
            assignment.seq += len(made)
            _count_time(job, assignment, clocks)
            if assignment.state in FINISHED:
                _note_correction(session, job, assignment)
            rows += made
        sent_before = sorted(op.id for op in job.batch.operations if op.id in had)
        outcomes.append(_answer(assignment, [row["id"] for row in made], sent_before))
    if rows:
        session.execute(insert(Operation), rows)
        session.flush()
    return outcomes


def _clocks(session: Session, user_ids: set[int]) -> dict[int, int]:
    """Return up to when each person's work has been counted lately, on whichever task."""
    rows = session.execute(
        select(Assignment.user_id, func.max(Assignment.active_at_ms))
        .where(
            Assignment.user_id.in_(user_ids),
            Assignment.active_at_ms > now_ms() - MAX_ACTIVE_MS,  # no batch counts more than that
        )
        .group_by(Assignment.user_id)
    ).tuples()
    return dict(rows.all())


def _count_time(job: Job, assignment: Assignment, clocks: dict[int, int]) -> None:
    """Add the time that a window says was worked: never more than has passed by our clock."""
    if job.user_id != assignment.user_id:
        return  # a reviewer's time is not the annotator's
    now = now_ms()
    since = max(clocks.get(job.user_id, 0), assignment.created_ms)
    assignment.active_ms += max(0, min(job.batch.active_ms, now - since))
    assignment.active_at_ms = clocks[job.user_id] = now


def _note_correction(session: Session, job: Job, assignment: Assignment) -> None:
    """What was approved has changed: it waits for a verdict again, and the audit log says why."""
    note(
        session,
        job.user_id,
        "work corrected",
        f"assignment {assignment.id}",
        was=assignment.state,
        operations=len(job.batch.operations),
    )
    assignment.state = "submitted"


def _rows_of(
    session: Session,
    job: Job,
    assignment: Assignment,
    task: Task,
    project: Project,
    *,
    role: str | None,
    known: dict[str, int],
) -> list[dict[str, Any]]:
    """Return the rows that a batch adds: none where all of it is there already. Raises Problem."""
    mine = assignment.user_id == job.user_id
    if role is None or not (mine or role in STAFF):
        raise not_found("assignment")
    if not mine:
        require_not_blind(session, project, task, job.user_id)
    batch = job.batch
    fresh = [op for op in batch.operations if op.id not in known]
    if not fresh:
        return []
    allowed = OWNER_WRITES if mine else ()
    if role in STAFF:
        allowed = (*allowed, *REVIEWER_WRITES)
    if assignment.state not in allowed:
        raise Problem(
            409,
            "closed",
            "This task has been submitted. Reopen it to go on.",
            state=assignment.state,
        )
    if batch.base_seq > assignment.seq:
        raise Problem(
            422,
            "bad_operation",
            f"base_seq: this task has {assignment.seq} operations, got {batch.base_seq}. "
            "Reload the page.",
        )
    if assignment.seq > batch.base_seq:
        _require_seen(session, assignment, batch)
    _require_own_undo(job, known)
    spec = project.spec
    lanes, axes = (len(spec["buttons"]), len(spec["axes"])) if spec else (0, 0)
    return [
        {
            "id": op.id,
            "assignment_id": assignment.id,
            "seq": number,
            "user_id": job.user_id,
            "client": batch.client,
            "kind": op.kind,
            "payload": check_payload(
                op.kind,
                op.payload,
                project_kind=project.kind,
                frames=task.frames,
                lanes=lanes,
                axes=axes,
            ),
            "client_ms": op.client_ms,
            "at_ms": now_ms(),
        }
        for number, op in enumerate(fresh, assignment.seq + 1)
    ]


def _require_own_undo(job: Job, known: dict[str, int]) -> None:
    """Raise 422 where somebody undoes what another person did: a correction stays visible."""
    for op in job.batch.operations:
        if op.kind in ("undo", "redo"):
            maker = known.get(str(op.payload.get("op")), job.user_id)
            if maker != job.user_id:
                raise Problem(
                    422,
                    "not_yours",
                    f"`{op.kind}`: only who made an edit can undo it; edit on top of it instead.",
                )


def _require_seen(session: Session, assignment: Assignment, batch: Batch) -> None:
    """Raise 409 where another window has edited since; nothing is overwritten."""
    missed = session.scalars(
        select(Operation)
        .where(
            Operation.assignment_id == assignment.id,
            Operation.seq > batch.base_seq,
            Operation.client != batch.client,
        )
        .order_by(Operation.seq)
    ).all()
    if missed:
        raise Problem(
            409,
            "conflict",
            "This task was edited in another window since. "
            "Nothing was overwritten; choose how to go on.",
            operations=[operation_json(op) for op in missed],
            seq=assignment.seq,
        )


def operation_json(op: Operation) -> dict[str, Any]:
    """An operation as the front end reads it."""
    return op.columns("id", "seq", "user_id", "client", "kind", "payload", "client_ms", "at_ms")


def operations_of(session: Session, assignment_id: int, after: int = 0) -> list[Operation]:
    """An assignment's operations after number `after`, in order."""
    return list(
        session.scalars(
            select(Operation)
            .where(Operation.assignment_id == assignment_id, Operation.seq > after)
            .order_by(Operation.seq)
        )
    )


def _answer(assignment: Assignment, accepted: list[str], known: list[str]) -> dict[str, Any]:
    lost = assignment.state in ("expired", "released")
    return {
        "seq": assignment.seq,
        "accepted": accepted,
        "known": known,
        "lease": "lost" if lost else "held",
    }


def _as_problem(error: IntegrityError) -> Problem:
    return Problem(
        409, "id_taken", "An operation of this id belongs to another task. Reload the page."
    )
