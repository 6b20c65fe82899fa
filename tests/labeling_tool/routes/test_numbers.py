"""Every number in every body, at its extremes and at its own bounds: refused or harmless, also for
the pages that show it later, and never memory.
"""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from fastapi.testclient import TestClient
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.work.operation_kinds import PAYLOADS

from tests.labeling_tool import barcodes
from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import Command, Script
from tests.labeling_tool.seeding import add_tasks

EXTREMES = (
    *(-1, 0, 1e-9, 0.1, 1e308, 2**31 - 1, 2**31, 2**63, 10**400),
    *(float("inf"), float("nan")),
)
MOST_GROWTH = 64 << 20
MOST_MEMORY = 512 * 10**6  # bytes, of the server's process at its largest
Place = tuple[str | int, ...]
Body = tuple[str, dict[str, Any]]

RULES = {
    **{"overlap": 1, "random_fraction": 0.1, "lease_s": 900, "pause_s": 3600, "threshold": 0.5},
    **{"review_first": 1, "review_share": 0.1, "gold_first": 1, "gold_share": 0.1},
    **{"qualify": 0.0, "hourly_cost": 1.0},
}
PAYLOAD_OF: dict[str, dict[str, Any]] = {
    "paint": {"lane": 0, "start": 0, "end": 1, "value": 1},
    "press": {"lane": 0, "start": 0, "end": 1, "to_start": 2, "to_end": 3},
    "camera": {"axis": 0, "start": 0, "end": 1, "values": [1.0]},
    "release": {"start": 0, "end": 1},
    "reset": {"start": 0, "end": 1},
    "accept": {"start": 0, "end": 1, "value": True},
    "unsure": {"start": 0, "end": 1, "value": True},
    "invalid": {"start": 0, "end": 1, "value": True},
    "remark": {"start": 0, "end": 1, "text": "x"},
    "label": {"start": 0, "end": 1, "label": "clean"},
}


def bodies(project: int, clean: int, work: int, frames: int) -> list[tuple[str, str, Body]]:
    """A valid body of each route that takes numbers: its method and path as the document of the
    interface has it, and the path here. What ends the work comes last.

    Args:
        project: of action review.
        clean: of clean or not; it takes uploads.
        work: an assignment of the first.
        frames: an assignment of the second.
    """

    def operation(kind: str) -> tuple[str, str, Body]:
        payload = PAYLOAD_OF[kind]
        one = {"id": "operation-x", "kind": kind, "payload": payload, "client_ms": 1}
        batch = {"client": "window", "base_seq": 0, "active_ms": 1, "operations": [one]}
        where = f"/api/assignments/{frames if kind == 'label' else work}/operations"
        return "POST", "/api/assignments/{assignment_id}/operations", (where, batch)

    video = {"video": "", "name": "film", "frame_step_s": 2.0}  # an upload of its own each time
    members = {"users": [1], "roles": {"1": "annotator"}}
    new = {"name": "new", "kind": "clean", "settings": RULES}
    change = {"tasks": [1], "priority": 1, "assign": 1}
    one, all_of_it = "/api/projects/{project_id}", f"/api/projects/{project}"
    verdict = {"verdict": "approve", "seq": 10**6}
    return [
        *map(operation, PAYLOAD_OF),
        ("POST", "/api/heartbeat", ("/api/heartbeat", {"assignments": [work]})),
        ("POST", f"{one}/claim", (f"{all_of_it}/claim", {"beside": work})),
        ("PATCH", one, (all_of_it, {"settings": RULES})),
        ("PUT", f"{one}/members", (f"{all_of_it}/members", members)),
        ("PATCH", f"{one}/tasks", (f"{all_of_it}/tasks", change)),
        ("POST", f"{one}/uploads", (f"/api/projects/{clean}/uploads", {"size": 1})),
        ("POST", f"{one}/import", (f"/api/projects/{clean}/import", video)),
        ("POST", "/api/projects", ("/api/projects", new)),
        ("POST", "/api/tokens", ("/api/tokens", {"name": "x", "scopes": ["read"], "days": 1})),
        ("PATCH", "/api/me/settings", ("/api/me/settings", {"tour": 1})),
        (
            "POST",
            "/api/assignments/{assignment_id}/submit",
            (f"/api/assignments/{work}/submit", {"seq": 10**6}),
        ),
        (
            "POST",
            "/api/assignments/{assignment_id}/review",
            (f"/api/assignments/{work}/review", verdict),
        ),
    ]


def pages(project: int, clean: int, work: int) -> list[str]:
    """What reads the numbers again."""
    where = f"/api/projects/{project}"
    own = [f"{where}{page}" for page in ("", "/tasks", "/quality", "/submissions", "/reviews/next")]
    seen = [f"/api/assignments/{work}", "/api/projects", "/api/me", "/api/tokens"]
    return [*own, f"/api/projects/{clean}/imports", *seen]


def numbers_in(value: Any, place: Place = ()) -> Iterator[Place]:
    """The places of the numbers in a body; of a mapping by numbers its keys, too."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(key, str) and key.isdigit():
            yield (*place, f"key {key}")
        if isinstance(item, dict | list):
            yield from numbers_in(item, (*place, key))
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield (*place, key)


def changed(body: dict[str, Any], place: Place, value: float) -> dict[str, Any]:
    """The body with another number at a place."""
    found = copy.deepcopy(body)
    inner: Any = found
    for key in place[:-1]:
        inner = inner[key]
    last = place[-1]
    if isinstance(last, str) and last.startswith("key "):
        inner[str(value)] = inner.pop(last.removeprefix("key "))
    else:
        inner[last] = value
    return found


def without_indices(place: Place) -> Place:
    """A place as a schema names it."""
    return tuple("[]" if isinstance(key, int) else key for key in place)


def leaves(schema: dict[str, Any], named: dict[str, Any], place: Place = ()) -> Iterator[Any]:
    """The numbers that a schema allows: their places, and what it says of each."""
    if "$ref" in schema:
        schema = named[schema["$ref"].split("/")[-1]]
    for kind in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(kind, []):
            yield from leaves(one, named, place)
    whole = all(isinstance(value, int) for value in schema.get("enum", ("none",)))
    if schema.get("type") in ("integer", "number") or whole:
        yield place, schema
    if schema.get("type") == "array":
        yield from leaves(schema["items"], named, (*place, "[]"))
    for name, inner in schema.get("properties", {}).items():
        yield from leaves(inner, named, (*place, name))


def schemas_of(document: dict[str, Any]) -> dict[tuple[str, str], dict[Place, Any]]:
    """Of each route with a JSON body its numbers, and what the document says of each."""
    named, found = document["components"]["schemas"], {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                found[method.upper(), path] = dict(leaves(schema, named))
    return {route: numbers for route, numbers in found.items() if numbers}


def payload_schemas(kind: str) -> dict[Place, Any]:
    """The numbers in an operation's payload, which the document only calls an object."""
    project = "clean" if kind == "label" else "actions"
    schema = PAYLOADS[project][kind].model_json_schema()
    inner = leaves(schema, schema.get("$defs", {}))
    return {("operations", "[]", "payload", *place): said for place, said in inner}


def bounds(said: dict[str, Any]) -> set[float]:
    """The numbers at which what is allowed begins and ends."""
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    ends = {said[name] for name in names if name in said}
    whole = said.get("type") == "integer"
    return ends | {end + step for end in ends for step in ((-1, 1) if whole else ())}


def test_no_number_is_left_out(client: TestClient) -> None:
    """The table above has each number of each body that the interface takes."""
    document = client.get("/api/openapi.json").json()
    tried: dict[tuple[str, str], set[Place]] = {}
    for method, route, (_, body) in bodies(1, 2, 3, 4):
        places = {without_indices(place) for place in numbers_in(body)}
        tried.setdefault((method, route), set()).update(places)
    for route, numbers in schemas_of(document).items():
        assert set(numbers) <= tried.get(route, set()), route
    kinds = {kind: spoken for of in PAYLOADS.values() for kind, spoken in of.items()}
    for kind in kinds:
        wanted = payload_schemas(kind)
        given = {
            ("operations", "[]", "payload", *without_indices(place))
            for place in numbers_in(PAYLOAD_OF.get(kind, {}))
        }
        assert set(wanted) <= given, kind


def fuzz(http: httpx.Client, project: int, film: bytes, *, every: int = 1) -> tuple[int, list[str]]:
    """Ask with each number at its extremes, as an admin who works in the project, and read what
    came of it; the number of requests, and those that ended in an error of the server.

    With `every`, each place takes one of so many extremes only, the next place the next one.
    """
    schemas = schemas_of(http.get("/api/openapi.json").json())
    new = {"name": "films", "kind": "clean"}
    clean = http.post("/api/projects", json=new).json()["id"]
    errors: list[str] = []
    asked = 0

    def ask(method: str, path: str, body: Any, what: str) -> httpx.Response:
        nonlocal asked
        asked += 1
        json_type = {"content-type": "application/json"}
        answer = http.request(method, path, content=json.dumps(body), headers=json_type)
        if 500 <= answer.status_code < 507:  # 507, that there is no room, is an answer
            errors.append(f"{method} {path} {what}: {answer.status_code} {answer.text[:200]}")
        return answer

    def sent() -> str:
        return str(http.post(f"/api/uploads/{clean}", content=film).json()["upload"])

    def end_import(number: int) -> None:
        until = time.monotonic() + 60
        while http.get(f"/api/imports/{number}").json()["state"] in ("queued", "running"):
            assert time.monotonic() < until, "an import never ended"
            time.sleep(0.02)

    first = {"video": sent(), "name": "film"}
    end_import(http.post(f"/api/projects/{clean}/import", json=first).json()["import"])
    work, frames = (
        http.post(f"/api/projects/{number}/claim", json={}).json()["assignment"]
        for number in (project, clean)
    )
    turns = itertools.count()
    seq = {f"/api/assignments/{number}/operations": 0 for number in (work, frames)}
    for method, route, (path, body) in bodies(project, clean, work, frames):
        said = dict(schemas[method, route])
        if path in seq:
            said |= payload_schemas(body["operations"][0]["kind"])
        for place in numbers_in(body):
            accepted, begin = False, next(turns) % every
            values = (*EXTREMES, *sorted(bounds(said.get(without_indices(place), {}))))
            for value in values[begin::every]:
                request = {**body, "video": sent()} if "video" in body else dict(body)
                if path in seq:  # nothing but this number is in the way
                    one = {**body["operations"][0], "id": f"operation-{asked:06d}"}
                    request |= {"base_seq": seq[path], "operations": [one]}
                answer = ask(method, path, changed(request, place, value), f"{place} {value}")
                if not answer.is_success:
                    continue
                accepted = True
                if path in seq:
                    seq[path] = answer.json()["seq"]
                elif route.endswith("/import"):
                    end_import(answer.json()["import"])
                elif route.endswith("/tokens"):
                    http.delete(f"/api/tokens/{answer.json()['id']}")  # few may be valid at once
            for page in pages(project, clean, work) if accepted else ():
                answer = ask("GET", page, None, f"after {route} {place}")
                assert answer.status_code < 400 or errors, answer.text
    return asked, errors


def a_film(folder: Path) -> bytes:
    return barcodes.write(folder / "film.mp4", 10).read_bytes()


def test_no_number_is_an_error_of_the_server_or_grows_it(
    client: TestClient, context: Context, tmp_path: Path
) -> None:
    project = add_tasks(context, 2)
    before = psutil.Process().memory_info().rss
    asked, errors = fuzz(client, project, a_film(tmp_path), every=5)
    assert errors == []
    assert asked > 200
    assert psutil.Process().memory_info().rss - before < MOST_GROWTH


def fuzz_a_server(folder: Path, database: str | None) -> dict[str, Any]:
    """Requests, errors, and the largest size of the server's own process, in bytes."""
    context = open_context(folder / "data", database)
    project = add_tasks(context, 2)
    context.close()
    server = Command(folder / "data", "--no-practice", database=database).start()
    try:
        ada = Script(server.url).setup()
        asked, errors = fuzz(ada.http, project, a_film(folder))
        assert server.process is not None
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    finally:
        server.stop()
    return {"requests": asked, "server_errors": errors, "peak_bytes": int(peak) * 1024}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_server_stays_small(tmp_path: Path, database_url: str | None) -> None:
    found = fuzz_a_server(tmp_path, database_url)
    assert found["server_errors"] == []
    assert found["peak_bytes"] <= MOST_MEMORY
