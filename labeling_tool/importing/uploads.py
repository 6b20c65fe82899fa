"""Uploads and their imports: quotas, states, one worker, and sweeps.

An upload is `arriving`, `stored`, `used` by an import, or `gone`; what nobody imports is deleted
after a day. An import is `queued`, `running`, `done` or `failed`. Imports run one after the other:
each starts a child process that may take gigabytes, and requests for all others must be served
meanwhile.
"""

from __future__ import annotations

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ...errors import RecordingError, VideoError
from ...progress import log
from ..context import Context
from ..pictures.ahead import begin_ahead
from ..problems import Problem, not_found
from ..server_process import is_running
from ..store.audit import note
from ..store.models import Import, Project, Upload, now_ms
from .recordings import add_recording
from .videos import add_video

DAY_MS = 24 * 3600_000
UNFINISHED = ("queued", "running")
MOST_WAITING = 5  # imports of one person


def begin_upload(context: Context, project_id: int, user_id: int, size: int | None) -> Upload:
    """Make room for an upload.

    Args:
        context: the server's.
        project_id: what it is for.
        user_id: whose it is.
        size: bytes that were announced; None where none were, and the largest upload is reckoned.

    Raises:
        Problem: 413 `quota` where the person has sent too much in a day, 507 where the disk is
            nearly full.
    """
    reckoned = context.upload_limit if size is None else size
    context.require_room(reckoned)
    with context.database.write() as session:
        context.database.one_at_a_time(session, f"uploads of {user_id}")
        sent = session.execute(
            select(func.coalesce(func.sum(Upload.size), 0)).where(
                Upload.user_id == user_id, Upload.created_ms > now_ms() - DAY_MS
            )
        ).scalar_one()
        quota = context.upload_quota
        if sent + reckoned > quota:
            raise Problem(
                413,
                "quota",
                f"You may send {quota >> 20} MiB a day, and have sent {sent >> 20} MiB.",
            )
        row = Upload(
            id=secrets.token_hex(16), project_id=project_id, user_id=user_id, size=reckoned
        )
        session.add(row)
        session.flush()
        return row


def upload_of(session: Session, key: str, user_id: int) -> Upload:
    """Return somebody's upload. Raises 404 where it is not there, or not theirs."""
    row = session.get(Upload, key)
    if row is None or row.user_id != user_id:
        raise not_found("upload")
    return row


@contextmanager
def going_on(context: Context, upload: Upload, start: int) -> Iterator[BinaryIO]:
    """The file of an upload that arrives in parts, at its end; nobody else adds to it meanwhile.

    Raises:
        Problem: 409 `not_arriving` for one that is whole or gone, `busy` where another request
            still sends, `elsewhere` (with what was `received`) where that is not `start` bytes.
    """
    if upload.state != "arriving":
        raise Problem(409, "not_arriving", f"This upload is {upload.state} already.")
    with open(path_of(context, upload.id), "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # other server processes too
        except BlockingIOError as error:
            raise Problem(409, "busy", "Another request still sends this file.") from error
        if file.tell() != start:
            told = f"{file.tell()} bytes of this file are here; go on there."
            raise Problem(409, "elsewhere", told, received=file.tell())
        yield file


def received(context: Context, upload: Upload) -> int:
    """Return how many bytes of an upload are here."""
    if upload.state != "arriving":
        return upload.size
    path = path_of(context, upload.id)
    return path.stat().st_size if path.exists() else 0


def end_upload(context: Context, upload: Upload, size: int | None) -> None:
    """Note how large an upload became; None where nothing came of it, and its file goes."""
    with context.database.write() as session:
        row = session.get_one(Upload, upload.id)
        row.size, row.state = (0, "gone") if size is None else (size, "stored")
        if size is not None:
            note(session, row.user_id, "uploaded", row.id, project=row.project_id, bytes=size)
    if size is None:
        path_of(context, upload.id).unlink(missing_ok=True)


def path_of(context: Context, key: str, suffix: str = ".upload") -> Path:
    """Return where an upload lies, under a name of ours."""
    return context.folder / "uploads" / f"{key}{suffix}"


def begin_import(
    context: Context,
    project: Project,
    user_id: int,
    *,
    video: str,
    lines: str | None,
    meta: str | None,
    name: str,
    frame_step_s: float,
) -> Import:
    """Queue an import of somebody's uploads.

    Raises:
        Problem: 404 for an upload that is not there or not theirs, 429 where many of theirs wait.
    """
    keys = [key for key in (video, lines, meta) if key]
    with context.database.write() as session:
        context.database.one_at_a_time(session, f"uploads of {user_id}")
        rows = session.scalars(
            select(Upload)
            .where(Upload.id.in_(keys), Upload.user_id == user_id, Upload.state == "stored")
            .with_for_update()
        ).all()
        if len(rows) != len(keys) or any(row.project_id != project.id for row in rows):
            raise not_found("upload")
        waiting = session.execute(
            select(func.count()).where(Import.user_id == user_id, Import.state.in_(UNFINISHED))
        ).scalar_one()
        if waiting >= MOST_WAITING:
            raise Problem(
                429,
                "busy",
                f"{waiting} imports of yours wait already. Try again when some are done.",
                retry_after_s=30,
            )
        for row in rows:
            row.state = "used"
        job = Import(
            project_id=project.id,
            user_id=user_id,
            video=video,
            lines=lines,
            meta=meta,
            name=name,
            frame_step_s=frame_step_s,
            detail={"server": context.server},
        )
        session.add(job)
        session.flush()
        note(session, user_id, "import begun", project.name, name=name, video=video)
    context.imports.submit(run_import, context, job.id)
    return job


def run_import(context: Context, import_id: int) -> None:
    """Do an import. A file that cannot be read is deleted, and the import says why."""
    with context.database.write() as session:
        job = session.get_one(Import, import_id)
        job.state = "running"
        project = session.get_one(Project, job.project_id)
    stem = path_of(context, job.video, "")
    sent = ((job.video, ".mp4"), (job.lines, ".jsonl"), (job.meta, ".meta.json"))
    parts = [(key, suffix) for key, suffix in sent if key]
    state = "failed"
    detail: dict[str, Any]
    try:
        for key, suffix in parts:
            path = path_of(context, key)
            if path.exists():  # an import that was interrupted has moved it already
                path.replace(stem.with_suffix(suffix))
        add = (
            partial(add_video, frame_step_s=job.frame_step_s)
            if project.kind == "clean"
            else add_recording
        )
        path = stem.with_suffix(".mp4") if project.kind == "clean" else stem
        detail = {"tasks": add(context, project, path, name=job.name)}
        state = "done"
    except (VideoError, RecordingError) as error:
        told = error.detail if isinstance(error, VideoError) else str(error)
        told = told.replace(str(stem), job.name)
        reason = error.reason if isinstance(error, VideoError) else "no_recording"
        detail = {"reason": reason, "message": f"{job.name} cannot be used: {told}"}
    # Whatever it is: nobody else would ever say that it is not running any more.
    except Exception as error:
        log(f"import {import_id}: {type(error).__name__}: {error}")
        detail = {"reason": "failed", "message": f"{job.name} could not be imported."}
    with context.database.write() as session:
        row = session.get_one(Import, import_id)
        row.state, row.detail = state, {**row.detail, **detail}
        action = "imported" if state == "done" else "import failed"
        note(session, job.user_id, action, project.name, name=job.name, **detail)
        if state == "failed":
            gone = [key for key, _ in parts]
            session.execute(update(Upload).where(Upload.id.in_(gone)).values(state="gone"))
    if state == "failed":
        for _, suffix in parts:
            stem.with_suffix(suffix).unlink(missing_ok=True)
    else:
        begin_ahead(context, project.id)


def sweep_uploads(context: Context) -> None:
    """Delete what was sent a day ago and never imported, and begin again what was interrupted."""
    old = now_ms() - DAY_MS
    with context.database.write() as session:
        rows = session.scalars(
            select(Upload).where(Upload.state.in_(("arriving", "stored")), Upload.created_ms < old)
        )
        for row in rows:
            row.state = "gone"
            path_of(context, row.id).unlink(missing_ok=True)
        again = []
        for job in session.scalars(select(Import).where(Import.state.in_(UNFINISHED))):
            if not is_running(job.detail.get("server", "")):
                job.state = "queued"
                job.detail = {**job.detail, "server": context.server}
                again.append(job.id)
    # Those of before there were rows.
    for path in (context.folder / "uploads").glob("*.upload"):
        if path.stat().st_mtime < time.time() - DAY_MS / 1000:
            path.unlink(missing_ok=True)
    for import_id in again:
        context.imports.submit(run_import, context, import_id)
