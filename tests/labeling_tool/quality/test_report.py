"""The quality page: simulated people of known error rates are ranked, numbers open their work."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.quality import report
from vidact.labeling_tool.quality.kept_reports import Reports
from vidact.labeling_tool.quality.report import quality_of
from vidact.labeling_tool.routes import quality as routes
from vidact.labeling_tool.store.models import Assignment, Operation, Project, Task
from vidact.labeling_tool.work.answers import answer_to

from tests.labeling_tool.browsing import until
from tests.labeling_tool.seeding import add_people, add_tasks

RIGHT = np.linspace(0.80, 0.98, 10)
"""How much of what they decide ten simulated people get right."""
FRAMES, LANES = 32, 14


def edits_of(wanted: np.ndarray) -> list[dict[str, Any]]:
    """Paint operations that make the labels [T, K] of nothing held."""
    padded = np.pad(wanted.astype(np.int8), ((1, 1), (0, 0)))
    found = []
    for lane in range(wanted.shape[1]):
        change = np.diff(padded[:, lane])
        for start, end in zip(
            np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True
        ):
            found.append({"lane": lane, "start": int(start), "end": int(end), "value": 1})
    return found


def submit(context: Context, task: int, user: int, wanted: np.ndarray, **more: Any) -> int:
    """Somebody's submission, straight into the tables."""
    with context.database.write() as session:
        row = Assignment(task_id=task, user_id=user, lease_ms=0, state="submitted", **more)
        session.add(row)
        session.flush()
        for seq, payload in enumerate(edits_of(wanted), 1):
            session.add(
                Operation(
                    id=f"op-{row.id}-{seq}",
                    assignment_id=row.id,
                    seq=seq,
                    user_id=user,
                    client="test",
                    kind="paint",
                    payload=payload,
                    client_ms=0,
                )
            )
            row.seq = seq
        return row.id


def project_of(context: Context, seed: int, gold: int) -> tuple[int, list[int], np.ndarray]:
    """A project with gold tasks; its id, the tasks' ids and their truths [N, T, K]."""
    rng = np.random.default_rng(seed)
    project = add_tasks(context, gold, name=f"Review {seed}")
    truth = rng.random((gold, FRAMES, LANES)) < 0.1
    (expert,) = add_people(context, 1, role=f"expert{seed}")
    with context.database.read() as session:
        tasks = [task.id for task in session.query(Task).filter_by(project_id=project)]
    for task_id, wanted in zip(tasks, truth, strict=True):
        made = submit(context, task_id, expert, wanted, submitted_ms=1)
        with context.database.write() as session:
            task = session.get_one(Task, task_id)
            ops = session.query(Operation).filter_by(assignment_id=made).all()
            task.gold = {"assignment": made, **answer_to(task, ops).to_json()}
            task.state = "gold"
    return project, tasks, truth


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(s, marks=pytest.mark.soak) for s in range(1, 5))]
)
def test_people_are_ranked_by_what_they_get_right(context: Context, seed: int) -> None:
    """After 200 decisions each, ten people between 80 and 98 %: Spearman of 0.9 and more."""
    from scipy.stats import spearmanr

    project, tasks, truth = project_of(context, seed, gold=5)
    rng = np.random.default_rng(100 + seed)
    people = add_people(context, len(RIGHT), role=f"annotator{seed}-")
    for user, right in zip(people, RIGHT, strict=True):
        left = 200
        for task, wanted in zip(tasks, truth, strict=True):
            cells = np.argwhere(wanted)[:left]
            left -= len(cells)
            given = wanted.copy()
            for t, k in cells[rng.random(len(cells)) > right]:
                given[t, k] = False
            submit(context, task, user, given, submitted_ms=1, active_ms=60_000, served="gold")
    with context.database.read() as session:
        found = quality_of(session, session.get_one(Project, project))
    measured = {row["name"]: row["accuracy"] for row in found["people"]}
    scores = [measured[f"annotator{seed}-{i}"]["value"] for i in range(len(RIGHT))]
    assert spearmanr(scores, RIGHT).statistic >= 0.9
    worst = measured[f"annotator{seed}-0"]
    assert worst["interval"][0] <= worst["value"] <= worst["interval"][1]
    assert (worst["tasks"], len(worst["items"])) == (5, 5)


def counted(client: Any, project: int) -> dict[str, Any]:
    """What the page shows once all work is counted."""
    found: dict[str, Any] = {"counting": True}
    while found["counting"]:
        found = client.get(f"/api/projects/{project}/quality").json()
    return found


def test_two_answers_are_compared_and_their_disputes_are_listed(
    client: Any, context: Context
) -> None:
    project = add_tasks(context, 3, overlap=2, hourly_cost=20.0)
    ann, bob = add_people(context, 2)
    with context.database.read() as session:
        tasks = [task.id for task in session.query(Task).filter_by(project_id=project)]
    held = np.zeros((FRAMES, LANES), bool)
    held[4:10, 5] = held[20:24, 0] = True
    later = held.copy()
    later[4:7, 5] = False  # three ticks later: no event any more
    first = submit(context, tasks[0], ann, held, submitted_ms=1, active_ms=3_600_000)
    other = submit(context, tasks[0], bob, later, submitted_ms=1)
    submit(context, tasks[1], ann, held, submitted_ms=86_400_001)
    submit(context, tasks[1], bob, held, submitted_ms=1)
    found = counted(client, project)
    attack = found["labels"][5]
    assert 0.5 < attack["alpha"]["value"] < 1
    assert attack["alpha"]["items"][0] == first
    assert attack["event_f1"]["value"] == pytest.approx(2 * 3 / 8)
    assert found["labels"][1]["alpha"]["value"] is None  # held by nobody: it says nothing
    (dispute,) = found["disputes"]
    assert dispute["assignments"] == [first, other]
    assert dispute["different"] == pytest.approx(3 / (FRAMES * LANES))
    assert found["pairs"][0]["people"] == ["annotator0", "annotator1"]
    assert found["pairs"][0]["kappa"]["tasks"] == 2
    assert found["effort"]["cost"] == 20.0
    assert found["effort"]["frames_to_go"] == 2 * FRAMES  # two places of the third task
    assert [row["day"] for row in found["pace"]] == ["1970-01-01", "1970-01-02", "1970-01-01"]
    low = found["calibration"][0]
    assert (low["from"], low["cells"]) == (0.0, 4 * FRAMES * LANES)
    assert low["people"]["value"] == pytest.approx((10 + 7 + 10 + 10) / (4 * FRAMES * LANES))
    table = client.get(f"/api/projects/{project}/quality/labels.csv").text.splitlines()
    assert table[0].startswith("label,alpha,alpha_low,alpha_high,alpha_tasks,event_f1")
    assert len(table) == 1 + LANES


def test_differences_of_an_axis_are_in_its_own_unit(client: Any, context: Context) -> None:
    """A stick has no degrees, and a wheel counts notches."""
    stick = add_tasks(context, 1, name="stick", game="twin_stick")
    mouse = add_tasks(context, 1)
    pointer = add_tasks(context, 1, name="pointer", game="desktop_pointer")
    units = {
        project: {row["axis"]: row["unit"] for row in counted(client, project)["camera"]}
        for project in (stick, mouse, pointer)
    }
    assert set(units[stick].values()) == {""}
    assert units[mouse] == {"pitch": "degrees", "yaw": "degrees"}
    assert "notches" in units[pointer].values()


def test_a_report_after_a_submission_looks_at_its_task_only(
    client: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_tasks(context, 3, overlap=2)
    ann, bob = add_people(context, 2)
    with context.database.read() as session:
        tasks = [task.id for task in session.query(Task).filter_by(project_id=project)]
    held = np.zeros((FRAMES, LANES), bool)
    held[4:10, 5] = True
    for task in tasks:
        submit(context, task, ann, held, submitted_ms=1, active_ms=1000)
    looked_at: list[int] = []
    look_at = report._look_at

    def noted(session: Any, task_id: int, part: report.Report) -> None:
        looked_at.append(task_id)
        look_at(session, task_id, part)

    monkeypatch.setattr(report, "_look_at", noted)
    first = counted(client, project)
    assert sorted(looked_at) == sorted(tasks)
    submit(context, tasks[1], bob, ~held, submitted_ms=2)
    after = counted(client, project)
    assert looked_at[3:] == [tasks[1]]
    assert (first["disputes"], len(after["disputes"])) == ([], 1)
    with context.database.read() as session:
        anew = quality_of(session, session.get_one(Project, project))
    assert after == {**json.loads(json.dumps(anew)), "counting": False}


def test_a_report_that_takes_long_holds_no_request(
    client: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_tasks(context, 1)
    (ann,) = add_people(context, 1)
    path = f"/api/projects/{project}/quality"
    go_on = threading.Event()
    go_on.set()

    def slow(*given: Any) -> dict[str, Any]:
        assert go_on.wait(30)
        return quality_of(*given)

    monkeypatch.setattr(routes, "quality_of", slow)
    monkeypatch.setattr(routes, "WAIT_S", 0.01)
    monkeypatch.setattr(routes, "TABLE_WAIT_S", 0.01)
    go_on.clear()
    first = client.get(path)
    assert (first.status_code, first.json()) == (202, {"counting": True})
    assert first.headers["retry-after"] == "1"
    assert client.get(f"{path}/people.csv").status_code == 409
    go_on.set()
    until(lambda: client.get(path).json()["counting"] is False)
    go_on.clear()
    with context.database.read() as session:
        task = session.query(Task).filter_by(project_id=project).one().id
    submit(context, task, ann, np.zeros((FRAMES, LANES), bool), submitted_ms=1, active_ms=1000)
    known = client.get(path).json()  # what was there before, and told as such
    assert (known["counting"], known["people"]) == (True, [])
    go_on.set()
    until(lambda: client.get(path).json()["people"] != [])


def test_of_a_hundred_answers_some_are_compared(context: Context) -> None:
    """A lesson is answered by everybody; the same ones are drawn each time."""
    project = add_tasks(context, 1)
    people = add_people(context, 30)
    with context.database.read() as session:
        task = session.query(Task).filter_by(project_id=project).one().id
    for user in people:
        submit(context, task, user, np.zeros((FRAMES, LANES), bool), submitted_ms=1)
    with context.database.read() as session:
        found = [quality_of(session, session.get_one(Project, project)) for _ in range(2)]
    assert found[0] == found[1]
    assert len(found[0]["pairs"]) == report.MOST_COMPARED * (report.MOST_COMPARED - 1) // 2
    assert len(found[0]["people"]) == 30


def test_a_report_that_is_forgotten_while_it_is_made_is_not_kept() -> None:
    """It may have looked at the known answer of before."""
    reports = Reports()
    begun, go_on = threading.Event(), threading.Event()

    def old(parts: dict[int, Any]) -> dict[str, Any]:
        begun.set()
        assert go_on.wait(30)
        parts[1] = "of before"
        return {"of": "before"}

    def new(parts: dict[int, Any]) -> dict[str, Any]:
        assert not parts
        return {"of": "now"}

    assert reports.get(1, "state", old, wait_s=0) == (None, False)
    assert begun.wait(30)
    reports.forget(1)
    go_on.set()
    assert reports.get(1, "state", new, wait_s=30) == ({"of": "now"}, True)
    reports.close()


def test_an_erased_persons_name_leaves_the_report(client: Any, context: Context) -> None:
    project = add_tasks(context, 1)
    (ann,) = add_people(context, 1)
    with context.database.read() as session:
        task = session.query(Task).filter_by(project_id=project).one().id
    submit(context, task, ann, np.zeros((FRAMES, LANES), bool), submitted_ms=1)

    def names() -> list[str]:
        rows = client.get(f"/api/projects/{project}/quality").json().get("people", [])
        return [row["name"] for row in rows]

    until(lambda: names() == ["annotator0"])
    assert client.post(f"/api/users/{ann}/erase").status_code == 200
    until(lambda: names() == [f"person {ann}"])
