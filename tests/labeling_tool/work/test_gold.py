"""Hidden gold tasks: who gets them when, how they judge people, and the gate before real work."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.store.models import Assignment, Task
from vidact.labeling_tool.work import queue, verdicts
from vidact.labeling_tool.work.gold import set_gold
from vidact.labeling_tool.work.operation_kinds import Batch

from tests.labeling_tool.seeding import add_people, add_tasks


def paint(context: Context, user: int, assignment: int, *payloads: dict[str, Any]) -> int:
    operations = [
        {"id": f"edit-{assignment}-{i:04d}", "kind": "paint", "payload": p, "client_ms": 0}
        for i, p in enumerate(payloads)
    ]
    if operations:
        batch = Batch.model_validate(
            {"client": "test", "base_seq": 0, "operations": operations, "active_ms": 0}
        )
        context.log.append(assignment, user, batch=batch)
    return len(operations)


def answer(context: Context, user: int, project: int, *payloads: dict[str, Any]) -> Assignment:
    """Claim a task, edit it, submit it."""
    found = queue.claim(context.database, user, project, chance=0.9)
    assert found is not None
    seq = paint(context, user, found.id, *payloads)
    queue.submit(context.database, user, found.id, seq=seq)
    with context.database.read() as session:
        return session.get_one(Assignment, found.id)


PRESS = {"lane": 5, "start": 4, "end": 8, "value": 1}


def with_gold(context: Context, tasks: int, gold: int, **settings: Any) -> tuple[int, int]:
    """A project whose first tasks are gold, with one press each; its id and its reviewer's."""
    project = add_tasks(context, tasks, **settings)
    (lea,) = add_people(context, 1, role="reviewer")
    (ann,) = add_people(context, 1, role="annotator")
    for _ in range(gold):
        done = answer(context, ann, project, PRESS)
        verdicts.review(context.database, lea, done.id, "approve", "", seq=done.seq)
        assert set_gold(context.database, lea, done.id, True) == "gold"
    return project, lea


def newcomer(context: Context, name: str) -> int:
    (user,) = add_people(context, 1, role=name)
    with context.database.write() as session:
        from vidact.labeling_tool.store.models import User

        session.get_one(User, user).role = "annotator"
    return user


def served(context: Context, user: int) -> list[str]:
    with context.database.read() as session:
        rows = session.scalars(
            select(Assignment.served).where(Assignment.user_id == user).order_by(Assignment.id)
        )
        return list(rows.all())


def test_the_first_tasks_are_gold_then_about_one_in_ten(any_context: Context) -> None:
    settings = {"gold_first": 2, "gold_share": 0.0, "random_fraction": 0.0}
    project, _ = with_gold(any_context, 8, 3, **settings)
    bob = newcomer(any_context, "bob")
    first = answer(any_context, bob, project, PRESS)
    assert first.gold_score == 1.0
    half = answer(any_context, bob, project, {**PRESS, "end": 6})
    assert half.gold_score == 0.5  # of four cells that are held somewhere two are right
    nothing_more = answer(any_context, bob, project)
    assert nothing_more.gold_score is None
    assert served(any_context, bob) == ["gold", "gold", "gain"]
    with any_context.database.write() as session:
        from vidact.labeling_tool.store.models import Project

        row = session.get_one(Project, project)
        row.settings = row.settings | {"gold_share": 1.0}
    assert answer(any_context, bob, project).gold_score == 0.0
    assert answer(any_context, bob, project).gold_score is None  # they have had them all
    assert served(any_context, bob)[3:] == ["gold", "gain"]


def test_gold_keeps_its_places_and_can_be_taken_back(context: Context) -> None:
    project, lea = with_gold(context, 2, 1, gold_first=1)
    people = [newcomer(context, f"p{i}") for i in range(3)]
    for person in people:  # more than the task has places
        assert answer(context, person, project, PRESS).gold_score == 1.0
    with context.database.read() as session:
        gold = session.scalars(select(Task).where(Task.state == "gold")).one()
        first = session.scalars(
            select(Assignment.id).where(Assignment.task_id == gold.id).order_by(Assignment.id)
        ).first()
    assert set_gold(context.database, lea, first, False) == "done"
    other = queue.claim(context.database, people[0], project)
    with pytest.raises(Problem) as refused:
        set_gold(context.database, lea, other.id, True)
    assert refused.value.error == "not_approved"


def test_real_work_waits_for_the_first_tasks(context: Context) -> None:
    project, _ = with_gold(context, 6, 2, gold_first=2, gold_share=0.0, qualify=0.8)
    good, bad = newcomer(context, "good"), newcomer(context, "bad")
    for _ in range(2):
        answer(context, good, project, PRESS)
    assert answer(context, good, project).served != "gold"
    answer(context, bad, project, PRESS)
    answer(context, bad, project)
    with pytest.raises(Problem) as refused:
        queue.claim(context.database, bad, project)
    assert refused.value.error == "not_qualified"
    assert "50%" in str(refused.value)
    eager = newcomer(context, "eager")
    first = queue.claim(context.database, eager, project)
    second = queue.claim(context.database, eager, project, beside=first.id)
    queue.submit(context.database, eager, first.id, seq=0)
    with pytest.raises(Problem) as refused:
        queue.claim(context.database, eager, project, beside=second.id)
    assert refused.value.error == "qualifying"
    queue.release(context.database, eager, second.id)  # which is no way around it
    with pytest.raises(Problem) as refused:
        queue.claim(context.database, eager, project)
    assert refused.value.error == "not_qualified"


def test_nothing_tells_an_annotator_which_are_gold(client: Any, context: Context) -> None:
    project, _ = with_gold(context, 3, 1, gold_first=1)
    from vidact.labeling_tool.app import create_app

    from tests.labeling_tool.running import PASSWORD

    client.post("/api/users", json={"name": "eve", "password": PASSWORD, "role": "annotator"})
    from fastapi.testclient import TestClient

    eve = TestClient(create_app(context), base_url="http://127.0.0.1")
    answer = eve.post("/api/login", json={"name": "eve", "password": PASSWORD})
    eve.headers["x-csrf-token"] = answer.json()["csrf"]
    claimed = eve.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    eve.post(f"/api/assignments/{claimed}/submit", json={"seq": 0})
    for path in (f"/api/assignments/{claimed}", "/api/assignments", "/api/projects"):
        assert "gold" not in eve.get(path).text
