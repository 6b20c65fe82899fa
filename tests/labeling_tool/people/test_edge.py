"""The server's edge: by which names and from which addresses it is asked, how many pages it holds
open, what browsers and the log keep, and for how long.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from starlette.websockets import WebSocketDisconnect
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.people import sessions
from vidact.labeling_tool.people.hosts import Hosts
from vidact.labeling_tool.people.throttle import network_of
from vidact.labeling_tool.store.models import AuditEntry, WebSession, now_ms
from vidact.labeling_tool.sweep import ADDRESSES_MS, ENDED_MS, sweep
from vidact.labeling_tool.work import live_pages
from vidact.labeling_tool.work.live_pages import LivePages

from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import PASSWORD, LocalServer, Script, Server

IN_THE_CLEAR = "Passwords cross the network in the clear"


def test_networks_are_what_one_subscriber_has(tmp_path: Path) -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::9")
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    context = open_context(tmp_path / "data", public_url="https://label.example.org")
    try:
        assert context.throttled_address("127.0.0.1") == ""  # a proxy that does not say whose
        assert context.throttled_address("192.0.2.7") == "192.0.2.7"
    finally:
        context.close()


def test_nobody_makes_up_an_address(practice_server: Server) -> None:
    """Only a proxy that the operator named may say whose requests it forwards."""
    for number in range(2):
        made_up = {"x-forwarded-for": f"198.51.100.{number}"}
        body = {"name": f"stranger {number}", "password": "guess"}
        answer = httpx.post(f"{practice_server.url}/api/login", json=body, headers=made_up)
        assert answer.status_code == 401
    entries = Script(practice_server.url).login("ada").get("/api/audit?text=stranger")["entries"]
    assert [entry["address"] for entry in entries] == ["127.0.0.1"] * 2


def test_whom_the_network_reaches_is_told_that_nothing_is_encrypted(
    practice_server: Server, tmp_path: Path
) -> None:
    server = LocalServer(tmp_path / "data", "--no-practice", "--host", "0.0.0.0").start()
    server.stop()
    assert IN_THE_CLEAR in server.log.read_text()
    assert IN_THE_CLEAR not in practice_server.log.read_text()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8420", True),
        ("127.0.0.1", True),
        ("[::1]:8420", True),
        ("192.0.2.7:80", True),  # no name leads a page to an address
        ("label.example.org", True),
        ("label.lan", True),
        ("evil.example:8420", False),
        ("label.example.org.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_hosts_are_listed(host: str, allowed: bool) -> None:
    hosts = Hosts("127.0.0.1", "https://label.example.org", ("label.lan",))
    assert hosts.allow(host) == allowed


def test_a_name_that_was_led_here_is_refused(client: TestClient) -> None:
    foreign = {"host": "evil.example:8420", "origin": "http://evil.example:8420"}
    for method, path in (("GET", "/api/state"), ("POST", "/api/login"), ("GET", "/")):
        answer = client.request(method, path, headers=foreign)
        assert (answer.status_code, answer.json()["error"]) == (421, "unknown_host")


def test_open_pages_are_counted_and_told_the_same() -> None:
    pages = LivePages()
    assert [pages.enter(1) for _ in range(live_pages.MOST_EACH + 1)] == [
        True
    ] * live_pages.MOST_EACH + [False]
    assert pages.enter(2)
    pages.leave(1)
    assert pages.enter(1)
    counted: list[int] = []

    def count(projects: list[int]) -> dict[int, int]:
        counted.extend(projects)
        return dict.fromkeys(projects, 1)

    for projects in ([7], [7, 8], [8, 7]):
        assert pages.progress(projects, count) == dict.fromkeys(projects, 1)
    assert counted == [7, 8]


def test_a_page_too_many_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_pages, "MOST_EACH", 2)
    asked = {"url": "ws://127.0.0.1/api/live", "headers": {"origin": "http://127.0.0.1"}}
    with ExitStack() as opened:
        for _ in range(2):
            page = opened.enter_context(client.websocket_connect(**asked))
            assert page.receive_json() == {"projects": {}}
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client.websocket_connect(**asked),
        ):
            pass
        assert refused.value.code == 4429
    with client.websocket_connect(**asked) as page:  # they are closed, and one may open again
        assert page.receive_json() == {"projects": {}}


def test_a_cookie_is_this_hosts_and_lasts_as_long_as_its_session_may(tmp_path: Path) -> None:
    context = open_context(tmp_path / "data", public_url="https://label.example.org")
    try:
        http = TestClient(create_app(context), base_url="https://label.example.org")
        body = {"name": "ada", "password": PASSWORD, "code": context.setup_code}
        [cookie, _] = http.post("/api/setup", json=body).headers.get_list("set-cookie")
    finally:
        context.close()
    assert cookie.startswith("__Host-vidact_session=")
    assert f"Max-Age={sessions.LONGEST_MS // 1000};" in cookie


def test_what_has_ended_goes_and_addresses_are_forgotten(
    client: TestClient, context: Context
) -> None:
    now = now_ms()

    def ended(before_ms: int) -> WebSession:
        ends = now - before_ms
        return WebSession(user_id=1, token_sha256=str(ends), csrf="-", expires_ms=ends)

    def entry(before_ms: int) -> AuditEntry:
        return AuditEntry(at_ms=now - before_ms, action="login", detail={}, address="192.0.2.1")

    with context.database.write() as session:
        session.add_all([ended(ENDED_MS + 1000), ended(1000)])
        session.add_all([entry(ADDRESSES_MS + 1000), entry(1000)])
    sweep(context)
    with context.database.read() as session:
        kept = session.scalars(select(WebSession.expires_ms).order_by(WebSession.expires_ms)).all()
        logins = select(AuditEntry.address).where(AuditEntry.action == "login")
        assert session.scalars(logins.order_by(AuditEntry.at_ms)).all() == ["", "192.0.2.1"]
    assert kept[0] == now - 1000
    assert client.get("/api/me").status_code == 200
