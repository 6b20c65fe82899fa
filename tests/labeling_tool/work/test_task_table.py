"""The lead's table of tasks: found, assigned, put first, left out."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from sqlalchemy import select
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.store.models import Project, Source, Task
from vidact.labeling_tool.work import queue, task_table
from vidact.labeling_tool.work.task_table import ORDERS, change_tasks, tasks_of

from tests.labeling_tool.seeding import add_people, add_tasks


def found(context: Context, project: int, **wanted: Any) -> list[int]:
    with context.database.read() as session:
        return [row["id"] for row in tasks_of(session, project, **wanted)["tasks"]]


def change(context: Context, project: int, tasks: list[int], **changes: Any) -> None:
    with context.database.write() as session:
        change_tasks(session, session.get_one(Project, project), tasks, **changes)


def test_tasks_are_found_by_state_person_and_source(any_context: Context) -> None:
    project = add_tasks(any_context, 120)
    ann, bob = add_people(any_context, 2)
    everything = found(any_context, project)
    assert len(everything) == 100  # a page
    assert len(found(any_context, project, after=everything[-1])) == 20
    first = queue.claim(any_context.database, ann, project, chance=0.9)
    done = queue.claim(any_context.database, bob, project, chance=0.9)
    queue.submit(any_context.database, bob, done.id, seq=0)
    assert found(any_context, project, state="in_work") == [first.task_id]
    assert found(any_context, project, state="done") == [done.task_id]
    assert found(any_context, project, user_id=bob) == [done.task_id]
    assert first.task_id not in found(any_context, project, state="open")
    assert found(any_context, project, text="FIL", state="done") == [done.task_id]
    assert found(any_context, project, text="f%m") == []


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("sort", sorted(ORDERS))
def test_pages_in_any_order_have_every_task_once(
    any_context: Context, sort: str, falling: bool
) -> None:
    """Most keys are the same of many tasks: a page begins behind the last row, not its key."""
    project = add_tasks(any_context, 60, name="one")
    add_tasks(any_context, 50, name="another")
    with any_context.database.write() as session:
        other = Source(project_id=project, kind="video", name="a", uri="/a.mp4")
        session.add(other)
        session.flush()
        for i, task in enumerate(session.scalars(select(Task).where(Task.project_id == project))):
            task.frames = (32, 64)[i % 2]
            task.state = ("open", "done", "excluded")[i % 3]
            task.source_id = other.id if i < 20 else task.source_id
    with any_context.database.read() as session, mock.patch.object(task_table, "PAGE", 7):
        rows, after = [], None
        while True:
            page = tasks_of(session, project, sort=sort, falling=falling, after=after)
            rows += page["tasks"]
            if (after := page["next"]) is None:
                break
    assert len({row["id"] for row in rows}) == len(rows) == 60
    assert rows == sorted(rows, key=lambda row: (row[sort], row["id"]), reverse=falling)


def test_what_is_put_first_comes_first_and_what_is_left_out_never(any_context: Context) -> None:
    project = add_tasks(any_context, 4, random_fraction=0.0)
    tasks = found(any_context, project)
    (ann,) = add_people(any_context, 1)
    change(any_context, project, tasks[:1], priority=5)  # of the least gain
    change(any_context, project, tasks[3:], excluded=True)
    served = [queue.claim(any_context.database, ann, project) for _ in range(1)]
    for _ in range(2):
        served.append(queue.claim(any_context.database, ann, project, beside=served[-1].id))
    order = [row.task_id for row in served if row]
    assert order[0] == tasks[0]
    assert tasks[3] not in order
    change(any_context, project, tasks[3:], excluded=False)
    assert found(any_context, project, state="excluded") == []


def test_an_assigned_task_is_its_persons_next_one(context: Context) -> None:
    project = add_tasks(context, 3)
    tasks = found(context, project)
    ann, bob = add_people(context, 2)
    (carl,) = add_people(context, 1, role="contractor")
    change(context, project, [tasks[0]], assign=ann)
    change(context, project, [tasks[0]], assign=ann)  # harmless
    mine = queue.claim(context.database, ann, project)
    assert (mine.task_id, mine.served) == (tasks[0], "assigned")
    with pytest.raises(Problem) as refused:
        change(context, project, [tasks[0]], assign=bob)
    assert refused.value.error == "no_place"
    with pytest.raises(Problem) as refused:
        change(context, project, [tasks[1]], assign=carl)
    assert refused.value.error == "no_labeller"
