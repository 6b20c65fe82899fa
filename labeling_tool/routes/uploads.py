"""Uploads: videos and recordings from browsers and scripts.

A file is stored under a name of ours, counted byte by byte, and looked at only by a limited child
process. What its sender called it is shown to people and never used as a path.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ..config import MIN_STEP_S
from ..context import Context
from ..importing.uploads import (
    begin_import,
    begin_upload,
    end_upload,
    going_on,
    path_of,
    received,
    upload_of,
)
from ..people.access import ContextOf, Person, Uploader, require_project
from ..problems import Problem, forbidden, not_found
from ..schema import PathId, Strict
from ..store.models import Import, Project, Upload, User
from ..store.rights import STAFF, memberships_of, role_in

router = APIRouter(prefix="/api", tags=["import"])

BYTES = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
UploadId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
UploadPath = Annotated[UploadId, Path()]
NEWEST = 200  # imports that are listed
UPLOADERS = ("admin", "reviewer", "contractor")


class NewUpload(Strict):
    size: Annotated[int, Field(ge=1, lt=2**53)]
    """Bytes of the whole file."""


class NewImport(Strict):
    video: UploadId
    """The upload that holds the video."""
    lines: UploadId | None = None
    """The upload that holds a recording's jsonl; none for a video to be judged clean or not."""
    meta: UploadId | None = None
    """The upload that holds a recording's `.meta.json`, where it has one: what it was made for, and
    how late its program showed what was done."""
    name: Annotated[str, Field(min_length=1, max_length=120)]
    """The name that people see; it is never used as a path."""
    frame_step_s: Annotated[float, Field(ge=MIN_STEP_S, le=3600)] = 2.0


@router.post("/uploads/{project_id}", status_code=201, openapi_extra={"requestBody": BYTES})
async def upload(
    project_id: PathId, request: Request, person: Uploader, context: ContextOf
) -> dict[str, str]:
    """Store a file; the body is its bytes. Returns the name to import it by, within a day."""
    await run_in_threadpool(_require_uploader, context, project_id, person)
    announced = request.headers.get("content-length")
    expected = int(announced) if announced is not None and announced.isdigit() else None
    row = await run_in_threadpool(begin_upload, context, project_id, person.id, expected)
    size, stored = 0, False
    try:
        # x: what somebody else stored is never written over
        with open(path_of(context, row.id), "xb") as file:
            async for block in request.stream():
                size += len(block)
                await run_in_threadpool(file.write, block)
        stored = size > 0
    except OSError as error:
        raise Problem(507, "disk", f"The file cannot be stored: {error.strerror}.") from error
    except ClientDisconnect as error:
        raise Problem(400, "cut_short", "The upload was cut short.") from error
    finally:
        await run_in_threadpool(end_upload, context, row, size if stored else None)
    if not stored:
        raise Problem(422, "empty", "The file is empty.")
    return {"upload": row.id}


@router.post("/projects/{project_id}/uploads", status_code=201)
def begin(
    project_id: PathId, body: NewUpload, person: Uploader, context: ContextOf
) -> dict[str, Any]:
    """Begin an upload whose bytes come in parts, so that one that is cut short goes on."""
    _require_uploader(context, project_id, person)
    if body.size > context.upload_limit:
        limit = context.upload_limit >> 20
        raise Problem(413, "too_large", f"A file may have {limit} MiB at most.")
    return _upload(context, begin_upload(context, project_id, person.id, body.size))


@router.get("/uploads/{upload_id}")
def upload_state(upload_id: UploadPath, person: Uploader, context: ContextOf) -> dict[str, Any]:
    """How much of an upload of mine is here: `received` of `size` bytes, and its `state`."""
    with context.database.read() as session:
        row = upload_of(session, upload_id, person.id)
    return _upload(context, row)


@router.put("/uploads/{upload_id}", openapi_extra={"requestBody": BYTES})
async def go_on(
    upload_id: UploadPath,
    start: Annotated[int, Query(ge=0, lt=2**53)],
    request: Request,
    person: Uploader,
    context: ContextOf,
) -> dict[str, Any]:
    """Add the body's bytes to an upload of mine, of which `start` bytes are here.

    What has come in when the connection breaks stays: ask how much that is, and go on there.
    """
    row = await run_in_threadpool(_arriving, context, upload_id, person)
    try:
        with going_on(context, row, start) as file:
            at = start
            async for block in request.stream():
                at += len(block)
                if at > row.size:
                    raise Problem(413, "too_large", f"This upload has {row.size} bytes.")
                await run_in_threadpool(file.write, block)
    except OSError as error:
        raise Problem(507, "disk", f"The file cannot be stored: {error.strerror}.") from error
    except ClientDisconnect as error:
        raise Problem(400, "cut_short", "The upload was cut short; it can go on.") from error
    if at == row.size:
        await run_in_threadpool(end_upload, context, row, at)
    return await run_in_threadpool(upload_state, upload_id, person, context)


@router.get("/projects/{project_id}/imports")
def imports(project_id: PathId, person: Uploader, context: ContextOf) -> list[dict[str, Any]]:
    """The newest imports into a project: mine, or everybody's for who looks after it."""
    project = _require_uploader(context, project_id, person)
    with context.database.read() as session:
        role = role_in(project, person.role, memberships_of(session, person.id))
        statement = (
            select(Import, User.name, Upload.size)
            .join(User, User.id == Import.user_id)
            .outerjoin(Upload, Upload.id == Import.video)
            .where(Import.project_id == project_id)
        )
        if role not in STAFF:
            statement = statement.where(Import.user_id == person.id)
        rows = session.execute(statement.order_by(Import.id.desc()).limit(NEWEST)).all()
    return [
        {**_import(job), "created_ms": job.created_ms, "who": who, "bytes": size}
        for job, who, size in rows
    ]


@router.post("/projects/{project_id}/import", status_code=202)
def import_upload(
    project_id: PathId, body: NewImport, person: Uploader, context: ContextOf
) -> dict[str, Any]:
    """Begin to make tasks from uploads of mine. Files that cannot be read are deleted."""
    project = _require_uploader(context, project_id, person)
    of_recording = body.lines is not None
    if of_recording != (project.kind == "actions") or (body.meta and not of_recording):
        raise Problem(
            422,
            "wrong_kind",
            "Action review takes recordings (mp4 and jsonl); clean-or-not takes videos.",
        )
    files = [key for key in (body.video, body.lines, body.meta) if key]
    if len(set(files)) < len(files):
        raise Problem(422, "same_upload", "Each file of a recording must be an upload of its own.")
    job = begin_import(
        context,
        project,
        person.id,
        video=body.video,
        lines=body.lines,
        meta=body.meta,
        name=re.sub(r"[/\\]", " ", body.name).strip() or "upload",
        frame_step_s=body.frame_step_s,
    )
    return _import(job)


@router.get("/imports/{import_id}")
def import_state(import_id: PathId, person: Uploader, context: ContextOf) -> dict[str, Any]:
    """How an import of mine goes: `queued`, `running`, `done` with `tasks`, or `failed` and why."""
    with context.database.read() as session:
        job = session.get(Import, import_id)
    if job is None or (job.user_id != person.id and person.role != "admin"):
        raise not_found("import")
    return _import(job)


def _arriving(context: Context, upload_id: str, person: Person) -> Upload:
    """My upload, into a project that still takes files of mine."""
    with context.database.read() as session:
        row = upload_of(session, upload_id, person.id)
    _require_uploader(context, row.project_id, person)
    return row


def _upload(context: Context, row: Upload) -> dict[str, Any]:
    return {
        "upload": row.id,
        "size": row.size,
        "received": received(context, row),
        "state": row.state,
    }


def _import(job: Import) -> dict[str, Any]:
    detail = {name: value for name, value in job.detail.items() if name != "server"}
    return {"import": job.id, **job.columns("state", "name"), **detail}


def _require_uploader(context: Context, project_id: int, person: Person) -> Project:
    with context.database.read() as session:
        project = require_project(session, project_id, person)
        role = role_in(project, person.role, memberships_of(session, person.id))
    if project.practice:
        raise not_found("project")
    if role not in UPLOADERS:
        raise forbidden(f"This needs the role {' or '.join(UPLOADERS)} in {project.name}.")
    return project
