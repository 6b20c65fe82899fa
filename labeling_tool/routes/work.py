"""The annotator's day: claim, see, save, pause, submit; and the reviewer's verdict."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer
from starlette.concurrency import run_in_threadpool

from ...datasets.actions.spec import ActionSpec
from ...errors import VidactError
from ..context import Context
from ..people.access import ContextOf, Labeller, Person, Reviewer, require_project
from ..pictures.rendering import full_recipe_of, prepare_pictures, recipe_of
from ..practice.tasks import score_actions, score_clean
from ..problems import Problem, not_found
from ..schema import PathId, RowId, Strict
from ..store.bundles import BundleStore, picture_of
from ..store.models import FINISHED, Assignment, Project, Source, Task, User
from ..store.rights import STAFF, memberships_of, role_in, roles_in
from ..work import queue as work_queue
from ..work import verdicts
from ..work.documents import replay_actions, replay_clean
from ..work.operation_kinds import Batch
from ..work.operations import operation_json, operations_of
from ..work.predictions import Predictions
from ..work.project_settings import settings_of

router = APIRouter(prefix="/api", tags=["work"])

OTHERS = 8  # answers side by side: more fit on no screen
PICTURES_WAIT_S = 10.0  # then the page is told to ask again
# Pictures are not kept by the browser: the next one at this machine may be somebody else.
NOT_KEPT = {"cache-control": "private, no-store"}
BEING_MADE: dict[int | str, dict[str, Any]] = {
    202: {"description": "They are being made: ask again in a moment."}
}
RENDERING = JSONResponse({"state": "rendering"}, status_code=202, headers={"retry-after": "1"})
BundleKey = Annotated[str, Path(pattern="^[0-9a-f]{40}$")]


class Claim(Strict):
    beside: RowId | None = None
    """The assignment on screen: another one is wanted, to be ready when it is done."""


class Beat(Strict):
    assignments: Annotated[list[RowId], Field(max_length=20)]


class Submission(Strict):
    seq: Annotated[int, Field(ge=0, lt=2**31)]
    """The last operation that the window knows."""


class Verdict(Strict):
    verdict: Literal["approve", "return"]
    seq: Annotated[int, Field(ge=0, lt=2**31)]
    """The last operation that the reviewer has seen: what is decided about."""
    reason: Annotated[str, Field(max_length=2000)] = ""


@router.post("/projects/{project_id}/claim")
def claim(project_id: PathId, body: Claim, person: Labeller, context: ContextOf) -> dict[str, Any]:
    """The next task for me, its lease begun; `assignment` is null when nothing is left."""
    with context.database.read() as session:
        require_project(session, project_id, person)
    assignment = work_queue.claim(context.database, person.id, project_id, beside=body.beside)
    if assignment is None:
        return {"assignment": None}
    with context.database.read() as session:
        task, source = _task_and_source(session, assignment.task_id)
        frames = _prepare(context, task, source)
    return {"assignment": assignment.id, "frames": frames}


@router.post("/heartbeat")
def heartbeat(body: Beat, person: Labeller, context: ContextOf) -> dict[str, str]:
    """Keep my leases; says of each whether it is `held`, `lost`, or what has become of it."""
    states = work_queue.heartbeat(context.database, person.id, body.assignments)
    return {str(assignment): state for assignment, state in states.items()}


@router.get("/assignments")
def my_assignments(
    person: Labeller,
    context: ContextOf,
    state: Annotated[str | None, Query(max_length=16, pattern="^[a-z]*$")] = None,
) -> list[dict[str, Any]]:
    """My work, newest first: what I may resume, what was returned, what is done."""
    with context.database.read() as session:
        member_of = memberships_of(session, person.id)
        statement = (
            select(Assignment, Project)
            .join(Task, Task.id == Assignment.task_id)
            .join(Project, Project.id == Task.project_id)
            .where(Assignment.user_id == person.id)
        )
        if state:
            statement = statement.where(Assignment.state == state)
        rows = session.execute(statement.order_by(Assignment.id.desc()).limit(200)).all()
        return [
            {
                **_assignment(assignment),
                "project_id": project.id,
                "project": project.name,
                "kind": project.kind,
            }
            for assignment, project in rows
            if role_in(project, person.role, member_of) is not None
        ]


@router.get("/assignments/{assignment_id}")
def assignment(assignment_id: PathId, person: Labeller, context: ContextOf) -> dict[str, Any]:
    """Everything a screen needs: task, predictions, operations so far."""
    with context.database.read() as session:
        row, task, project = _visible(session, assignment_id, person, labels=True)
        source = session.get_one(Source, task.source_id)
        frames = _prepare(context, task, source)
        spec = ActionSpec.from_dict(project.spec) if project.spec else None
        rules = settings_of(project.settings)
        return {
            "assignment": _assignment(row),
            "mine": row.user_id == person.id,
            # Whether a verdict is mine to give: of others' work, or of my own where I am alone.
            "may_review": _may_review(session, row, project, rules.solo, person),
            "person": session.get_one(User, row.user_id).name,
            "task": {
                "id": task.id,
                "frames": task.frames,
                "pts_ns": [pts - task.lineage["pts_ns"][0] for pts in task.lineage["pts_ns"]],
                "start_ns": task.lineage["pts_ns"][0] - task.lineage.get("start_ns", 0),
                "first_tick": task.lineage.get("first_tick"),
                "source": source.name,
                "pictures": frames,
            },
            "project": {
                **project.columns("id", "name", "kind", "practice"),
                **rules.model_dump(include={"threshold", "instructions", "lease_s"}),
                "buttons": list(spec.button_names) if spec else [],
                "inputs": [button.inputs[0] if button.inputs else "" for button in spec.buttons]
                if spec
                else [],
                # Lanes of which a game takes one at most: held together they contradict each other.
                "exclusive": [
                    [spec.button_names.index(name) for name in group.members]
                    for group in spec.groups
                    if len(group.members) > 1
                ]
                if spec
                else [],
                "axes": [
                    {
                        "name": axis.name,
                        "input": axis.input,
                        "unit": axis.unit,
                        "low": axis.quantiser.low,
                        "high": axis.quantiser.high,
                        # What scripts of before read: of a camera, whose ends are equally far.
                        **({"max_deg": axis.quantiser.high} if axis.kind == "relative" else {}),
                    }
                    for axis in (spec.axes if spec else ())
                ],
            },
            "predictions": Predictions.from_bytes(task.labels).to_json() if task.labels else None,
            "operations": [operation_json(op) for op in operations_of(session, row.id)],
            # Side by side with it, for who settles them: nobody else sees another's answer.
            "others": _other_answers(session, row, task)
            if _may_review(session, row, project, rules.solo, person)
            else [],
        }


@router.post("/assignments/{assignment_id}/operations")
def append(
    assignment_id: PathId, body: Batch, person: Labeller, context: ContextOf
) -> dict[str, Any]:
    """Save a batch of operations; answered when it is on disk. Sending it again is harmless."""
    return context.log.append(assignment_id, person.id, batch=body)


@router.get("/assignments/{assignment_id}/operations")
def operations(
    assignment_id: PathId,
    person: Labeller,
    context: ContextOf,
    after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> dict[str, Any]:
    """The full history: who changed what, when, in which window."""
    with context.database.read() as session:
        row, _, _ = _visible(session, assignment_id, person)
        ops = operations_of(session, row.id, after)
        names = dict(
            session.execute(
                select(User.id, User.name).where(User.id.in_({op.user_id for op in ops}))
            )
            .tuples()
            .all()
        )
        return {
            "operations": [{**operation_json(op), "who": names.get(op.user_id, "")} for op in ops]
        }


@router.post("/assignments/{assignment_id}/pause")
def pause(assignment_id: PathId, person: Labeller, context: ContextOf) -> dict[str, str]:
    """Keep the task for me over a longer time."""
    work_queue.pause(context.database, person.id, assignment_id)
    return {"state": "paused"}


@router.post("/assignments/{assignment_id}/release")
def release(assignment_id: PathId, person: Labeller, context: ContextOf) -> dict[str, str]:
    """Give the task back to the queue; what I did stays in its history."""
    work_queue.release(context.database, person.id, assignment_id)
    return {"state": "released"}


@router.post("/assignments/{assignment_id}/submit")
def submit(
    assignment_id: PathId, body: Submission, person: Labeller, context: ContextOf
) -> dict[str, str]:
    """Finish the task."""
    return {"state": work_queue.submit(context.database, person.id, assignment_id, seq=body.seq)}


@router.post("/assignments/{assignment_id}/reopen")
def reopen(assignment_id: PathId, person: Labeller, context: ContextOf) -> dict[str, str]:
    """Take my submission back."""
    work_queue.reopen(context.database, person.id, assignment_id)
    return {"state": "leased"}


@router.post("/assignments/{assignment_id}/review")
def review(
    assignment_id: PathId, body: Verdict, person: Reviewer, context: ContextOf
) -> dict[str, str]:
    """Approve somebody's work, or return it with a reason: exactly what I have seen of it."""
    state = verdicts.review(
        context.database,
        person.id,
        assignment_id,
        body.verdict,
        body.reason,
        seq=body.seq,
        address=person.address,
    )
    return {"state": state}


@router.post("/assignments/{assignment_id}/take-away")
def take_away(assignment_id: PathId, person: Reviewer, context: ContextOf) -> dict[str, str]:
    """Free the place of somebody who does not finish; their edits stay in the history."""
    state = verdicts.take_away(context.database, person.id, assignment_id, address=person.address)
    return {"state": state}


@router.get("/assignments/{assignment_id}/score")
def score(assignment_id: PathId, person: Labeller, context: ContextOf) -> dict[str, Any]:
    """How a practice task went: frames right, and where it is still wrong."""
    with context.database.read() as session:
        row, task, project = _visible(session, assignment_id, person, labels=True)
        ops = operations_of(session, row.id)
    if not project.practice or row.state not in FINISHED:
        raise not_found("score")
    if project.spec is None:
        return score_clean(task, replay_clean(task.frames, ops))
    document = replay_actions(Predictions.from_bytes(task.labels or b""), ops)
    return score_actions(task, document, ActionSpec.from_dict(project.spec))


@router.get(
    "/tasks/{task_id}/pictures/{key}",
    response_class=FileResponse,
    responses=BEING_MADE,
)
async def pictures(
    task_id: PathId,
    key: BundleKey,
    person: Labeller,
    context: ContextOf,
) -> Response:
    """The task's frames as a bundle of JPEGs, made when asked for.

    Its format: docs/guides/review_labels.md.
    """
    recipe, _, name = await run_in_threadpool(_recipes, context, task_id, key, person)
    path = await _made(context, recipe, name)
    if path is None:
        return RENDERING
    headers = {**NOT_KEPT, "etag": f'"{key}"'}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


@router.get(
    "/tasks/{task_id}/pictures/{key}/{frame}",
    response_class=Response,
    responses=BEING_MADE,
)
async def full_picture(
    task_id: PathId,
    key: BundleKey,
    frame: Annotated[int, Path(ge=0, lt=2**31)],
    person: Labeller,
    context: ContextOf,
) -> Response:
    """One of the task's frames as a JPEG that small print can be read in."""
    _, recipe, name = await run_in_threadpool(_recipes, context, task_id, key, person)
    if frame >= len(recipe["pts_ns"]):
        raise not_found("frame")
    path = await _made(context, recipe, name)
    if path is None:
        return RENDERING
    data = await run_in_threadpool(picture_of, path, frame)
    return Response(data, media_type="image/jpeg", headers=NOT_KEPT)


async def _made(context: Context, recipe: dict[str, Any], name: str) -> FilePath | None:
    """The bundle of a recipe, or None where it takes longer than a request should.

    No thread waits: saving goes on however many tasks are opened at once.
    """
    made = asyncio.wrap_future(prepare_pictures(context, recipe))
    made.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        path = await asyncio.wait_for(asyncio.shield(made), PICTURES_WAIT_S)
    except TimeoutError:
        return None
    except (VidactError, OSError, ValueError) as error:
        if context.bundles.is_full:
            full = "The server's disk is full, so that frames cannot be shown now. Tell an admin."
            raise Problem(507, "disk", full) from error
        reason = str(error).replace(str(recipe["uri"]), name)
        told = f"The frames cannot be shown: {reason}. Skip this task."
        raise Problem(410, "gone", told) from error
    return path


def _recipes(
    context: Context, task_id: int, key: str, person: Person
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return what a task's pictures are made of, also full-size, and their source's name."""
    with context.database.read() as session:
        task, source = _task_and_source(session, task_id)
        project = require_project(session, task.project_id, person)
        if role_in(project, person.role, memberships_of(session, person.id)) not in STAFF and (
            not project.practice
        ):
            mine = select(Assignment.id).where(
                Assignment.task_id == task_id, Assignment.user_id == person.id
            )
            if session.scalars(mine).first() is None:
                raise not_found("task")
        recipe, full = recipe_of(task, source), full_recipe_of(task, source)
    if BundleStore.key(recipe) != key:
        raise not_found("picture bundle")
    return recipe, full, source.name


def _may_review(
    session: Session, row: Assignment, project: Project, solo: bool, person: Person
) -> bool:
    role = role_in(project, person.role, memberships_of(session, person.id))
    return role in STAFF and (solo or row.user_id != person.id)


def _other_answers(session: Session, row: Assignment, task: Task) -> list[dict[str, Any]]:
    """What other people have submitted for the same task."""
    rows = session.execute(
        select(Assignment.id, User.name)
        .join(User, User.id == Assignment.user_id)
        .where(
            Assignment.task_id == task.id,
            Assignment.id != row.id,
            Assignment.state.in_(FINISHED),
        )
        .order_by(Assignment.id)
        .limit(OTHERS)
    ).all()
    return [
        {
            "assignment": other,
            "who": who,
            "operations": [operation_json(op) for op in operations_of(session, other)],
        }
        for other, who in rows
    ]


def _prepare(context: Context, task: Task, source: Source) -> str:
    """Begin to render a task's pictures; returns their address."""
    recipe = recipe_of(task, source)
    prepare_pictures(context, recipe)
    return f"/api/tasks/{task.id}/pictures/{BundleStore.key(recipe)}"


def _task_and_source(session: Session, task_id: int) -> tuple[Task, Source]:
    found = session.execute(
        select(Task, Source).join(Source, Source.id == Task.source_id).where(Task.id == task_id)
    ).first()
    if found is None:
        raise not_found("task")
    return found[0], found[1]


def _visible(
    session: Session, assignment_id: int, person: Person, *, labels: bool = False
) -> tuple[Assignment, Task, Project]:
    """An assignment that is mine, or whose work I review, in a project that is there for me."""
    statement = (
        select(Assignment, Task, Project)
        .join(Task, Task.id == Assignment.task_id)
        .join(Project, Project.id == Task.project_id)
        .where(Assignment.id == assignment_id)
    )
    if labels:
        statement = statement.options(undefer(Task.labels))
    found = session.execute(statement).first()
    if found is None:
        raise not_found("assignment")
    role = roles_in(session, [(found[2], person.id)])[found[2].id, person.id]
    if found[0].user_id != person.id:
        if role not in STAFF:
            raise not_found("assignment")
        verdicts.require_not_blind(session, found[2], found[1], person.id)
    elif role is None:
        raise not_found("assignment")
    return found[0], found[1], found[2]


def _assignment(row: Assignment) -> dict[str, Any]:
    return {
        **row.columns(
            *("id", "task_id", "user_id", "state", "lease_ms", "seq"),
            *("reason", "active_ms", "submitted_ms"),
        ),
        "finished": row.state in FINISHED,
    }
