"""Names, passwords, tokens, tries to log in, hosts: what strangers and former people cannot do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.config import ServeConfig
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.people import accounts, passwords, sessions, throttle
from vidact.labeling_tool.people.names import name_key
from vidact.labeling_tool.people.throttle import paces
from vidact.labeling_tool.problems import Problem
from vidact.labeling_tool.serve import serve
from vidact.labeling_tool.store.models import ApiToken, AuditEntry, User, WebSession, now_ms

from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import PASSWORD
from tests.labeling_tool.seeding import add_people, add_tasks

NEW = "another good secret"


def browser(client: TestClient) -> TestClient:
    """A browser in which nobody has logged in yet."""
    return TestClient(client.app, base_url="http://127.0.0.1")


def login(client: TestClient, name: str, password: str = PASSWORD) -> Any:
    answer = client.post("/api/login", json={"name": name, "password": password})
    client.headers["x-csrf-token"] = answer.json().get("csrf", "")
    return answer


def add(client: TestClient, name: str, role: str = "annotator") -> int:
    body = {"name": name, "password": PASSWORD, "role": role}
    answer = client.post("/api/users", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def make_token(client: TestClient, *scopes: str) -> TestClient:
    token = client.post("/api/tokens", json={"name": "script", "scopes": scopes}).json()["token"]
    script = browser(client)
    script.headers["authorization"] = f"Bearer {token}"
    return script


def actions(context: Context) -> list[str]:
    with context.database.read() as session:
        return list(session.scalars(select(AuditEntry.action)))


@pytest.mark.parametrize("name", ["Özlem", "Élodie", "ÄRZTE", "İbrahim", "Straße", "ｗｉｄｅ"])
def test_names_fold_by_unicode(client: TestClient, name: str) -> None:
    add(client, name)
    assert login(browser(client), name).status_code == 200
    assert login(browser(client), name.upper()).status_code == 200
    for twin in (name, name.lower(), name.upper()):
        answer = client.post("/api/users", json={"name": twin, "password": PASSWORD})
        assert (answer.status_code, answer.json()["error"]) == (409, "taken")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("  bob\tthe  first ", "bob the first"),
        ("नीति", "नीति"),  # whose vowels are marks
        ("b\u200do\u200cb", "bob"),  # with joiners that nobody sees
        ("<b>bob</b>", None),
        ("bob \N{PILE OF POO}", None),
        (" ", None),
    ],
)
def test_names_are_what_one_sees(client: TestClient, name: str, kept: str | None) -> None:
    add(client, "bob")
    answer = client.post("/api/users", json={"name": name})
    if kept == "bob":
        assert (answer.status_code, answer.json()["error"]) == (409, "taken")
        assert login(browser(client), name).status_code == 200
    elif kept is None:
        said = "name: a name has letters, digits, spaces and . @ _ - only"
        assert (answer.status_code, answer.json()["message"]) == (422, said)
    else:
        assert (answer.json()["name"], answer.json()["invited"]) == (kept, True)


def test_a_project_has_a_name_that_can_be_seen(client: TestClient) -> None:
    answer = client.post("/api/projects", json={"name": " \t", "kind": "clean"})
    assert (answer.status_code, answer.json()["message"]) == (422, "name: give it a name")
    answer = client.post("/api/projects", json={"name": " Doom,\nNovember ", "kind": "clean"})
    assert answer.json()["name"] == "Doom, November"


@pytest.mark.parametrize(("spec", "status"), [("desktop", 201), ("../doom.yaml", 422)])
def test_a_project_has_any_spec_that_comes_with_us_and_no_file(
    client: TestClient, spec: str, status: int
) -> None:
    answer = client.post("/api/projects", json={"name": "x", "kind": "actions", "spec": spec})
    assert answer.status_code == status
    assert answer.json().get("spec", answer.json().get("message")) == (
        "desktop"
        if status == 201
        else "spec: there is no such action spec: give one of crafter, desktop, desktop_pointer, "
        "doom, doom-15hz, doom-classic, gamepad, luanti, minecraft, twin_stick"
    )


def test_tokens_end_with_the_password(client: TestClient) -> None:
    bob = add(client, "bob", "admin")
    other = browser(client)
    login(other, "bob")
    script = make_token(other, "read")
    assert script.get("/api/me").status_code == 200
    client.patch(f"/api/users/{bob}", json={"password": NEW}).raise_for_status()
    assert (script.get("/api/me").status_code, other.get("/api/me").status_code) == (401, 401)
    login(other, "bob", NEW)
    script = make_token(other, "read")
    other.post("/api/me/password", json={"old": NEW, "new": PASSWORD}).raise_for_status()
    assert (script.get("/api/me").status_code, other.get("/api/me").status_code) == (401, 200)


def test_tokens_end_by_themselves_and_have_scopes(client: TestClient, context: Context) -> None:
    project = add_tasks(context, 1)
    reading, admin = make_token(client, "read"), make_token(client, "read", "admin")
    assert reading.get(f"/api/projects/{project}").status_code == 200
    for path, body in (
        (f"/api/projects/{project}/claim", {}),
        (f"/api/projects/{project}/exports", {"format": "json"}),
        (f"/api/uploads/{project}", None),
        ("/api/projects", {"name": "x", "kind": "clean"}),
    ):
        answer = reading.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "scope_needed"), path
    made = admin.post("/api/projects", json={"name": "by script", "kind": "clean"})
    assert made.status_code == 201  # and no CSRF token
    for path in ("/api/users", "/api/tokens", "/api/me/password"):
        body = {"name": "eve", "old": PASSWORD, "new": NEW}
        if path != "/api/me/password":
            body = {"name": "eve"}
        answer = admin.post(path, json=body)
        assert answer.json()["error"] == "session_needed", path
    with context.database.write() as session:
        session.execute(update(ApiToken).values(expires_ms=now_ms() - 1))
    assert reading.get("/api/me").status_code == 401


def test_admins_see_and_revoke_everybodys_tokens(client: TestClient) -> None:
    add(client, "bob")
    other = browser(client)
    login(other, "bob")
    script = make_token(other, "read", "label")
    (row,) = client.get("/api/tokens/all").json()
    assert (row["who"], row["scopes"]) == ("bob", ["read", "label"])
    client.delete(f"/api/tokens/{row['id']}").raise_for_status()
    assert script.get("/api/me").status_code == 401
    assert client.get("/api/tokens/all").json() == []


def test_tries_are_counted_before_they_are_looked_at(any_context: Context) -> None:
    """Sixty guesses at once are eight guesses."""
    counted = paces("rita", "192.0.2.1", None)
    waits: list[int] = []

    def guess(_: int) -> bool:
        barrier.wait()
        try:
            throttle.count_try(any_context.database, counted, name="rita", address="192.0.2.1")
        except Problem as problem:
            waits.append(problem.more["retry_after_s"])
            return False
        return True

    barrier = threading.Barrier(20)
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(guess, range(60))) == counted[0].burst
    assert min(waits) > 0
    assert actions(any_context) == ["logins slowed down"]
    throttle.give_back(any_context.database, counted)
    throttle.count_try(any_context.database, counted, name="rita", address="192.0.2.1")


def test_strangers_lock_nobody_out(client: TestClient, context: Context) -> None:
    stranger = browser(client)
    codes = [login(stranger, "ADA", "guess").status_code for _ in range(10)]
    assert codes == [401] * 8 + [429] * 2
    # Whoever has logged in with this browser before has a pace of their own.
    assert login(client, "ada").status_code == 200
    change = {"old": PASSWORD, "new": NEW}
    assert client.post("/api/me/password", json=change).status_code == 204
    assert actions(context).count("login failed") == 8


def test_hashing_never_holds_a_thread_and_has_a_short_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold = threading.Event()
    monkeypatch.setattr(passwords, "_verify", lambda stored, password: hold.wait(5))

    async def flood() -> list[str]:
        before = threading.active_count()
        tries = [asyncio.ensure_future(passwords.verify_password("x", "y")) for _ in range(400)]
        await asyncio.sleep(0.05)
        assert threading.active_count() - before <= passwords.AT_ONCE
        hold.set()
        done = await asyncio.gather(*tries, return_exceptions=True)
        return [one.error if isinstance(one, Problem) else "verified" for one in done]

    # In a thread of its own: a browser that was driven in this one leaves its event loop running.
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(asyncio.run, flood()).result()
    assert outcome.count("verified") == passwords.AT_ONCE + passwords.WAITING
    assert outcome.count("busy") == 400 - passwords.AT_ONCE - passwords.WAITING


def test_setup_hashes_nothing_once_there_is_an_admin(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "hash_now", lambda *_: pytest.fail("hashed"))
    answer = client.post("/api/setup", json={"name": "eve", "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (409, "done")


def test_eight_setups_at_once_make_one_admin(any_context: Context) -> None:
    app = create_app(any_context)

    def setup(number: int) -> int:
        with TestClient(app, base_url="http://127.0.0.1") as http:
            barrier.wait()
            body = {"name": f"admin{number}", "password": PASSWORD}
            return http.post("/api/setup", json=body).status_code

    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(setup, range(4))) == [201, 409, 409, 409]


def test_weak_passwords_are_refused(client: TestClient) -> None:
    for weak in ("1234567890", "password123", "aaaaaaaaaa", "qwertyuiop"):
        answer = client.post("/api/users", json={"name": "bob", "password": weak})
        assert (answer.status_code, answer.json()["error"]) == (422, "weak"), weak


def test_invitations_and_reset_links_work_once(client: TestClient, context: Context) -> None:
    made = client.post("/api/users", json={"name": "bob"}).json()
    token = made["link"].removeprefix("/welcome#")
    guest = browser(client)
    assert login(guest, "bob", "-").status_code == 401  # no password is no password
    assert guest.post("/api/welcome", json={"token": token}).json() == {"name": "bob"}
    chosen = guest.post("/api/welcome", json={"token": token, "password": NEW})
    assert (chosen.status_code, guest.get("/api/me").json()["name"]) == (200, "bob")
    for ended in (token, "x" * 43):
        assert guest.post("/api/welcome", json={"token": ended}).status_code == 404
    first = client.post(f"/api/users/{made['id']}/link").json()["link"]
    second = client.post(f"/api/users/{made['id']}/link").json()["link"]
    codes = [
        browser(client).post("/api/welcome", json={"token": link.removeprefix("/welcome#")})
        for link in (first, second)
    ]
    assert [answer.status_code for answer in codes] == [404, 200]
    client.patch(f"/api/users/{made['id']}", json={"active": False}).raise_for_status()
    assert client.post(f"/api/users/{made['id']}/link").status_code == 409


def test_a_password_is_reset_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "data")
    context = open_context(tmp_path / "data")
    (ada,) = add_people(context, 1, "admin")
    assert serve(ServeConfig(data=folder, reset_password="ADMIN0")) == 0
    said = "".join(capsys.readouterr())
    token = said.split("/welcome#")[1].split()[0]
    http = TestClient(create_app(context), base_url="http://127.0.0.1")
    answer = http.post("/api/welcome", json={"token": token, "password": NEW})
    assert (answer.status_code, answer.json()["id"]) == (200, ada)
    context.close()


def test_sessions_end_for_good_and_are_few(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    for _ in range(5):
        assert login(browser(client), "ada").status_code == 200
    with context.database.read() as session:
        valid = select(WebSession).where(WebSession.expires_ms > now_ms())
        rows = session.scalars(valid).all()
    assert len(rows) == 3
    stolen = browser(client)
    login(stolen, "ada")
    born = now_ms() - sessions.LONGEST_MS + 1000
    with context.database.write() as session:
        session.execute(update(WebSession).values(created_ms=born, seen_ms=born))
    stolen.get("/api/me").raise_for_status()  # it slides, but not past its end
    with context.database.read() as session:
        newest = session.scalars(select(WebSession).order_by(WebSession.id.desc())).first()
    assert newest is not None
    assert newest.expires_ms == born + sessions.LONGEST_MS


def test_an_erased_person_leaves_their_work_only(client: TestClient, context: Context) -> None:
    bob = add(client, "bob")
    other = browser(client)
    login(other, "bob")
    erased = client.post(f"/api/users/{bob}/erase").json()
    assert (erased["name"], erased["active"]) == (f"person {bob}", False)
    assert other.get("/api/me").status_code == 401
    with context.database.read() as session:
        assert session.get_one(User, bob).name_key == name_key(f"person {bob}")
        mine = select(AuditEntry.address).where(AuditEntry.user_id == bob)
        assert set(session.scalars(mine)) == {""}
    me = client.get("/api/me").json()["id"]
    assert client.post(f"/api/users/{me}/erase").json()["error"] == "last_admin"


@pytest.fixture
def strict_client(any_context: Context) -> Iterator[TestClient]:
    """An admin's client on each of the two databases."""
    with TestClient(create_app(any_context), base_url="http://127.0.0.1") as http:
        answer = http.post("/api/setup", json={"name": "ada", "password": PASSWORD})
        http.headers["x-csrf-token"] = answer.json()["csrf"]
        yield http


def test_control_characters_are_refused_everywhere(strict_client: TestClient) -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/api/login", {"name": "a\0b", "password": "x"}),
        ("/api/projects", {"name": "a\0b", "kind": "clean"}),
        ("/api/tokens", {"name": "a\x01b"}),
        ("/api/users", {"name": "a\0b"}),
        ("/api/assignments/1/review", {"verdict": "return", "seq": 0, "reason": "\0"}),
    ]
    for path, body in bodies:
        assert strict_client.post(path, json=body).status_code == 422, path
    assert strict_client.get("/api/assignments?state=%00").status_code == 422


def test_a_name_that_two_want_at_once_goes_to_one(
    strict_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where neither sees the other's before its own is written."""
    monkeypatch.setattr(accounts, "find_user", lambda *_: None)
    answers = [strict_client.post("/api/users", json={"name": "bob"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json()["error"] == "taken"


def test_two_admins_who_demote_each_other_leave_one(any_context: Context) -> None:
    ada, eva = add_people(any_context, 2, "admin")
    app = create_app(any_context)
    clients = []
    for number, user in enumerate((ada, eva)):
        http = TestClient(app, base_url="http://127.0.0.1")
        with any_context.database.write() as session:
            session.get_one(User, user).password_hash = passwords.hash_now(PASSWORD)
        login(http, f"admin{number}")
        clients.append(http)
    barrier = threading.Barrier(2)

    def demote(pair: tuple[TestClient, int]) -> int:
        barrier.wait()
        return pair[0].patch(f"/api/users/{pair[1]}", json={"role": "reviewer"}).status_code

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(demote, zip(clients, (eva, ada), strict=True)))
    first, second = sorted(codes)
    # Who comes second is told so, or had no session or was an admin no more when they asked.
    assert first == 200
    assert second in (401, 403, 409)
    with any_context.database.read() as session:
        roles = {session.get_one(User, user).role for user in (ada, eva)}
    assert roles == {"admin", "reviewer"}


def test_nothing_is_described_to_strangers_and_settings_stay_small(client: TestClient) -> None:
    assert browser(client).get("/api/openapi.json").status_code == 401
    huge = {"keys": {"k" * 900_000: "a"}}
    assert client.patch("/api/me/settings", json=huge).status_code == 422


def test_deeds_are_in_the_audit_log(client: TestClient, context: Context) -> None:
    project = add_tasks(context, 1)
    client.patch("/api/me/settings", json={"theme": "dark"}).raise_for_status()
    client.post("/api/me/password", json={"old": "wrong", "new": NEW})
    client.delete("/api/me/sessions").raise_for_status()
    token = client.post("/api/tokens", json={"name": "script"}).json()["id"]
    client.delete(f"/api/tokens/{token}").raise_for_status()
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    client.post(f"/api/assignments/{work}/submit", json={"seq": 0}).raise_for_status()
    for deed in ("reopen", "release"):
        client.post(f"/api/assignments/{work}/{deed}").raise_for_status()
    out = client.post("/api/logout")
    assert out.headers["clear-site-data"] == '"cache"'
    expected = [
        *("settings changed", "old password wrong", "other sessions ended"),
        *("token made", "token revoked", "work claimed", "work submitted", "work reopened"),
        *("work given back", "logout"),
    ]
    assert actions(context)[-len(expected) :] == expected


def test_the_audit_log_leaves_the_database(tmp_path: Path) -> None:
    lines = tmp_path / "audit.jsonl"
    context = open_context(tmp_path / "data", audit_log=str(lines))
    try:
        with TestClient(create_app(context), base_url="http://127.0.0.1") as http:
            http.post("/api/setup", json={"name": "ada", "password": PASSWORD})
            http.post("/api/login", json={"name": "ada", "password": "guess"})
            http.post("/api/login", json={"name": "nobody", "password": "guess"})
    finally:
        context.close()
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(entry["action"], entry["target"]) for entry in found] == [
        ("setup", "ada"),
        ("login failed", "ada"),
        ("login failed", "nobody"),
    ]
