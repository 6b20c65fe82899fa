"""The reviewer's queue: which submission comes next."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from ..people.access import ContextOf, Reviewer, require_staffed
from ..schema import PathId

router = APIRouter(prefix="/api/projects", tags=["reviews"])


@router.get("/{project_id}/reviews/next")
def next_review(
    project_id: PathId,
    person: Reviewer,
    context: ContextOf,
    beside: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> dict[str, Any]:
    """The submission that I look at next; `assignment` is null when none is left for me."""
    with context.database.read() as session:
        project = require_staffed(session, project_id, person)
        found, left = context.desk.next(session, project, person.id, beside=beside)
    return {"assignment": found, "left": left}
