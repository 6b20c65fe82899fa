"""Tables that the server sorts: by columns that it knows, and by no others."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/audit", "address"),
        ("/api/projects/1/tasks", "gain"),
        ("/api/projects/1/submissions", "submitted"),
    ],
)
def test_other_columns_are_refused_with_those_that_are_there(
    client: Any, path: str, allowed: str
) -> None:
    refused = client.get(path, params={"sort": "password_hash"})
    assert refused.status_code == 422
    message = refused.json()["message"]
    assert message.startswith("query.sort: ")
    assert f"'{allowed}'" in message
    assert message.endswith("got 'password_hash'")


def test_the_audit_log_is_sorted_in_all_of_it(client: Any) -> None:
    for name in ("zoe", "Bob"):
        client.post("/api/projects", json={"name": name, "kind": "clean"})

    def entries(**wanted: Any) -> list[str]:
        answer = client.get("/api/audit", params=wanted).json()
        return [entry["target"] for entry in answer["entries"]]

    assert entries() == ["Bob", "zoe", "ada"]
    assert entries(sort="target", falling=False) == ["ada", "Bob", "zoe"]
    first = client.get("/api/audit", params={"sort": "target"}).json()["entries"][0]["id"]
    assert entries(sort="target", before=first) == ["Bob", "ada"]
