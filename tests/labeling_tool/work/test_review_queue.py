"""Which submissions come to a reviewer: all of new people, a sample of the others'."""

from __future__ import annotations

from sqlalchemy import select
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.store.models import Assignment, Project
from vidact.labeling_tool.work import queue, verdicts

from tests.labeling_tool.seeding import add_people, add_tasks


def submit_all(context: Context, project: int, user: int) -> list[int]:
    done = []
    while (found := queue.claim(context.database, user, project)) is not None:
        queue.submit(context.database, user, found.id, seq=0)
        done.append(found.id)
    return done


def ask(
    context: Context, project: int, reviewer: int, beside: int | None = None
) -> tuple[int | None, int]:
    with context.database.read() as session:
        row = session.get_one(Project, project)
        return context.desk.next(session, row, reviewer, beside=beside)


def test_all_of_new_people_and_a_sample_of_others(any_context: Context) -> None:
    project = add_tasks(any_context, 30, review_first=5, review_share=0.2)
    (ann,) = add_people(any_context, 1)
    rita, rolf = add_people(any_context, 2, role="reviewer")
    done = submit_all(any_context, project, ann)
    found, left = ask(any_context, project, rita)
    assert found == done[0]  # the longest waiting
    assert 5 + 3 <= left <= 5 + 8  # a fifth of 25
    assert ask(any_context, project, rolf)[0] == done[1]  # nobody gets what another has open
    assert ask(any_context, project, rita, beside=done[0])[0] == done[2]
    seen = []
    while (found := ask(any_context, project, rita)[0]) is not None:
        seen.append(found)
        verdicts.review(any_context.database, rita, found, "approve", "", seq=0)
    assert set(done[:5]) - {done[1]} <= set(seen)
    assert ask(any_context, project, rita)[1] == 1  # the one that rolf has


def test_ones_own_work_and_ones_own_tasks_do_not_come(context: Context) -> None:
    project = add_tasks(context, 4, overlap=2)
    (ann,) = add_people(context, 1)
    (rita,) = add_people(context, 1, role="reviewer")
    submit_all(context, project, ann)
    with context.database.read() as session:
        answered = session.scalars(select(Assignment.task_id).order_by(Assignment.id)).all()
    mine = queue.claim(context.database, rita, project)
    assert mine is not None
    assert mine.task_id in answered
    queue.submit(context.database, rita, mine.id, seq=0)
    found, left = ask(context, project, rita)
    assert left == 3
    with context.database.read() as session:
        assert session.get_one(Assignment, found).task_id != mine.task_id


def test_an_approved_answer_settles_its_task(context: Context) -> None:
    project = add_tasks(context, 2, overlap=2)
    people = add_people(context, 2)
    (rita,) = add_people(context, 1, role="reviewer")
    for person in people:
        submit_all(context, project, person)
    assert ask(context, project, rita)[1] == 4
    found = ask(context, project, rita)[0]
    verdicts.review(context.database, rita, found, "approve", "", seq=0)
    assert ask(context, project, rita)[1] == 2  # the other task's two answers
