"""Exports wait in a short line, always come to an end, and can be deleted."""

from __future__ import annotations

import shutil
import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.exporting import run
from vidact.labeling_tool.exporting.submissions import submissions
from vidact.labeling_tool.server_process import is_running, this_server
from vidact.labeling_tool.store.models import AuditEntry, Export
from vidact.labeling_tool.work import queue as work_queue

from tests.labeling_tool.seeding import add_people, add_tasks


def begin(client: TestClient, project: int) -> Any:
    return client.post(f"/api/projects/{project}/exports", json={"format": "json"})


def ended(client: TestClient, export: int) -> dict[str, Any]:
    until = time.monotonic() + 20
    while True:
        row: dict[str, Any] = client.get(f"/api/exports/{export}").json()
        if row["state"] not in run.UNFINISHED or time.monotonic() > until:
            return row
        time.sleep(0.01)


def test_whatever_goes_wrong_is_told(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("lineage")

    project = add_tasks(context, 1)
    monkeypatch.setattr(run, "write_export", broken)
    row = ended(client, begin(client, project).json()["id"])
    assert row["state"] == "failed"
    assert "KeyError" in row["detail"]["message"]


def test_no_export_begins_on_a_disk_that_is_nearly_full(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_tasks(context, 1)
    usage = shutil.disk_usage(context.folder)._replace(free=1 << 29)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    refused = begin(client, project)
    assert (refused.status_code, refused.json()["error"]) == (507, "disk")


def test_exports_wait_in_a_short_line(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_tasks(context, 1)
    go_on = threading.Event()
    monkeypatch.setattr(run, "write_export", lambda *_, **__: go_on.wait(10) and {})
    monkeypatch.setattr(run, "MOST_WAITING", 3)
    answers = [begin(client, project) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 2
    go_on.set()
    first, second, third = (answer.json()["id"] for answer in answers[:3])
    assert ended(client, third)["state"] == "done"
    folder = run.folder_of(context, first)
    assert folder.is_dir()
    assert client.get(f"/api/exports/{first}/archive").status_code == 200
    assert client.delete(f"/api/exports/{first}").status_code == 204
    assert not folder.exists()
    assert client.get(f"/api/exports/{first}").status_code == 404
    assert client.get(f"/api/exports/{second}").json()["state"] == "done"
    with context.database.read() as session:
        noted = session.scalars(select(AuditEntry.action)).all()
    assert "export fetched" in noted
    assert "export deleted" in noted


def test_an_export_says_what_is_in_it(client: TestClient, context: Context) -> None:
    export = begin(client, add_tasks(context, 1)).json()["id"]
    detail = ended(client, export)["detail"]
    sizes = {path.name: path.stat().st_size for path in run.folder_of(context, export).iterdir()}
    assert dict(detail["named"]) == sizes
    assert (detail["files"], detail["bytes"]) == (len(sizes), sum(sizes.values()))


def test_what_a_killed_server_left_has_failed(client: TestClient, context: Context) -> None:
    project = add_tasks(context, 1)
    export = begin(client, project).json()["id"]
    ended(client, export)
    with context.database.write() as session:
        session.execute(update(Export).values(state="running"))
    run.sweep_exports(context)  # this server is alive: the export may still run
    assert client.get(f"/api/exports/{export}").json()["state"] == "running"
    with context.database.write() as session:
        row = session.get_one(Export, export)
        row.detail = {**row.detail, "server": "elsewhere"}
    run.sweep_exports(context)
    assert client.get(f"/api/exports/{export}").json()["state"] == "failed"
    assert not run.folder_of(context, export).exists()


def test_servers_are_told_apart() -> None:
    here = this_server()
    assert is_running(here)
    assert not is_running(here[:-1] + ("0" if here[-1] != "0" else "1"))
    assert not is_running("")
    assert is_running("another-machine/1/2.00")


def test_exports_name_no_path_of_the_server(context: Context) -> None:
    """What was uploaded is named by its upload; what the operator gave keeps its address."""
    (user,) = add_people(context, 1)
    upload = context.folder / "uploads" / "ab12.mp4"
    told = {}
    for name, uri in (("uploaded", str(upload)), ("given", "/videos/film.mp4")):
        project = add_tasks(context, 1, name=name, uri=uri)
        work = work_queue.claim(context.database, user, project)
        assert work is not None
        work_queue.submit(context.database, user, work.id, seq=0)
        (found,) = submissions(context, project, approved_only=False)
        told[name] = found.source_uri
    assert told == {"uploaded": "upload:ab12", "given": "/videos/film.mp4"}
