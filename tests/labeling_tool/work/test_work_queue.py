"""Who gets which task: order, leases, places, and forty people at once, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.store.models import Assignment, Project, Task, now_ms
from vidact.labeling_tool.work import queue as work_queue
from vidact.labeling_tool.work.verdicts import review

from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.seeding import add_people, add_tasks

CLIENTS = 40


def expire(context: Context, assignment: int) -> None:
    with context.database.write() as session:
        session.execute(
            update(Assignment).where(Assignment.id == assignment).values(lease_ms=now_ms() - 1)
        )


def task_of(context: Context, assignment: int) -> Task:
    with context.database.read() as session:
        row = session.get_one(Assignment, assignment)
        return session.get_one(Task, row.task_id)


def claim(context: Context, user: int, project: int, **more: object) -> Assignment:
    found = work_queue.claim(context.database, user, project, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_least_certain_task_comes_first_and_one_s_own_goes_on(any_context: Context) -> None:
    project = add_tasks(any_context, 5)
    (user,) = add_people(any_context, 1)
    first = claim(any_context, user, project, chance=0.99)
    assert task_of(any_context, first.id).identity == "task0"
    assert claim(any_context, user, project, chance=0.99).id == first.id
    beside = claim(any_context, user, project, beside=first.id, chance=0.99)
    assert task_of(any_context, beside.id).identity == "task1"


def test_the_random_share_is_drawn_from_all(any_context: Context) -> None:
    project = add_tasks(any_context, 30, random_fraction=0.2)
    (user,) = add_people(any_context, 1)
    drawn = claim(any_context, user, project, chance=0.1)
    assert drawn.served == "random"
    with any_context.database.read() as session:
        lowest = session.scalars(select(Task.id).order_by(Task.random_rank).limit(1)).one()
    assert drawn.task_id == lowest
    assert claim(any_context, user, project, beside=drawn.id, chance=0.2).served == "gain"


def test_an_expired_lease_goes_to_the_next_and_comes_back_if_nobody_took_it(
    any_context: Context,
) -> None:
    project = add_tasks(any_context, 1)
    slow, quick = add_people(any_context, 2)
    first = claim(any_context, slow, project)
    assert work_queue.claim(any_context.database, quick, project) is None
    expire(any_context, first.id)
    assert claim(any_context, slow, project).id == first.id  # nobody was quicker
    expire(any_context, first.id)
    second = claim(any_context, quick, project)
    assert second.task_id == first.task_id
    assert work_queue.heartbeat(any_context.database, slow, [first.id]) == {first.id: "lost"}
    work_queue.submit(any_context.database, quick, second.id, seq=0)
    with pytest.raises(Problem) as caught:
        work_queue.submit(any_context.database, slow, first.id, seq=0)
    assert caught.value.error == "lease_lost"


def test_a_lost_lease_may_submit_while_there_is_room(any_context: Context) -> None:
    project = add_tasks(any_context, 1)
    (user,) = add_people(any_context, 1)
    first = claim(any_context, user, project)
    expire(any_context, first.id)
    assert work_queue.submit(any_context.database, user, first.id, seq=0) == "submitted"
    assert task_of(any_context, first.id).state == "done"


def test_a_paused_task_is_kept(any_context: Context) -> None:
    project = add_tasks(any_context, 1)
    mine, theirs = add_people(any_context, 2)
    first = claim(any_context, mine, project)
    work_queue.pause(any_context.database, mine, first.id)
    assert work_queue.claim(any_context.database, theirs, project) is None
    assert claim(any_context, mine, project).id == first.id
    work_queue.release(any_context.database, mine, first.id)
    assert claim(any_context, theirs, project).task_id == first.task_id


def test_a_paused_project_hands_out_nothing(any_context: Context) -> None:
    project = add_tasks(any_context, 1)
    (user,) = add_people(any_context, 1)
    with any_context.database.write() as session:
        session.get_one(Project, project).state = "paused"
    with pytest.raises(Problem, match="paused"):
        work_queue.claim(any_context.database, user, project)


def test_submitting_needs_to_have_seen_everything(any_context: Context) -> None:
    project = add_tasks(any_context, 1)
    (user,) = add_people(any_context, 1)
    first = claim(any_context, user, project)
    with any_context.database.write() as session:
        session.get_one(Assignment, first.id).seq = 3
    with pytest.raises(Problem) as caught:
        work_queue.submit(any_context.database, user, first.id, seq=2)
    assert (caught.value.error, caught.value.more["seq"]) == ("unsaved", 3)
    assert work_queue.submit(any_context.database, user, first.id, seq=3) == "submitted"
    assert work_queue.submit(any_context.database, user, first.id, seq=3) == "submitted"


def test_returned_work_comes_first_and_approved_work_stays(any_context: Context) -> None:
    project = add_tasks(any_context, 2)
    (user,), (reviewer,) = add_people(any_context, 1), add_people(any_context, 1, "reviewer")
    first = claim(any_context, user, project)
    work_queue.submit(any_context.database, user, first.id, seq=0)
    with pytest.raises(Problem, match="Say why"):
        review(any_context.database, reviewer, first.id, "return", " ", seq=0)
    review(any_context.database, reviewer, first.id, "return", "attack is missing at 12", seq=0)
    assert task_of(any_context, first.id).state == "open"
    again = claim(any_context, user, project)
    assert (again.id, again.state, again.reason) == (
        first.id,
        "returned",
        "attack is missing at 12",
    )
    work_queue.submit(any_context.database, user, first.id, seq=0)
    review(any_context.database, reviewer, first.id, "approve", "", seq=0)
    with pytest.raises(Problem, match="approved"):
        work_queue.reopen(any_context.database, user, first.id)


def test_overlap_gives_a_task_to_several_people_once_each(any_context: Context) -> None:
    project = add_tasks(any_context, 1, overlap=2)
    people = add_people(any_context, 3)
    claims = [work_queue.claim(any_context.database, user, project) for user in people]
    assert [claim is not None for claim in claims] == [True, True, False]
    for user, found in zip(people, claims, strict=True):
        if found is not None:
            work_queue.submit(any_context.database, user, found.id, seq=0)
    with any_context.database.read() as session:
        assert session.scalars(select(Task.state)).all() == ["done"]


def race(context: Context, rounds: int) -> int:
    """Forty people claim at a barrier, again and again; the number of tasks with more people than
    places.
    """
    people = add_people(context, CLIENTS)
    over = 0
    for number in range(rounds):
        # Fewer places than people, and overlap, so that the last places are fought for.
        project = add_tasks(context, 12, name=f"round {number}", overlap=1 + number % 3)
        barrier = threading.Barrier(CLIENTS)

        def run(user: int, project: int = project, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            work_queue.claim(context.database, user, project)

        with ThreadPoolExecutor(CLIENTS) as pool:
            for outcome in [pool.submit(run, user) for user in people]:
                outcome.result()  # raises what went wrong in the thread
        with context.database.read() as session:
            rows = session.execute(
                select(Task.id, Task.needed, func.count(Assignment.id))
                .join(Assignment, Assignment.task_id == Task.id)
                .where(Task.project_id == project)
                .group_by(Task.id, Task.needed)
            ).all()
        over += sum(count > needed for _, needed, count in rows)
        taken = Counter({task: count for task, _, count in rows})
        places = 12 * (1 + number % 3)
        assert sum(taken.values()) == min(
            CLIENTS, places
        )  # nobody goes away empty-handed while a place is left
    return over


def test_forty_people_at_a_barrier(any_context: Context) -> None:
    assert race(any_context, rounds=2) == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_forty_people_at_a_barrier_twenty_times(tmp_path: Path, database_url: str | None) -> None:
    context = open_context(tmp_path / "data", database_url)
    try:
        assert race(context, rounds=20) == 0
    finally:
        context.close()
