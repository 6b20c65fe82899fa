"""The append-only log, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.store.models import Operation
from vidact.labeling_tool.work import queue as work_queue
from vidact.labeling_tool.work.operation_kinds import Batch

from tests.labeling_tool.seeding import add_people, add_tasks


def batch(
    *ids: str, client: str = "window1", base_seq: int = 0, kind: str = "paint", **payload: object
) -> Batch:
    content = payload or {"lane": 0, "start": 0, "end": 2, "value": 1}
    return Batch.model_validate(
        {
            "client": client,
            "base_seq": base_seq,
            "operations": [
                {"id": id, "kind": kind, "payload": content, "client_ms": 1} for id in ids
            ],
        }
    )


def claimed(context: Context) -> tuple[int, int]:
    """A person and their assignment."""
    (user,) = add_people(context, 1)
    assignment = work_queue.claim(context.database, user, add_tasks(context, 3))
    assert assignment is not None
    return user, assignment.id


def stored(context: Context, assignment: int) -> list[tuple[int, str]]:
    with context.database.read() as session:
        rows = session.execute(
            select(Operation.seq, Operation.id)
            .where(Operation.assignment_id == assignment)
            .order_by(Operation.seq)
        )
        return [(seq, id) for seq, id in rows]


def test_sending_twice_stores_once(any_context: Context) -> None:
    user, assignment = claimed(any_context)
    first = any_context.log.append(assignment, user, batch=batch("operation1", "operation2"))
    assert (first["seq"], first["accepted"], first["known"]) == (
        2,
        ["operation1", "operation2"],
        [],
    )
    again = any_context.log.append(
        assignment,
        user,
        batch=batch("operation1", "operation2", "operation3", base_seq=2),
    )
    assert (again["seq"], again["accepted"], again["known"]) == (
        3,
        ["operation3"],
        ["operation1", "operation2"],
    )
    assert stored(any_context, assignment) == [
        (1, "operation1"),
        (2, "operation2"),
        (3, "operation3"),
    ]


def test_another_window_is_a_conflict_and_nothing_is_overwritten(any_context: Context) -> None:
    user, assignment = claimed(any_context)
    any_context.log.append(assignment, user, batch=batch("operation1"))
    with pytest.raises(Problem) as caught:
        any_context.log.append(assignment, user, batch=batch("operation2", client="window2"))
    assert caught.value.error == "conflict"
    assert [op["id"] for op in caught.value.more["operations"]] == ["operation1"]
    on_top = batch("operation2", client="window2", base_seq=1)
    assert any_context.log.append(assignment, user, batch=on_top)["seq"] == 2


def test_an_id_of_another_task_is_refused(any_context: Context) -> None:
    user, assignment = claimed(any_context)
    any_context.log.append(assignment, user, batch=batch("operation1"))
    (other,) = add_people(any_context, 1, "reviewer")
    theirs = work_queue.claim(any_context.database, other, 1)
    assert theirs is not None
    with pytest.raises(Problem) as caught:
        any_context.log.append(theirs.id, other, batch=batch("operation1", "operation9"))
    assert caught.value.error == "id_taken"
    assert stored(any_context, theirs.id) == []


def test_a_refused_batch_touches_nothing_of_the_others(any_context: Context) -> None:
    """Twenty people save at once, one of them nonsense: nineteen are saved."""
    users = add_people(any_context, 20)
    project = add_tasks(any_context, 20)
    claims = [work_queue.claim(any_context.database, user, project) for user in users]
    assignments = [claim.id for claim in claims if claim is not None]

    def save(i: int) -> bool:
        bad = i == 7
        content = {"lane": 99 if bad else 1, "start": 0, "end": 2, "value": 1}
        try:
            any_context.log.append(
                assignments[i],
                users[i],
                batch=batch(f"operation{i}", f"second{i:04d}", **content),
            )
        except Problem:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        outcome = list(pool.map(save, range(20)))
    assert outcome == [i != 7 for i in range(20)]
    assert [len(stored(any_context, a)) for a in assignments] == [
        0 if i == 7 else 2 for i in range(20)
    ]


def test_submitted_work_is_closed_to_its_owner_and_open_to_a_reviewer(any_context: Context) -> None:
    user, assignment = claimed(any_context)
    (reviewer,) = add_people(any_context, 1, "reviewer")
    work_queue.submit(any_context.database, user, assignment, seq=0)
    with pytest.raises(Problem) as caught:
        any_context.log.append(assignment, user, batch=batch("operation1"))
    assert caught.value.error == "closed"
    assert any_context.log.append(assignment, reviewer, batch=batch("operation2"))["seq"] == 1


@pytest.mark.parametrize(
    ("kind", "payload", "says"),
    [
        ("paint", {"lane": 0, "start": 5, "end": 5, "value": 1}, "end must be after start"),
        ("paint", {"lane": 0, "start": 0, "end": 33, "value": 1}, "frames end at 32"),
        ("press", {"lane": 0, "start": 0, "end": 1, "to_start": 3, "to_end": 33}, "end at 32"),
        ("press", {"lane": 0, "start": 0, "end": 1, "to_start": 3, "to_end": 3}, "after to_start"),
        ("paint", {"lane": 14, "start": 0, "end": 1, "value": 1}, "there are 14 lanes"),
        ("paint", {"lane": 0, "start": 0, "end": 1, "value": 1, "more": 1}, "Extra inputs"),
        ("camera", {"axis": 2, "start": 0, "end": 1, "values": [1.0]}, "there are 2 axes"),
        ("camera", {"axis": 0, "start": 0, "end": 4, "values": [1.0, 2.0]}, "one for each frame"),
        ("label", {"start": 0, "end": 1, "label": "clean"}, "no operation of this kind of project"),
    ],
)
def test_what_an_operation_may_say(
    context: Context, kind: str, payload: dict[str, object], says: str
) -> None:
    user, assignment = claimed(context)
    with pytest.raises(Problem, match=says):
        context.log.append(assignment, user, batch=batch("operation1", kind=kind, **payload))
    assert stored(context, assignment) == []
