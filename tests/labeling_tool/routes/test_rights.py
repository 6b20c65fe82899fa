"""What the project decides: members, people taken off it, reviewers of one project only."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.context import Context

from tests.labeling_tool.people.test_access import BODIES
from tests.labeling_tool.running import PASSWORD
from tests.labeling_tool.seeding import add_tasks

OPERATIONS = BODIES["POST /api/assignments/{assignment_id}/operations"]


@pytest.fixture
def people(client: TestClient, context: Context) -> dict[str, tuple[int, TestClient]]:
    """Ids and logged-in clients of bob and ann, annotators, and rita, a reviewer."""
    found = {}
    for name, role in (("bob", "annotator"), ("ann", "annotator"), ("rita", "reviewer")):
        body = {"name": name, "password": PASSWORD, "role": role}
        made = client.post("/api/users", json=body).json()["id"]
        http = TestClient(create_app(context), base_url="http://127.0.0.1")
        answer = http.post("/api/login", json={"name": name, "password": PASSWORD})
        http.headers["x-csrf-token"] = answer.json()["csrf"]
        found[name] = (made, http)
    return found


def set_members(client: TestClient, project: int, *users: int, **roles: str) -> None:
    body = {"users": users, "roles": {int(user[1:]): role for user, role in roles.items()}}
    client.put(f"/api/projects/{project}/members", json=body).raise_for_status()


def test_who_is_taken_off_a_project_is_off_everywhere(
    client: TestClient, context: Context, people: dict[str, tuple[int, TestClient]]
) -> None:
    project = add_tasks(context, 2, open_to_all=False)
    user, bob = people["bob"]
    set_members(client, project, user)
    claimed = bob.post(f"/api/projects/{project}/claim", json={}).json()
    work = f"/api/assignments/{claimed['assignment']}"
    assert bob.get(work).status_code == 200
    set_members(client, project)
    for method, path, body in (
        ("GET", work, None),
        ("GET", f"{work}/operations", None),
        ("POST", f"{work}/operations", OPERATIONS),
        ("POST", f"{work}/submit", {"seq": 0}),
        ("POST", f"{work}/pause", None),
        ("POST", f"{work}/release", None),
        ("POST", f"{work}/reopen", None),
        ("POST", "/api/heartbeat", {"assignments": [claimed["assignment"]]}),
        ("POST", f"/api/projects/{project}/claim", {}),
        ("GET", claimed["frames"], None),
    ):
        assert bob.request(method, path, json=body).status_code == 404, path
    assert bob.get("/api/assignments").json() == []


def test_a_reviewer_of_one_project_is_one_there_only(
    client: TestClient, context: Context, people: dict[str, tuple[int, TestClient]]
) -> None:
    here = add_tasks(context, 1, name="here", open_to_all=False)
    there = add_tasks(context, 1, name="there")
    (bob_id, bob), (ann_id, ann), (_, rita) = people["bob"], people["ann"], people["rita"]
    set_members(client, here, bob_id, ann_id, **{f"u{ann_id}": "reviewer"})
    work = bob.post(f"/api/projects/{here}/claim", json={}).json()["assignment"]
    bob.post(f"/api/assignments/{work}/submit", json={"seq": 0}).raise_for_status()
    export = client.post(f"/api/projects/{here}/exports", json={"format": "json"}).json()["id"]
    review = {"verdict": "approve", "seq": 0}
    for method, path, body in (
        ("GET", f"/api/projects/{here}", None),
        ("GET", f"/api/projects/{here}/submissions", None),
        ("GET", f"/api/projects/{here}/exports", None),
        ("GET", f"/api/exports/{export}", None),
        ("GET", f"/api/assignments/{work}", None),
        ("POST", f"/api/assignments/{work}/review", review),
    ):
        assert rita.request(method, path, json=body).status_code == 404, path
        refusal = bob.request(method, path, json=body).status_code
        assert refusal == (200 if path == f"/api/assignments/{work}" else 403), path
        assert ann.request(method, path, json=body).status_code == 200, path
    assert ann.get(f"/api/projects/{there}").status_code == 403
    assert rita.get(f"/api/projects/{there}").status_code == 200
    assert {row["name"]: row["role"] for row in ann.get("/api/projects").json()} == {
        "here": "reviewer",
        "there": "annotator",
    }


def test_who_answers_a_task_cannot_look_up_anothers_answer(
    client: TestClient, context: Context, people: dict[str, tuple[int, TestClient]]
) -> None:
    project = add_tasks(context, 1, overlap=2)
    (_, bob), (_, rita) = people["bob"], people["rita"]
    work = bob.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    bob.post(f"/api/assignments/{work}/submit", json={"seq": 0}).raise_for_status()
    paths = (f"/api/assignments/{work}", f"/api/assignments/{work}/operations")
    assert [rita.get(path).status_code for path in paths] == [200, 200]
    rita.post(f"/api/projects/{project}/claim", json={}).raise_for_status()
    assert [rita.get(path).status_code for path in paths] == [403, 403]


def test_who_is_deactivated_holds_no_task(
    client: TestClient, context: Context, people: dict[str, tuple[int, TestClient]]
) -> None:
    project = add_tasks(context, 1)
    (bob_id, bob), (_, ann) = people["bob"], people["ann"]
    bob.post(f"/api/projects/{project}/claim", json={}).raise_for_status()

    def claimed() -> int | None:
        found: int | None = ann.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
        return found

    assert claimed() is None
    client.patch(f"/api/users/{bob_id}", json={"active": False}).raise_for_status()
    assert claimed() is not None
