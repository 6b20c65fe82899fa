"""Exports: begin one, see how it goes, fetch it."""

from __future__ import annotations

import re
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..exporting.run import archive, delete_export, folder_of, start_export
from ..people.access import ContextOf, Person, Reviewer, require_staffed
from ..problems import Problem
from ..schema import PathId, Strict
from ..store.models import Export, Project
from ..store.rows import get_row

router = APIRouter(prefix="/api", tags=["export"])


class NewExport(Strict):
    format: Literal["recordings", "dataset", "filter-labels", "parquet", "json"]
    approved_only: bool = False
    """Leave out what no reviewer has approved."""


@router.get("/projects/{project_id}/exports")
def exports(project_id: PathId, person: Reviewer, context: ContextOf) -> list[dict[str, Any]]:
    """A project's exports, newest first."""
    with context.database.read() as session:
        require_staffed(session, project_id, person)
        rows = session.scalars(
            select(Export).where(Export.project_id == project_id).order_by(Export.id.desc())
        )
        return [_export(row) for row in rows]


@router.post("/projects/{project_id}/exports", status_code=201)
def add_export(
    project_id: PathId, body: NewExport, person: Reviewer, context: ContextOf
) -> dict[str, Any]:
    """Begin an export."""
    with context.database.read() as session:
        project = require_staffed(session, project_id, person)
    row = start_export(
        context, project, body.format, approved_only=body.approved_only, user_id=person.id
    )
    with context.database.write() as session:
        person.note(session, "exported", project.name, format=body.format, export=row.id)
    return _export(row)


@router.get("/exports/{export_id}")
def export(export_id: PathId, person: Reviewer, context: ContextOf) -> dict[str, Any]:
    """How an export goes: `queued`, `running`, `done` or `failed`, with counts or the reason."""
    with context.database.read() as session:
        row, _ = _mine(session, export_id, person)
    return _export(row)


@router.get("/exports/{export_id}/archive", response_class=StreamingResponse)
def fetch(export_id: PathId, person: Reviewer, context: ContextOf) -> StreamingResponse:
    """The export as a tar."""
    with context.database.read() as session:
        row, project = _mine(session, export_id, person)
    folder = folder_of(context, export_id)
    if row.state != "done" or not folder.is_dir():
        raise Problem(409, "not_ready", f"This export is {row.state}.")
    slug = re.sub(r"[^A-Za-z0-9]+", "-", project.name).strip("-").lower() or "project"
    name = f"{slug}-{row.format}-{row.id}"
    with context.database.write() as session:
        person.note(session, "export fetched", project.name, export=row.id)
    return StreamingResponse(
        archive(folder, name),
        media_type="application/x-tar",
        headers={"content-disposition": f'attachment; filename="{name}.tar"'},
    )


@router.delete("/exports/{export_id}", status_code=204)
def delete(export_id: PathId, person: Reviewer, context: ContextOf) -> None:
    """Delete an export and its files."""
    with context.database.read() as session:
        row, project = _mine(session, export_id, person)
    delete_export(context, row)
    with context.database.write() as session:
        person.note(session, "export deleted", project.name, export=export_id)


def _mine(session: Session, export_id: int, person: Person) -> tuple[Export, Project]:
    """An export of a project in which I am staff."""
    row = get_row(session, Export, export_id, "export")
    return row, require_staffed(session, row.project_id, person)


def _export(row: Export) -> dict[str, Any]:
    detail = {name: value for name, value in row.detail.items() if name != "server"}
    return {**row.columns("id", "format", "state", "created_ms"), "detail": detail}
