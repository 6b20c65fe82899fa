"""The work that came in: found by person and source, sorted by any column."""

from __future__ import annotations

from typing import Any

import pytest
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.store.models import Assignment
from vidact.labeling_tool.work import queue
from vidact.labeling_tool.work.submission_table import ORDERS, submissions_of
from vidact.labeling_tool.work.task_table import tasks_of

from tests.labeling_tool.seeding import add_people, add_tasks


def found(context: Context, project: int, column: str, **wanted: Any) -> list[Any]:
    with context.database.read() as session:
        return [row[column] for row in submissions_of(session, project, **wanted)["submissions"]]


def test_submissions_are_found_and_sorted(any_context: Context) -> None:
    project = add_tasks(any_context, 6)
    ann, bob = add_people(any_context, 2)
    for i, user in enumerate((ann, bob, ann)):
        row = queue.claim(any_context.database, user, project)
        assert row
        queue.submit(any_context.database, user, row.id, seq=0)
        with any_context.database.write() as session:
            session.get_one(Assignment, row.id).active_ms = (300, 100, 200)[i]
    newest = found(any_context, project, "id")
    assert newest == sorted(newest, reverse=True)
    assert found(any_context, project, "active_ms", sort="time", falling=False) == [100, 200, 300]
    who = found(any_context, project, "who", sort="who")
    assert who == ["annotator1", "annotator0", "annotator0"]
    assert found(any_context, project, "who", text="TATOR1") == ["annotator1"]
    assert len(found(any_context, project, "who", text="film")) == 3  # the source
    assert found(any_context, project, "who", text="tat%r") == []
    for sort in ORDERS:  # a page begins behind any row
        rows = found(any_context, project, "id", sort=sort)
        assert found(any_context, project, "id", sort=sort, after=rows[0]) == rows[1:]


def test_no_page_begins_behind_another_projects_row(context: Context) -> None:
    """Where it began would tell a reviewer how the other project's names and numbers sort."""
    project, other = add_tasks(context, 1), add_tasks(context, 1, name="Secret")
    (ann,) = add_people(context, 1)
    theirs = queue.claim(context.database, ann, other)
    assert theirs
    queue.submit(context.database, ann, theirs.id, seq=0)
    with pytest.raises(Problem) as refused:
        found(context, project, "id", sort="source", after=theirs.id)
    assert refused.value.status == 404
    with pytest.raises(Problem) as refused, context.database.read() as session:
        tasks_of(session, project, sort="source", after=theirs.task_id)
    assert refused.value.status == 404
