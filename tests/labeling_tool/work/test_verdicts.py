"""Verdicts are about what was seen, nobody judges themselves, and no time or space is made up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.store.models import Assignment, AuditEntry, Project, now_ms
from vidact.labeling_tool.work import append_limits, verdicts
from vidact.labeling_tool.work import queue as work_queue
from vidact.labeling_tool.work.operation_kinds import Batch

from tests.labeling_tool.seeding import add_people, add_tasks
from tests.labeling_tool.work.test_operations import batch


@pytest.fixture
def shop(any_context: Context) -> tuple[Context, int, int, int, int]:
    """A context, a project of three tasks, an annotator, a reviewer, and submitted work."""
    (ann,), (rita,) = add_people(any_context, 1), add_people(any_context, 1, "reviewer")
    project = add_tasks(any_context, 3)
    return any_context, project, ann, rita, submitted(any_context, ann, project)


def submitted(context: Context, user: int, project: int) -> int:
    found = work_queue.claim(context.database, user, project)
    assert found is not None
    context.log.append(found.id, user, batch=batch(f"operation-of-{found.id}"))
    work_queue.submit(context.database, user, found.id, seq=1)
    return found.id


def row(context: Context, assignment: int) -> Assignment:
    with context.database.read() as session:
        return session.get_one(Assignment, assignment)


def refused(call: Any, *arguments: Any, **more: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **more)
    return caught.value


def set_rules(context: Context, project: int, **rules: object) -> None:
    with context.database.write() as session:
        found = session.get_one(Project, project)
        found.settings = {**found.settings, **rules}


def test_an_approval_is_of_what_was_seen(shop: tuple[Context, int, int, int, int]) -> None:
    context, _, ann, rita, work = shop
    work_queue.reopen(context.database, ann, work)
    context.log.append(work, ann, batch=batch("operation-unseen", base_seq=1))
    work_queue.submit(context.database, ann, work, seq=2)
    problem = refused(verdicts.review, context.database, rita, work, "approve", "", seq=1)
    assert (problem.status, problem.error, problem.more["seq"]) == (409, "changed", 2)
    assert verdicts.review(context.database, rita, work, "approve", "", seq=2) == "approved"
    assert (row(context, work).reviewed_by, row(context, work).reviewed_seq) == (rita, 2)


def test_what_a_reviewer_changes_waits_for_a_verdict_again(
    shop: tuple[Context, int, int, int, int],
) -> None:
    context, _, _, rita, work = shop
    verdicts.review(context.database, rita, work, "approve", "", seq=1)
    context.log.append(work, rita, batch=batch("correction1", base_seq=1))
    assert row(context, work).state == "submitted"
    with context.database.read() as session:
        assert "work corrected" in session.scalars(select(AuditEntry.action)).all()


def test_reopening_and_approving_at_once_leave_one_of_both(
    shop: tuple[Context, int, int, int, int],
) -> None:
    """The one that comes second sees what the first one did: no approval is overwritten."""
    context, _, ann, rita, work = shop

    def outcome(call: Any) -> bool:
        barrier.wait()
        try:
            call()
        except Problem:
            return False
        return True

    for _ in range(6):
        with context.database.write() as session:
            session.get_one(Assignment, work).state = "submitted"
        barrier = threading.Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            reopened = pool.submit(outcome, lambda: work_queue.reopen(context.database, ann, work))
            approved = pool.submit(
                outcome,
                lambda: verdicts.review(context.database, rita, work, "approve", "", seq=1),
            )
        assert reopened.result() != approved.result()
        assert row(context, work).state == ("approved" if approved.result() else "leased")


def test_nobody_approves_their_own_work_unless_alone(context: Context) -> None:
    (rita,) = add_people(context, 1, "reviewer")
    project = add_tasks(context, 2)
    work = submitted(context, rita, project)
    problem = refused(verdicts.review, context.database, rita, work, "approve", "", seq=1)
    assert (problem.status, "own work" in problem.message) == (403, True)
    set_rules(context, project, solo=True)
    assert verdicts.review(context.database, rita, work, "approve", "", seq=1) == "approved"
    with context.database.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "work approved"))
        assert entry.one().detail == {"seq": 1, "own_work": True}


def test_who_answers_a_task_does_not_see_others_answers(context: Context) -> None:
    (ann,), (rita,) = add_people(context, 1), add_people(context, 1, "reviewer")
    project = add_tasks(context, 1, overlap=2)
    theirs = submitted(context, ann, project)
    mine = work_queue.claim(context.database, rita, project)
    assert mine is not None
    for call in (
        lambda: verdicts.review(context.database, rita, theirs, "approve", "", seq=1),
        lambda: context.log.append(theirs, rita, batch=batch("correction1", base_seq=1)),
    ):
        assert refused(call).status == 403
    work_queue.release(context.database, rita, mine.id)
    assert verdicts.review(context.database, rita, theirs, "approve", "", seq=1) == "approved"


def test_an_annotator_reviews_where_they_are_reviewer(context: Context) -> None:
    from vidact.labeling_tool.store.models import Member

    ann, bob = add_people(context, 2)
    (rita,) = add_people(context, 1, "reviewer")
    project = add_tasks(context, 2, open_to_all=False)
    with context.database.write() as session:
        session.add(Member(project_id=project, user_id=ann, role="reviewer"))
        session.add(Member(project_id=project, user_id=bob, role=""))
    work = submitted(context, bob, project)
    # A reviewer elsewhere is a stranger in a closed project.
    assert (
        refused(verdicts.review, context.database, rita, work, "approve", "", seq=1).status == 404
    )
    assert refused(verdicts.review, context.database, bob, work, "approve", "", seq=1).status == 403
    assert verdicts.review(context.database, ann, work, "approve", "", seq=1) == "approved"


def test_returned_work_is_kept_for_a_while_and_then_goes_to_others(
    shop: tuple[Context, int, int, int, int],
) -> None:
    context, project, _, rita, work = shop
    (bob,) = add_people(context, 1, "annotator-too")
    set_rules(context, project, pause_s=60)
    verdicts.review(context.database, rita, work, "return", "look again", seq=1)
    task = row(context, work).task_id

    def may_have(user: int) -> bool:
        seen: list[int] = []
        beside = None
        while (found := work_queue.claim(context.database, user, project, beside=beside)) and (
            found.id not in seen
        ):
            seen.append(beside := found.id)
            if found.task_id == task:
                return True
        return False

    assert not may_have(bob)
    assert row(context, work).lease_ms <= now_ms() + 60_000
    with context.database.write() as session:
        session.execute(
            update(Assignment).where(Assignment.id == work).values(lease_ms=now_ms() - 1)
        )
    with context.database.read() as session:
        open_tasks = session.scalars(work_queue._open_tasks(bob, project, now_ms())).all()
    assert task in [found.id for found in open_tasks]


def test_work_is_taken_away_and_that_of_people_who_left_is_free(context: Context) -> None:
    ann, bob = add_people(context, 2)
    (rita,) = add_people(context, 1, "reviewer")
    project = add_tasks(context, 1)
    work = submitted(context, ann, project)
    problem = refused(verdicts.take_away, context.database, rita, work)
    assert problem.error == "finished"
    verdicts.review(context.database, rita, work, "return", "look again", seq=1)
    assert work_queue.claim(context.database, bob, project) is None
    with context.database.write() as session:
        verdicts.free_places(session, ann)
    found = work_queue.claim(context.database, bob, project)
    assert found is not None
    verdicts.take_away(context.database, rita, found.id)
    assert row(context, found.id).state == "released"


def test_time_worked_is_never_more_than_has_passed(context: Context) -> None:
    (ann,) = add_people(context, 1)
    project = add_tasks(context, 2)
    first = work_queue.claim(context.database, ann, project)
    assert first is not None
    second = work_queue.claim(context.database, ann, project, beside=first.id)
    assert second is not None
    with context.database.write() as session:
        session.execute(update(Assignment).values(created_ms=now_ms() - 5000))
    for number, work in enumerate((first.id, second.id, first.id)):
        sent = batch(f"operation-{number}", base_seq=row(context, work).seq)
        context.log.append(work, ann, batch=sent.model_copy(update={"active_ms": 600_000}))
    total = row(context, first.id).active_ms + row(context, second.id).active_ms
    assert 5000 <= total < 10_000  # the test itself takes a moment


def test_a_task_and_a_person_have_limits(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    (ann,) = add_people(context, 1)
    work = work_queue.claim(context.database, ann, add_tasks(context, 1))
    assert work is not None
    monkeypatch.setattr(append_limits, "MAX_PAYLOAD_BYTES", 1000)
    many = [f"operation-{i}" for i in range(30)]
    assert refused(context.log.append, work.id, ann, batch=batch(*many)).error == "full"
    assert context.log.append(work.id, ann, batch=batch("operation-a"))["seq"] == 1
    assert row(context, work.id).op_bytes > 100
    monkeypatch.setattr(append_limits, "BURST", 20)
    problem = refused(context.log.append, work.id, ann, batch=batch(*many, base_seq=1))
    assert (problem.status, problem.error) == (429, "too_fast")


def test_the_client_does_not_say_what_it_has_seen_beforehand(context: Context) -> None:
    (ann,) = add_people(context, 1)
    work = work_queue.claim(context.database, ann, add_tasks(context, 1))
    assert work is not None
    ahead = batch("operation1", base_seq=10**9)
    assert refused(context.log.append, work.id, ann, batch=ahead).status == 422


def test_only_who_made_an_edit_undoes_it(shop: tuple[Context, int, int, int, int]) -> None:
    context, _, ann, rita, work = shop
    context.log.append(work, rita, batch=batch("correction1", base_seq=1))
    verdicts.review(context.database, rita, work, "return", "see my correction", seq=2)
    undo = batch("operation-undo", base_seq=2, kind="undo", op="correction1")
    assert refused(context.log.append, work, ann, batch=undo).error == "not_yours"
    own = batch("operation-undo", base_seq=2, kind="undo", op=f"operation-of-{work}")
    assert context.log.append(work, ann, batch=own)["seq"] == 3


def test_nobody_leafs_through_the_data(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    (ann,) = add_people(context, 1)
    project = add_tasks(context, 5)
    monkeypatch.setattr(work_queue, "UNFINISHED_A_DAY", 3)
    for _ in range(3):
        found = work_queue.claim(context.database, ann, project)
        assert found is not None
        work_queue.release(context.database, ann, found.id)
    assert refused(work_queue.claim, context.database, ann, project).status == 429
    with context.database.read() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert (actions.count("work claimed"), actions.count("work given back")) == (3, 3)


def test_a_reader_sees_one_state(any_context: Context) -> None:
    """A task never comes with more operations than it says it has."""
    (ann,) = add_people(any_context, 1)
    work = work_queue.claim(any_context.database, ann, add_tasks(any_context, 1))
    assert work is not None
    with any_context.database.read() as session:
        before = session.get_one(Assignment, work.id).seq
        any_context.log.append(work.id, ann, batch=batch("operation1"))
        session.expire_all()
        assert session.get_one(Assignment, work.id).seq == before


def test_a_batch_of_somebody_taken_off_the_project_is_refused(context: Context) -> None:
    from vidact.labeling_tool.store.models import Member

    (ann,) = add_people(context, 1)
    project = add_tasks(context, 2, open_to_all=False)
    with context.database.write() as session:
        session.add(Member(project_id=project, user_id=ann))
    found = work_queue.claim(context.database, ann, project)
    assert found is not None
    with context.database.write() as session:
        session.delete(session.get_one(Member, (project, ann)))
    sent = Batch.model_validate(batch("operation1").model_dump())
    database = context.database
    for call in (
        lambda: context.log.append(found.id, ann, batch=sent),
        lambda: work_queue.submit(database, ann, found.id, seq=0),
        lambda: work_queue.pause(database, ann, found.id),
        lambda: work_queue.heartbeat(database, ann, [found.id]),
        lambda: work_queue.claim(database, ann, project),
    ):
        assert refused(call).status == 404
