"""Running an export: in a thread of its own, into a folder of its own, then as one tar to fetch."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import VidactError
from ...progress import log
from ..context import Context
from ..problems import Problem
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


def start_export(
    context: Context, project: Project, format: str, *, approved_only: bool, user_id: int
) -> Export:
    """Begin an export; its row says when it is done.

    Raises:
        Problem: 422 for a format of the other kind of project.
    """
    if project.kind not in FORMATS[format] or project.practice:
        raise Problem(422, "wrong_format", f"{format} is no export of this project.")
    with context.database.write() as session:
        export = Export(
            project_id=project.id,
            format=format,
            created_by=user_id,
            detail={"approved_only": approved_only},
        )
        session.add(export)
        session.flush()
    thread = threading.Thread(
        target=_run,
        args=(context, project, export.id, format, approved_only),
        name=f"export {export.id}",
        daemon=True,
    )
    thread.start()
    return export


def folder_of(context: Context, export_id: int) -> Path:
    """Return where an export lies."""
    return context.folder / "exports" / f"{export_id:06d}"


def _run(
    context: Context, project: Project, export_id: int, format: str, approved_only: bool
) -> None:
    folder = folder_of(context, export_id)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        counts = write_export(context, project, format, folder, approved_only=approved_only)
        state, detail = "done", counts
    except (VidactError, OSError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        state, detail = "failed", {"message": str(error)}
        log(f"export {export_id}: {error}")
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


def archive(folder: Path, name: str) -> Iterator[bytes]:
    """The folder as a tar, block by block; nothing is written to disk."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        info = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
        info.size = path.stat().st_size
        info.mode = 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                yield block
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
