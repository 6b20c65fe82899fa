"""Safety: every route for every role, sessions, CSRF, origins, body limits, throttles, paths,
headers.
"""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from starlette.websockets import WebSocketDisconnect
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.people.passwords import hash_now
from vidact.labeling_tool.people.protection import BODY_LIMIT
from vidact.labeling_tool.store.models import User, WebSession
from vidact.labeling_tool.work import queue as work_queue

from tests.labeling_tool.running import PASSWORD
from tests.labeling_tool.seeding import add_people, add_tasks

ROLES = ("admin", "reviewer", "annotator", "contractor")
LABELLERS = {"admin", "reviewer", "annotator"}
EVERYBODY = set(ROLES)

# Written out by hand and compared with the application: a route that is added without an entry here
# fails the test. What a role in the project decides is open to all who may have one: such routes
# answer 404 here, and `test_rights.py` asks them.
ALLOWED: dict[str, set[str]] = {
    "GET /api/me": EVERYBODY,
    "PATCH /api/me/settings": EVERYBODY,
    "POST /api/me/password": EVERYBODY,
    "GET /api/me/sessions": EVERYBODY,
    "DELETE /api/me/sessions": EVERYBODY,
    "POST /api/logout": EVERYBODY,
    "GET /api/tokens": EVERYBODY,
    "POST /api/tokens": EVERYBODY,
    "DELETE /api/tokens/{token_id}": EVERYBODY,
    "GET /api/projects": EVERYBODY,
    "GET /api/tokens/all": {"admin"},
    "GET /api/users": {"admin"},
    "POST /api/users/{user_id}/link": {"admin"},
    "POST /api/users/{user_id}/erase": {"admin"},
    "POST /api/users": {"admin"},
    "PATCH /api/users/{user_id}": {"admin"},
    "GET /api/audit": {"admin"},
    "POST /api/projects": {"admin"},
    "PATCH /api/projects/{project_id}": {"admin"},
    "PUT /api/projects/{project_id}/members": {"admin"},
    "GET /api/projects/{project_id}": LABELLERS,
    "GET /api/projects/{project_id}/submissions": LABELLERS,
    "GET /api/projects/{project_id}/reviews/next": LABELLERS,
    "GET /api/projects/{project_id}/tasks": LABELLERS,
    "PATCH /api/projects/{project_id}/tasks": LABELLERS,
    "GET /api/projects/{project_id}/labellers": LABELLERS,
    "GET /api/projects/{project_id}/quality": LABELLERS,
    "GET /api/projects/{project_id}/quality/{table}.csv": LABELLERS,
    "POST /api/assignments/{assignment_id}/gold": LABELLERS,
    "GET /api/projects/{project_id}/exports": LABELLERS,
    "POST /api/projects/{project_id}/exports": LABELLERS,
    "GET /api/exports/{export_id}": LABELLERS,
    "GET /api/exports/{export_id}/archive": LABELLERS,
    "POST /api/assignments/{assignment_id}/review": LABELLERS,
    "POST /api/assignments/{assignment_id}/take-away": LABELLERS,
    "POST /api/projects/{project_id}/claim": LABELLERS,
    "POST /api/heartbeat": LABELLERS,
    "GET /api/assignments": LABELLERS,
    "GET /api/assignments/{assignment_id}": LABELLERS,
    "GET /api/assignments/{assignment_id}/operations": LABELLERS,
    "POST /api/assignments/{assignment_id}/operations": LABELLERS,
    "POST /api/assignments/{assignment_id}/pause": LABELLERS,
    "POST /api/assignments/{assignment_id}/release": LABELLERS,
    "POST /api/assignments/{assignment_id}/submit": LABELLERS,
    "POST /api/assignments/{assignment_id}/reopen": LABELLERS,
    "GET /api/assignments/{assignment_id}/score": LABELLERS,
    "GET /api/tasks/{task_id}/pictures/{key}": LABELLERS,
    "GET /api/tasks/{task_id}/pictures/{key}/{frame}": LABELLERS,
    "POST /api/uploads/{project_id}": EVERYBODY,
    "POST /api/projects/{project_id}/import": EVERYBODY,
    "GET /api/imports/{import_id}": EVERYBODY,
    "GET /api/projects/{project_id}/imports": EVERYBODY,
    "POST /api/projects/{project_id}/uploads": EVERYBODY,
    "GET /api/uploads/{upload_id}": EVERYBODY,
    "PUT /api/uploads/{upload_id}": EVERYBODY,
    "DELETE /api/exports/{export_id}": LABELLERS,
}
PUBLIC = {"GET /api/state", "POST /api/setup", "POST /api/login", "POST /api/welcome"}
BODIES: dict[str, Any] = {
    "PATCH /api/me/settings": {"theme": "dark"},
    "POST /api/me/password": {"old": "wrong", "new": PASSWORD},
    "POST /api/tokens": {"name": "script"},
    "POST /api/users": {"name": "eve", "password": PASSWORD},
    "PATCH /api/users/{user_id}": {"role": "annotator"},
    "POST /api/projects": {"name": "New", "kind": "clean"},
    "PATCH /api/projects/{project_id}": {"state": "open"},
    "PUT /api/projects/{project_id}/members": {"users": []},
    "POST /api/projects/{project_id}/exports": {"format": "json"},
    "POST /api/assignments/{assignment_id}/review": {"verdict": "approve", "seq": 0},
    "POST /api/heartbeat": {"assignments": []},
    "PATCH /api/projects/{project_id}/tasks": {"tasks": [1], "priority": 1},
    "POST /api/assignments/{assignment_id}/gold": {"gold": True},
    "POST /api/assignments/{assignment_id}/operations": {
        "client": "window",
        "base_seq": 0,
        "operations": [
            {"id": "operation1", "kind": "note", "payload": {"text": "x"}, "client_ms": 1}
        ],
    },
    "POST /api/assignments/{assignment_id}/submit": {"seq": 0},
    "POST /api/projects/{project_id}/uploads": {"size": 1},
    "POST /api/projects/{project_id}/import": {"video": "ab" * 16, "name": "film"},
}


@pytest.fixture
def people(client: TestClient, context: Context) -> dict[str, TestClient]:
    """A logged-in client of each role."""
    found = {}
    for role in ROLES:
        client.post(
            "/api/users", json={"name": role, "password": PASSWORD, "role": role}
        ).raise_for_status()
        http = TestClient(create_app(context), base_url="http://127.0.0.1")
        answer = http.post("/api/login", json={"name": role, "password": PASSWORD})
        http.headers["x-csrf-token"] = answer.json()["csrf"]
        found[role] = http
    return found


def path_of(route: str) -> str:
    path = route.split(" ")[1].replace("{key}", "a" * 40).replace("{table}", "people")
    for name in (
        "user_id",
        "project_id",
        "assignment_id",
        "task_id",
        "token_id",
        "export_id",
        "import_id",
    ):
        path = path.replace("{" + name + "}", "999")
    return path


def test_the_table_names_every_route(client: TestClient) -> None:
    schema = client.get("/api/openapi.json").json()
    documented = {
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
        if path.startswith("/api/")
    }
    assert documented == set(ALLOWED) | PUBLIC


def test_every_route_for_every_role(client: TestClient, people: dict[str, TestClient]) -> None:
    nobody = TestClient(client.app, base_url="http://127.0.0.1")
    for route, allowed in ALLOWED.items():
        method, path = route.split(" ")[0], path_of(route)
        if route in ("POST /api/logout", "DELETE /api/me/sessions"):
            continue  # asked last: they end what the others need
        assert nobody.request(method, path, json=BODIES.get(route)).status_code == 401, route
        for role in ROLES:
            answer = people[role].request(method, path, json=BODIES.get(route))
            error = (
                answer.json().get("error") if answer.content and answer.status_code >= 400 else None
            )
            refused = answer.status_code == 403 and error == "forbidden"
            assert refused == (role not in allowed), (
                f"{route} for {role}: {answer.status_code} {answer.text[:200]}"
            )
            assert answer.status_code != 401
            assert answer.status_code < 500
    for role in ROLES:
        assert people[role].delete("/api/me/sessions").status_code == 204
        assert people[role].post("/api/logout").status_code == 204
        assert people[role].get("/api/me").status_code == 401


def test_changes_need_the_csrf_token(client: TestClient) -> None:
    for route in sorted(ALLOWED):
        method = route.split(" ")[0]
        if method == "GET":
            continue
        answer = client.request(
            method, path_of(route), json=BODIES.get(route), headers={"x-csrf-token": "guess"}
        )
        assert (answer.status_code, answer.json()["error"]) == (403, "csrf"), route


def test_foreign_pages_can_change_nothing(client: TestClient) -> None:
    answer = client.post(
        "/api/projects",
        json={"name": "x", "kind": "clean"},
        headers={"origin": "https://evil.example"},
    )
    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_origin")
    ours = client.post(
        "/api/projects", json={"name": "x", "kind": "clean"}, headers={"origin": "http://127.0.0.1"}
    )
    assert ours.status_code == 201


def test_websockets_of_foreign_pages_are_refused(client: TestClient) -> None:
    for headers in ({"origin": "https://evil.example"}, {}):
        with (
            pytest.raises(WebSocketDisconnect) as caught,
            client.websocket_connect("ws://127.0.0.1/api/live", headers=headers),
        ):
            pass
        assert caught.value.code == 4403
    with client.websocket_connect(
        "ws://127.0.0.1/api/live", headers={"origin": "http://127.0.0.1"}
    ) as socket:
        assert socket.receive_json() == {"projects": {}}
    client.cookies.clear()
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        client.websocket_connect("ws://127.0.0.1/api/live", headers={"origin": "http://127.0.0.1"}),
    ):
        pass
    assert caught.value.code == 4401


def test_one_cannot_touch_another_s_work(
    client: TestClient, people: dict[str, TestClient], context: Context
) -> None:
    project = add_tasks(context, 2)
    owner = people["annotator"].get("/api/me").json()["id"]
    work = work_queue.claim(context.database, owner, project)
    assert work is not None
    client.post(
        "/api/users", json={"name": "other", "password": PASSWORD, "role": "annotator"}
    ).raise_for_status()
    other = TestClient(client.app, base_url="http://127.0.0.1")
    other.headers["x-csrf-token"] = other.post(
        "/api/login", json={"name": "other", "password": PASSWORD}
    ).json()["csrf"]
    for method, path, body in (
        ("GET", f"/api/assignments/{work.id}", None),
        ("GET", f"/api/assignments/{work.id}/operations", None),
        (
            "POST",
            f"/api/assignments/{work.id}/operations",
            BODIES["POST /api/assignments/{assignment_id}/operations"],
        ),
        ("POST", f"/api/assignments/{work.id}/submit", {"seq": 0}),
        ("POST", f"/api/assignments/{work.id}/pause", None),
        ("POST", f"/api/assignments/{work.id}/release", None),
        ("POST", f"/api/assignments/{work.id}/reopen", None),
        ("POST", "/api/heartbeat", {"assignments": [work.id]}),
        ("GET", f"/api/tasks/{work.task_id}/pictures/{'a' * 40}", None),
    ):
        assert other.request(method, path, json=body).status_code == 404, path
    assert people["annotator"].get(f"/api/assignments/{work.id}").status_code == 200
    assert people["reviewer"].get(f"/api/assignments/{work.id}").status_code == 200


def test_a_rule_that_is_changed_leaves_the_others(client: TestClient) -> None:
    body = {
        "name": "rules",
        "kind": "clean",
        "settings": {"instructions": "look well", "threshold": 0.8},
    }
    made = client.post("/api/projects", json=body)
    made.raise_for_status()
    answer = client.patch(f"/api/projects/{made.json()['id']}", json={"settings": {"overlap": 3}})
    answer.raise_for_status()
    rules = answer.json()["settings"]
    assert (rules["overlap"], rules["threshold"], rules["instructions"]) == (3, 0.8, "look well")


def test_members_only_projects(
    client: TestClient, people: dict[str, TestClient], context: Context
) -> None:
    project = add_tasks(context, 2, open_to_all=False)
    annotator = people["annotator"]
    assert annotator.get("/api/projects").json() == []
    assert annotator.post(f"/api/projects/{project}/claim", json={}).status_code == 404
    me = annotator.get("/api/me").json()["id"]
    client.put(f"/api/projects/{project}/members", json={"users": [me]}).raise_for_status()
    assert [row["id"] for row in annotator.get("/api/projects").json()] == [project]
    assert annotator.post(f"/api/projects/{project}/claim", json={}).status_code == 200


def test_contractors_see_what_they_may_upload_to(
    client: TestClient, people: dict[str, TestClient], context: Context
) -> None:
    mine = add_tasks(context, 1, name="open")
    closed = add_tasks(context, 1, name="closed", open_to_all=False)
    contractor = people["contractor"]
    assert [row["id"] for row in contractor.get("/api/projects").json()] == [mine]
    assert contractor.post(f"/api/uploads/{closed}", content=b"x").status_code == 404
    me = contractor.get("/api/me").json()["id"]
    client.put(f"/api/projects/{closed}/members", json={"users": [me]}).raise_for_status()
    assert {row["id"] for row in contractor.get("/api/projects").json()} == {mine, closed}
    assert contractor.post(f"/api/uploads/{closed}", content=b"x").status_code == 201


def test_body_limits_count_bytes(client: TestClient) -> None:
    declared = client.post(
        "/api/login", content=b"x" * (BODY_LIMIT + 1), headers={"content-type": "application/json"}
    )
    assert declared.status_code == 413

    def chunks() -> Any:
        for _ in range(40):
            yield b"x" * (BODY_LIMIT // 32)

    chunked = client.post(
        "/api/login", content=chunks(), headers={"content-type": "application/json"}
    )
    assert (chunked.status_code, chunked.json()["error"]) == (413, "too_large")


def test_sessions_rotate_and_end(client: TestClient, context: Context) -> None:
    first = client.cookies["vidact_session"]
    client.headers["x-csrf-token"] = client.post(
        "/api/login", json={"name": "ada", "password": PASSWORD}
    ).json()["csrf"]
    second = client.cookies["vidact_session"]
    assert first != second
    old = TestClient(client.app, base_url="http://127.0.0.1", cookies={"vidact_session": first})
    assert old.get("/api/me").status_code == 401
    with context.database.read() as session:
        stored = session.scalars(select(WebSession.token_sha256)).all()
    assert second not in stored  # only hashes are kept


def test_a_demoted_or_deactivated_person_is_logged_out(
    client: TestClient, people: dict[str, TestClient]
) -> None:
    users = {user["name"]: user["id"] for user in client.get("/api/users").json()}
    client.patch(f"/api/users/{users['annotator']}", json={"active": False}).raise_for_status()
    assert people["annotator"].get("/api/me").status_code == 401
    client.patch(f"/api/users/{users['reviewer']}", json={"role": "annotator"}).raise_for_status()
    assert people["reviewer"].get("/api/me").status_code == 401


def test_the_last_admin_stays(client: TestClient) -> None:
    me = client.get("/api/me").json()["id"]
    answer = client.patch(f"/api/users/{me}", json={"role": "annotator"})
    assert (answer.status_code, answer.json()["error"]) == (409, "last_admin")


def test_setup_works_once_and_asks_for_its_code(tmp_path: Any) -> None:
    from tests.labeling_tool.conftest import open_context

    context = open_context(tmp_path / "lan", host="0.0.0.0")
    try:
        http = TestClient(create_app(context), base_url="http://192.0.2.7:8420")
        assert http.get("/api/state").json()["code_needed"] is True
        body = {"name": "ada", "password": PASSWORD}
        assert http.post("/api/setup", json=body).json()["error"] == "bad_code"
        assert http.post("/api/setup", json={**body, "code": context.setup_code}).status_code == 201
        assert (
            http.post("/api/setup", json={**body, "code": context.setup_code}).json()["error"]
            == "done"
        )
    finally:
        context.close()


def test_cookies_are_secure_behind_https(tmp_path: Any) -> None:
    from tests.labeling_tool.conftest import open_context

    context = open_context(tmp_path / "https", public_url="https://label.example.org")
    try:
        http = TestClient(create_app(context), base_url="http://127.0.0.1")
        answer = http.post(
            "/api/setup", json={"name": "a", "password": PASSWORD, "code": context.setup_code}
        )
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "secure", "samesite=lax"))
        origin = {"origin": "https://label.example.org", "x-csrf-token": answer.json()["csrf"]}
        raw = answer.headers["set-cookie"].split(";")[0]
        assert http.post("/api/logout", headers={**origin, "cookie": raw}).status_code == 204
    finally:
        context.close()


def test_two_servers_on_one_host_leave_each_other_logged_in(tmp_path: Any) -> None:
    """Browsers send cookies to every port of a host."""
    from tests.labeling_tool.conftest import open_context

    contexts = [open_context(tmp_path / name) for name in ("one", "two")]
    try:
        first, second = (
            TestClient(create_app(context), base_url=f"http://127.0.0.1:{8420 + i}")
            for i, context in enumerate(contexts)
        )
        for http in (first, second):
            http.post("/api/setup", json={"name": "ada", "password": PASSWORD})
        both = {**first.cookies, **second.cookies}  # as a browser keeps them
        first.cookies, second.cookies = both, both  # type: ignore[assignment]
        assert [http.get("/api/me").status_code for http in (first, second)] == [200, 200]
    finally:
        for context in contexts:
            context.close()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../labels.sqlite",
        "/static/%2e%2e/%2e%2e/models.py",
        "/static/..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/work/../api/users",
    ],
)
def test_no_path_leads_out(client: TestClient, path: str) -> None:
    client.cookies.clear()
    answer = client.get(path)
    assert answer.status_code in (401, 404) or answer.headers["content-type"].startswith(
        "text/html"
    )
    assert "password_hash" not in answer.text
    assert "root:" not in answer.text


def test_a_mistyped_address_leads_home(client: TestClient) -> None:
    page = client.get("/uplaod", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.text) == (404, client.get("/").text)
    for path, accept in (("/uplaod", "application/json"), ("/api/uplaod", "text/html")):
        assert client.get(path, headers={"accept": accept}).json()["error"] == "http"


def test_headers_of_every_answer(client: TestClient) -> None:
    for path in ("/api/me", "/api/nothing", "/static/icon.svg"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_passwords_are_argon2id(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And slow enough to matter: 64 MiB and three passes, as argon2-cffi recommends."""
    monkeypatch.undo()
    assert hash_now(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    with context.database.read() as session:
        assert session.scalars(select(User.password_hash)).one().startswith("$argon2id$")
    add_people(context, 1)  # whose hash is none: logging in as them is refused, not an error
    assert (
        client.post("/api/login", json={"name": "annotator0", "password": "anything"}).status_code
        == 401
    )
