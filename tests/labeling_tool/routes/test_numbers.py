"""Every number in every body, at its extremes: refused or harmless, and never memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import psutil
from fastapi.testclient import TestClient
from vidact.labeling_tool.context import Context

from tests.labeling_tool.seeding import add_tasks

EXTREMES = (-1, 0, 1e-9, 0.1, 1e308, 2**31 - 1, 2**31, 2**63, 10**400)
MOST_GROWTH = 64 << 20


def bodies(project: int, work: int) -> list[tuple[str, str, dict[str, Any]]]:
    """A valid body of each route that takes numbers."""

    def operation(kind: str, **payload: Any) -> tuple[str, str, dict[str, Any]]:
        one = {"id": "operation-x", "kind": kind, "payload": payload, "client_ms": 1}
        batch = {"client": "window", "base_seq": 0, "active_ms": 1, "operations": [one]}
        return "POST", f"/api/assignments/{work}/operations", batch

    rules = {
        "overlap": 1,
        "random_fraction": 0.1,
        "lease_s": 900,
        "pause_s": 3600,
        "threshold": 0.5,
    }
    video = {"video": "ab" * 16, "name": "film", "frame_step_s": 2.0}
    return [
        operation("paint", lane=0, start=0, end=1, value=1),
        operation("camera", axis=0, start=0, end=1, values=[1.0]),
        operation("accept", start=0, end=1, value=True),
        ("POST", f"/api/assignments/{work}/submit", {"seq": 10**6}),
        ("POST", f"/api/assignments/{work}/review", {"verdict": "approve", "seq": 10**6}),
        ("POST", "/api/heartbeat", {"assignments": [work]}),
        ("POST", f"/api/projects/{project}/claim", {"beside": work}),
        ("PATCH", f"/api/projects/{project}", {"settings": rules}),
        ("PUT", f"/api/projects/{project}/members", {"users": [1]}),
        ("POST", f"/api/projects/{project}/import", video),
        ("POST", "/api/tokens", {"name": "x", "scopes": ["read"], "days": 1}),
        ("PATCH", "/api/me/settings", {"tour": 1}),
    ]


def numbers_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of the numbers in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list):
            yield from numbers_in(item, (*path, key))
        elif isinstance(item, int | float):
            yield (*path, key)


def test_no_number_is_an_error_of_the_server_or_grows_it(
    client: TestClient, context: Context
) -> None:
    project = add_tasks(context, 2)
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    before, asked = psutil.Process().memory_info().rss, 0
    for method, path, body in bodies(project, work):
        for place in numbers_in(body):
            for extreme in EXTREMES:
                changed = copy.deepcopy(body)
                inner: Any = changed
                for key in place[:-1]:
                    inner = inner[key]
                inner[place[-1]] = extreme
                answer = client.request(
                    method,
                    path,
                    content=json.dumps(changed),
                    headers={"content-type": "application/json"},
                )
                asked += 1
                assert answer.status_code < 500, f"{method} {path} {place} {extreme}: {answer.text}"
    assert asked > 150
    assert psutil.Process().memory_info().rss - before < MOST_GROWTH
