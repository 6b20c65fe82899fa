"""Uploads in parts: what is cut short goes on, and everybody sees what became of theirs."""

from __future__ import annotations

import fcntl
from typing import Any

from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.uploads import path_of

from tests.labeling_tool.routes.test_uploads import imported, new_project
from tests.labeling_tool.running import PASSWORD


def begin(client: Any, project: int, size: int) -> str:
    answer = client.post(f"/api/projects/{project}/uploads", json={"size": size})
    assert answer.status_code == 201, answer.text
    assert answer.json()["received"] == 0
    return str(answer.json()["upload"])


def test_what_was_cut_short_goes_on(client: Any, context: Context) -> None:
    project, data = new_project(client), bytes(range(200))
    key = begin(client, project, len(data))
    where = f"/api/uploads/{key}"
    half = client.put(where, params={"start": 0}, content=data[:120]).json()
    assert (half["received"], half["state"]) == (120, "arriving")
    assert client.get(where).json() == half
    twice = client.put(where, params={"start": 0}, content=data)
    assert (twice.status_code, twice.json()["error"]) == (409, "elsewhere")
    assert twice.json()["received"] == 120
    longer = client.put(where, params={"start": 120}, content=data)
    assert (longer.status_code, longer.json()["error"]) == (413, "too_large")
    with open(path_of(context, key), "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        busy = client.put(where, params={"start": 120}, content=data[120:])
    assert (busy.status_code, busy.json()["error"]) == (409, "busy")
    at = client.get(where).json()["received"]
    whole = client.put(where, params={"start": at}, content=data[at:]).json()
    assert (whole["received"], whole["state"]) == (200, "stored")
    assert path_of(context, key).read_bytes() == data
    again = client.put(where, params={"start": 200}, content=b"")
    assert (again.status_code, again.json()["error"]) == (409, "not_arriving")


def test_uploads_in_parts_are_somebodys(client: Any, context: Context) -> None:
    """Nobody else sees them or adds to them; a list says what became of one's own."""
    project = new_project(client)
    key = begin(client, project, 8)
    client.put(f"/api/uploads/{key}", params={"start": 0}, content=b"no video")
    found = imported(client, project, video=key, name="film")
    assert found["state"] == "failed"
    (row,) = client.get(f"/api/projects/{project}/imports").json()
    assert (row["name"], row["who"], row["state"]) == ("film", "ada", "failed")
    assert row["message"] == found["message"]
    mine = begin(client, project, 8)
    client.post("/api/users", json={"name": "carl", "password": PASSWORD, "role": "contractor"})
    client.headers["x-csrf-token"] = client.post(
        "/api/login", json={"name": "carl", "password": PASSWORD}
    ).json()["csrf"]
    assert client.get(f"/api/uploads/{mine}").status_code == 404
    answer = client.put(f"/api/uploads/{mine}", params={"start": 0}, content=b"x")
    assert answer.status_code == 404
    assert client.get(f"/api/projects/{project}/imports").json() == []
    answer = client.post(f"/api/projects/{project}/uploads", json={"size": 2**50})
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
