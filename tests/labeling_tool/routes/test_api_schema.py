"""schemathesis: whatever the OpenAPI document allows, and what it does not, is answered without a
server error.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.work import queue as work_queue

from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import PASSWORD
from tests.labeling_tool.seeding import add_people, add_tasks
from tests.requirements import find

schemathesis = pytest.importorskip("schemathesis")

PHASES = [Phase.explicit, Phase.generate]


def attack(folder: Path, examples: int, database: str | None) -> tuple[int, list[str]]:
    """Throw generated requests at every operation as an admin; the number of requests, and the
    server errors.
    """
    from fastapi.testclient import TestClient

    context = open_context(folder / "data", database)
    project = add_tasks(context, 5)
    app = create_app(context)
    with TestClient(app, base_url="http://127.0.0.1") as http:
        ada = http.post("/api/setup", json={"name": "ada", "password": PASSWORD}).json()
        work_queue.claim(context.database, ada["id"], project)
        add_people(context, 2)
        http.headers["x-csrf-token"] = ada["csrf"]
        cookie = f"vidact_session={http.cookies['vidact_session']}"
    headers = {"cookie": cookie, "x-csrf-token": ada["csrf"], "host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
    # These would end the attacker's own access, or take 0.1 s of argon2 each.
    left_out = {
        *("/api/me/password", "/api/login", "/api/setup", "/api/welcome"),
        *("/api/logout", "/api/tokens/{token_id}"),
    }
    count = 0
    errors: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        where = f"{operation.method} {operation.path}"
        if operation.path in left_out or (
            operation.path.startswith("/api/users") and operation.method != "get"
        ):
            continue

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
            nonlocal count
            count += 1
            answer = case.call(headers=headers)
            if answer.status_code >= 500:
                text = answer.text[:300]
                errors.append(f"{where}: {answer.status_code} {text}")  # noqa: B023 - run at once

        run()
    context.close()
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
