"""The quality page: agreement, accuracy on gold, calibration, pace and cost; gold answers."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from fastapi.responses import Response
from sqlalchemy import func, select

from ..context import Context
from ..people.access import ContextOf, Person, Reviewer, require_staffed
from ..problems import Problem
from ..quality.report import quality_of
from ..schema import PathId, Strict
from ..store.models import Assignment, Task
from ..work.gold import set_gold

router = APIRouter(prefix="/api", tags=["quality"])

WAIT_S = 0.3  # then the page shows what there was before, and asks again
TABLE_WAIT_S = 20.0
BEING_COUNTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The work is being counted for the first time: ask again in a moment."}
}


class Gold(Strict):
    gold: bool
    """Whether the work is its task's known answer from now on."""


@router.get("/projects/{project_id}/quality", responses=BEING_COUNTED)
def quality(
    project_id: PathId, person: Reviewer, context: ContextOf, response: Response
) -> dict[str, Any]:
    """How good the labels are: each number with its 95 % interval and the work it was made of.

    `counting`: these are the numbers before the newest work; ask again in a moment.
    """
    report, is_new = _report(context, project_id, person, WAIT_S)
    if report is None:
        response.status_code, response.headers["retry-after"] = 202, "1"
        return {"counting": True}
    return {**report, "counting": not is_new}


def _report(
    context: Context, project_id: int, person: Person, wait_s: float
) -> tuple[dict[str, Any] | None, bool]:
    """The report that is there within some time, and whether nothing has come in since."""
    with context.database.read() as session:
        project = require_staffed(session, project_id, person)
        # What the tables are made of changes with any of these.
        state = session.execute(
            select(
                func.count(Assignment.id),
                func.sum(Assignment.seq),
                func.max(Assignment.submitted_ms),
                func.count().filter(Assignment.state == "approved"),
                func.count().filter(Task.state == "gold"),
            )
            .join(Task, Task.id == Assignment.task_id)
            .where(Task.project_id == project_id)
        ).one()
    key = (tuple(state), str(project.settings))

    def make(parts: dict[int, Any]) -> dict[str, Any]:
        with context.database.read() as session:
            return quality_of(session, project, parts, context.closing)

    return context.reports.get(project_id, key, make, wait_s=wait_s)


@router.get(
    "/projects/{project_id}/quality/{table}.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
)
def quality_table(
    project_id: PathId,
    table: Annotated[
        Literal["labels", "camera", "pairs", "people", "pace", "calibration", "disputes"], Path()
    ],
    person: Reviewer,
    context: ContextOf,
) -> Response:
    """One of its tables for a spreadsheet; of each number also its interval and tasks."""
    report, _ = _report(context, project_id, person, TABLE_WAIT_S)
    if report is None:
        raise Problem(409, "counting", "The work is still being counted.", retry_after_s=10)
    rows = [_flat(row) for row in report[table]]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    headers = {"content-disposition": f'attachment; filename="quality-{table}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


@router.post("/assignments/{assignment_id}/gold")
def gold(assignment_id: PathId, body: Gold, person: Reviewer, context: ContextOf) -> dict[str, str]:
    """Make approved work the known answer of its task, or take that back."""
    state = set_gold(context.database, person.id, assignment_id, body.gold, address=person.address)
    with context.database.read() as session:
        work = session.get_one(Assignment, assignment_id)
        context.reports.forget(session.get_one(Task, work.task_id).project_id)
    return {"state": state}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row with a column a number. Text that a spreadsheet would compute is quoted."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            low, high = value["interval"] or (None, None)
            cells |= {
                name: value["value"],
                f"{name}_low": low,
                f"{name}_high": high,
                f"{name}_tasks": value["tasks"],
            }
        elif isinstance(value, list):
            cells[name] = _safe(" ".join(map(str, value)))
        elif value is None and name == "event_f1":
            continue
        else:
            cells[name] = _safe(value) if isinstance(value, str) else value
    return cells


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
