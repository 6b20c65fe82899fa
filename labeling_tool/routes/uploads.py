"""Uploads: videos and recordings from browsers and scripts.

A file is stored under a name of ours, counted byte by byte, and looked at only by a limited child
process. What its sender called it is shown to people and never used as a path.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ...errors import RecordingError, VideoError
from ..context import Context
from ..importing.recordings import add_recording
from ..importing.videos import add_video
from ..people.access import ContextOf, Person, require_project, require_role
from ..problems import Problem, forbidden, not_found
from ..schema import PathId, Strict
from ..store.models import Project
from ..store.rights import EVERYBODY, memberships_of, role_in

router = APIRouter(prefix="/api", tags=["import"])

BYTES = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
UploadId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
UPLOADERS = ("admin", "reviewer", "contractor")
Uploader = Annotated[Person, Depends(require_role(*EVERYBODY))]


class Import(Strict):
    video: UploadId
    """The upload that holds the video."""
    lines: UploadId | None = None
    """The upload that holds a recording's jsonl; none for a video to be judged clean or not."""
    name: Annotated[str, Field(min_length=1, max_length=120)]
    """The name that people see; it is never used as a path."""
    frame_step_s: Annotated[float, Field(gt=0, le=3600)] = 2.0


@router.post("/uploads/{project_id}", status_code=201, openapi_extra={"requestBody": BYTES})
async def upload(
    project_id: PathId, request: Request, person: Uploader, context: ContextOf
) -> dict[str, str]:
    """Store a file; the body is its bytes. Returns the name to import it by."""
    await run_in_threadpool(_require_uploader, context, project_id, person)
    key = secrets.token_hex(16)
    path = _stored(context, key)
    size = 0
    try:
        with open(path, "xb") as file:  # x: what somebody else stored is never written over
            async for block in request.stream():
                size += len(block)
                await run_in_threadpool(file.write, block)
    except (ClientDisconnect, OSError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Problem(507, "disk", f"The file cannot be stored: {error.strerror}.") from error
        raise Problem(400, "cut_short", "The upload was cut short.") from error
    if not size:
        path.unlink(missing_ok=True)
        raise Problem(422, "empty", "The file is empty.")
    return {"upload": key}


@router.post("/projects/{project_id}/import", status_code=201)
def import_upload(
    project_id: PathId, body: Import, person: Uploader, context: ContextOf
) -> dict[str, Any]:
    """Make tasks from an upload. Files that cannot be read are deleted."""
    project = _require_uploader(context, project_id, person)
    if (body.lines is None) != (project.kind == "clean"):
        raise Problem(
            422,
            "wrong_kind",
            "Action review takes recordings (mp4 and jsonl); clean-or-not takes videos.",
        )
    parts = [(body.video, "mp4"), *([(body.lines, "jsonl")] if body.lines else [])]
    for key, _ in parts:
        if not _stored(context, key).is_file():
            raise not_found("upload")
    name = re.sub(r"[\x00-\x1f/\\]", " ", body.name).strip() or "upload"
    stem = context.folder / "uploads" / body.video
    for key, suffix in parts:
        os.replace(_stored(context, key), stem.with_suffix(f".{suffix}"))
    try:
        if project.kind == "clean":
            new = add_video(
                context,
                project,
                stem.with_suffix(".mp4"),
                frame_step_s=body.frame_step_s,
                name=name,
            )
        else:
            new = add_recording(context, project, stem, name=name)
    except (VideoError, RecordingError) as error:
        for _, suffix in parts:
            stem.with_suffix(f".{suffix}").unlink(missing_ok=True)
        detail = error.detail if isinstance(error, VideoError) else str(error)
        detail = detail.replace(str(stem), name)
        reason = error.reason if isinstance(error, VideoError) else "no_recording"
        raise Problem(422, reason, f"{name} cannot be used: {detail}") from error
    with context.database.write() as session:
        person.note(session, "imported", project.name, name=name, tasks=new)
    return {"tasks": new}


def _stored(context: Context, key: str) -> FilePath:
    return context.folder / "uploads" / f"{key}.upload"


def _require_uploader(context: Context, project_id: int, person: Person) -> Project:
    with context.database.read() as session:
        project = require_project(session, project_id, person)
        role = role_in(project, person.role, memberships_of(session, person.id))
    if project.practice:
        raise not_found("project")
    if role not in UPLOADERS:
        raise forbidden(f"This needs the role {' or '.join(UPLOADERS)} in {project.name}.")
    return project
