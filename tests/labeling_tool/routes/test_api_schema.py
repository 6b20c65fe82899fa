"""schemathesis: whatever the OpenAPI document allows, and what it does not, is answered without a
server error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.people.passwords import token_hash
from vidact.labeling_tool.store.models import User, WebSession, now_ms
from vidact.labeling_tool.work import queue as work_queue

from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.seeding import add_people, add_tasks
from tests.requirements import find

schemathesis = pytest.importorskip("schemathesis")

PHASES = [Phase.explicit, Phase.generate]


def ends_access(method: str, path: str) -> bool:
    """Whether such requests may end the attacker's own session, or take others' accounts away."""
    accounts = path.startswith("/api/users") and method != "GET"
    own = ("/api/me/password", "/api/me/sessions", "/api/logout", "/api/login", "/api/welcome")
    return accounts or path in (*own, "/api/setup", "/api/tokens/{token_id}")


def new_admin(context: Context, name: str) -> dict[str, str]:
    """The headers of an admin who has just logged in."""
    token = f"token of {name}".replace(" ", "-")
    with context.database.write() as session:
        admin = User(name=name, name_key=name, password_hash="-", role="admin")
        session.add(admin)
        session.flush()
        web_session = WebSession(
            user_id=admin.id,
            token_sha256=token_hash(token),
            csrf="csrf",
            expires_ms=now_ms() + 3600_000,
        )
        session.add(web_session)
    cookie = f"vidact_session={token}"
    return {"cookie": cookie, "x-csrf-token": "csrf", "host": "127.0.0.1"}


def attack(folder: Path, examples: int, database: str | None) -> tuple[int, list[str]]:
    """Throw generated requests at every operation as an admin; the number of requests, and the
    server errors. What may end the admin's own access comes last, each time by a new one.
    """
    context = open_context(folder / "data", database)
    project = add_tasks(context, 5)
    app = create_app(context)
    headers = new_admin(context, "ada")
    work_queue.claim(context.database, 1, project)
    add_people(context, 2)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
    count = strangers = 0
    errors: list[str] = []
    operations = [result.ok() for result in schema.get_all_operations()]
    operations.sort(key=lambda one: ends_access(one.method.upper(), one.path))
    for number, operation in enumerate(operations):
        where = f"{operation.method} {operation.path}"
        last = ends_access(operation.method.upper(), operation.path)
        who = new_admin(context, f"admin {number}") if last else headers

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(case=operation.as_strategy())
        def run(case):  # type: ignore[no-untyped-def]
            answers.append(case.call(headers=who))  # noqa: B023 - run at once

        answers: list[Any] = []
        run()
        count += len(answers)
        strangers += sum(answer.status_code == 401 for answer in answers) if not last else 0
        errors += [
            f"{where}: {answer.status_code} {answer.text[:300]}"
            for answer in answers
            if answer.status_code >= 500
        ]
    context.close()
    assert strangers == 0  # none was turned away at the door
    return count, errors


def test_no_server_errors(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """On PostgreSQL where it is installed: it refuses values that SQLite takes."""
    database = None
    if find("postgres") is not None:
        database = request.getfixturevalue("postgres").new_database()
    count, errors = attack(tmp_path, examples=8, database=database)
    assert errors == []
    assert count > 150


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_server_errors_in_earnest(tmp_path: Path, database_url: str | None) -> None:
    assert attack(tmp_path, examples=100, database=database_url)[1] == []
