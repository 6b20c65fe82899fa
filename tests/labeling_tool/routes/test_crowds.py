"""What a large team's pages ask for: a hundred projects, people and entries, found and counted."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event
from vidact.labeling_tool.app import THREADS
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.routes import auth
from vidact.labeling_tool.store.models import ApiToken, AuditEntry, now_ms
from vidact.labeling_tool.work import queue as work_queue

from tests.labeling_tool.running import PASSWORD
from tests.labeling_tool.seeding import add_people, add_tasks


def test_projects_are_counted_together(client: Any, context: Context) -> None:
    """Of many projects as many queries as of one; with their owner and their last work."""
    queries: list[str] = []
    event.listen(
        context.database.engine, "before_cursor_execute", lambda *given: queries.append(given[2])
    )

    def asked() -> tuple[list[dict[str, Any]], int]:
        queries.clear()
        return client.get("/api/projects").json(), len(queries)

    first = add_tasks(context, 2)
    _, of_one = asked()
    for i in range(8):
        add_tasks(context, 1, name=f"pile {i}")
    client.post("/api/projects", json={"name": "ours", "kind": "clean"})
    (user,) = add_people(context, 1)
    work = work_queue.claim(context.database, user, first)
    assert work is not None
    rows, of_ten = asked()
    assert of_ten == of_one
    found = {row["name"]: row for row in rows}
    assert found["Review"]["progress"]["tasks"] == 2
    assert found["Review"]["progress"]["in_work"] == 1
    assert found["pile 3"]["progress"]["tasks"] == 1
    assert found["ours"]["progress"]["tasks"] == 0
    assert (found["ours"]["owner"], found["Review"]["owner"]) == ("ada", None)
    assert abs(found["ours"]["created_ms"] - now_ms()) < 60_000


def test_contractors_are_not_told_how_far_a_project_is(client: Any, context: Context) -> None:
    add_tasks(context, 2)
    client.post("/api/users", json={"name": "carl", "password": PASSWORD, "role": "contractor"})
    client.post("/api/login", json={"name": "carl", "password": PASSWORD})
    (row,) = client.get("/api/projects").json()
    assert (row["name"], row["progress"], row["owner"]) == ("Review", None, None)
    origin = {"origin": "http://127.0.0.1"}
    with client.websocket_connect("ws://127.0.0.1/api/live", headers=origin) as socket:
        assert socket.receive_json() == {"projects": {}}


def test_people_say_when_they_were_here(client: Any, context: Context) -> None:
    (user,) = add_people(context, 1)
    people = {row["name"]: row for row in client.get("/api/users").json()}
    assert abs(people["ada"]["seen_ms"] - now_ms()) < 60_000
    assert (people["annotator0"]["seen_ms"], people["annotator0"]["tokens"]) == (None, 0)
    with context.database.write() as session:
        for used_ms, expires_ms in ((5000, 2**50), (7000, 1)):
            token = ApiToken(
                user_id=user,
                name="nightly",
                token_sha256=str(used_ms),
                used_ms=used_ms,
                expires_ms=expires_ms,
                scopes="read",
            )
            session.add(token)
    people = {row["name"]: row for row in client.get("/api/users").json()}
    assert (people["annotator0"]["seen_ms"], people["annotator0"]["tokens"]) == (7000, 1)


def test_the_whole_audit_log_is_searched(client: Any, context: Context) -> None:
    """Not only the page that is loaded, and all columns of it."""
    with context.database.write() as session:
        session.add(AuditEntry(action="uploaded", target="a Ölfilm", detail={"of": "Zoë"}))
        session.add_all(AuditEntry(action="login", detail={"n": i}) for i in range(150))

    def found(text: str) -> list[str]:
        page = client.get("/api/audit", params={"text": text}).json()
        return [entry["action"] for entry in page["entries"]]

    assert found("UPLOAD") == found("Ölf") == found("Zoë") == ["uploaded"]
    assert found("100%") == []
    page = client.get("/api/audit", params={"text": "login"}).json()
    assert len(page["entries"]) == 100
    older = client.get("/api/audit", params={"text": "login", "before": page["next"]}).json()
    assert len(older["entries"]) == 50


def test_a_crowd_that_logs_in_holds_no_thread_of_others(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for their turn to log in, everybody else is answered meanwhile."""
    go_on = threading.Event()
    at_work: list[int] = []

    def slow(*_: Any) -> None:
        at_work.append(1)
        go_on.wait(30)
        raise Problem(429, "throttled", "slow", retry_after_s=1)

    monkeypatch.setattr(auth, "_count_login", slow)
    body = {"name": "ada", "password": PASSWORD}
    with ThreadPoolExecutor(THREADS + 6) as crowd:
        logins = [crowd.submit(client.post, "/api/login", json=body) for _ in range(THREADS + 5)]
        while not at_work:
            time.sleep(0.01)
        time.sleep(0.2)  # all the others are there, too
        try:
            assert crowd.submit(client.get, "/api/me").result(timeout=20).status_code == 200
        finally:
            go_on.set()
        assert {login.result().status_code for login in logins} == {429}
