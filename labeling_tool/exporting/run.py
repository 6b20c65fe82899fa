"""Running exports: one after the other, each into a folder of its own, then as one tar to fetch.

An export is `queued`, `running`, then `done` or `failed`; deleting takes its files and its row.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from ...errors import VidactError
from ...progress import log
from ..context import Context
from ..problems import Problem
from ..server_process import is_running
from ..store.models import Export, Project
from .contractor import export_recordings
from .filter_labels import export_filter_labels
from .submissions import submissions
from .tables import export_json, export_parquet
from .writeback import export_dataset

FORMATS = {
    "recordings": ("actions",),
    "dataset": ("actions",),
    "filter-labels": ("clean",),
    "parquet": ("actions", "clean"),
    "json": ("actions", "clean"),
}
BLOCK = 1 << 20
UNFINISHED = ("queued", "running")
MOST_WAITING = 10
NAMED = 50  # files of an export that its row names


def start_export(
    context: Context, project: Project, format: str, *, approved_only: bool, user_id: int
) -> Export:
    """Begin an export; its row says when it is done.

    Raises:
        Problem: 422 for a format of the other kind of project, 429 where many wait, 507 where the
            disk is nearly full.
    """
    if project.kind not in FORMATS[format] or project.practice:
        raise Problem(422, "wrong_format", f"{format} is no export of this project.")
    context.require_room()
    with context.database.write() as session:
        context.database.one_at_a_time(session, "exports")
        waiting = session.execute(
            select(func.count()).where(Export.state.in_(UNFINISHED))
        ).scalar_one()
        if waiting >= MOST_WAITING:
            raise Problem(
                429,
                "busy",
                f"{waiting} exports wait already. Try again when some are done.",
                retry_after_s=60,
            )
        export = Export(
            project_id=project.id,
            format=format,
            state="queued",
            created_by=user_id,
            detail={"approved_only": approved_only, "server": context.server},
        )
        session.add(export)
        session.flush()
    context.exports.submit(_run, context, project, export.id, format, approved_only)
    return export


def delete_export(context: Context, export: Export) -> None:
    """Delete an export's files and its row. Raises 409 while it is being written."""
    with context.database.write() as session:
        row = session.get(Export, export.id, with_for_update=True)
        if row is not None and row.state == "running":
            raise Problem(409, "running", "This export is being written; delete it afterwards.")
        if row is not None:
            session.delete(row)
    shutil.rmtree(folder_of(context, export.id), ignore_errors=True)


def sweep_exports(context: Context) -> None:
    """Tell of exports whose server has ended that they failed, and take away what they left."""
    with context.database.write() as session:
        for row in session.scalars(select(Export).where(Export.state.in_(UNFINISHED))):
            if not is_running(row.detail.get("server", "")):
                row.state = "failed"
                row.detail = {**row.detail, "message": "The server ended before it was done."}
                shutil.rmtree(folder_of(context, row.id), ignore_errors=True)


def folder_of(context: Context, export_id: int) -> Path:
    """Return where an export lies."""
    return context.folder / "exports" / f"{export_id:06d}"


def _run(
    context: Context, project: Project, export_id: int, format: str, approved_only: bool
) -> None:
    folder = folder_of(context, export_id)
    with context.database.write() as session:
        row = session.get(Export, export_id)
        if row is None:
            return  # deleted while it waited
        row.state = "running"
    detail: dict[str, Any]
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        detail = write_export(context, project, format, folder, approved_only=approved_only)
        detail |= _contents_of(folder)
        state = "done"
    # Whatever it is: nobody else would ever say that it is not running any more.
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        told = isinstance(error, VidactError | OSError | ValueError)
        message = str(error) if told else f"unexpected: {type(error).__name__}: {error}"
        state, detail = "failed", {"message": message}
        log(f"export {export_id}: {message}")
    with context.database.write() as session:
        row = session.get_one(Export, export_id)
        row.state = state
        row.detail = {**row.detail, **detail}


def write_export(
    context: Context, project: Project, format: str, folder: Path, *, approved_only: bool
) -> dict[str, Any]:
    """Write an export of a project into an empty folder; returns what is in it."""
    every = format in ("parquet", "json")
    found = submissions(context, project.id, approved_only=approved_only, every=every)
    if format == "recordings":
        counts = export_recordings(context, project, found, folder)
    elif format == "dataset":
        counts = export_dataset(project, found, folder)
    elif format == "filter-labels":
        counts = export_filter_labels(context, project, found, folder)
    elif format == "parquet":
        counts = export_parquet(project, found, folder)
    else:
        counts = export_json(project, found, folder)
    about = {
        "project": project.name,
        "kind": project.kind,
        "format": format,
        "approved_only": approved_only,
        **counts,
    }
    (folder / "export.json").write_text(
        json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    return counts


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _contents_of(folder: Path) -> dict[str, Any]:
    """Return what an export's files are, for people: how many, how large, and the first names."""
    files = _files_in(folder)
    sizes = [path.stat().st_size for path in files]
    shown = [
        [path.relative_to(folder).as_posix(), size]
        for path, size in zip(files[:NAMED], sizes[:NAMED], strict=True)
    ]
    return {"files": len(files), "bytes": sum(sizes), "named": shown}


def archive(folder: Path, name: str) -> Iterator[bytes]:
    """The folder as a tar, block by block; nothing is written to disk."""
    for path in _files_in(folder):
        info = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
        info.size = path.stat().st_size
        info.mode = 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                yield block
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
