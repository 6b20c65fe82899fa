"""What the server does where its machine, or what it was started with, is not as it should be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, select
from vidact.errors import ConfigError
from vidact.labeling_tool import serve
from vidact.labeling_tool.config import ServeConfig
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing import videos
from vidact.labeling_tool.store import bundles
from vidact.labeling_tool.store.models import Project
from vidact.progress import log

from tests.labeling_tool import barcodes
from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.seeding import add_tasks


def test_a_full_disk_is_told_and_reading_goes_on(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    @event.listens_for(context.database.engine, "connect")
    def fill(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are

    context.database.engine.dispose()
    answer = client.post("/api/users", json={"name": "bob", "role": "annotator"})
    for number in range(99):
        if answer.status_code != 201:
            break
        answer = client.post("/api/users", json={"name": f"bob {number}", "role": "annotator"})
    assert (answer.status_code, answer.json()["error"]) == (507, "disk")
    assert "nothing of this was saved" in answer.json()["message"]
    # Whose session was last seen long ago is noted, which is a write.
    monkeypatch.setattr("vidact.labeling_tool.people.access.SEEN_EVERY_MS", -1)
    assert client.get("/api/me").status_code == 200


def test_an_audit_log_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        open_context(tmp_path / "data", audit_log=str(tmp_path / "nowhere" / "audit.jsonl"))


def test_an_audit_log_that_fails_later_fails_no_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = open_context(tmp_path / "data", audit_log=str(tmp_path / "audit.jsonl"))
    try:
        (tmp_path / "audit.jsonl").unlink()
        (tmp_path / "audit.jsonl").mkdir()
        with context.database.write() as session:
            from vidact.labeling_tool.store.audit import note

            note(session, None, "setup", "ada")
    finally:
        context.close()
    assert "Is a directory; the database alone has" in capsys.readouterr().err


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.sqlite").write_text("a shopping list " * 100)
    with pytest.raises(ConfigError, match=r"labels.sqlite: file is not a database"):
        open_context(tmp_path / "data")


@pytest.mark.parametrize(
    ("host", "public_url", "address"),
    [
        ("127.0.0.1", None, "http://localhost:8420"),
        ("::1", None, "http://[::1]:8420"),
        ("::", None, "http://localhost:8420"),
        ("10.0.0.7", None, "http://10.0.0.7:8420"),
        ("127.0.0.1", "https://label.example.org/", "https://label.example.org"),
    ],
)
def test_the_address_that_is_printed_can_be_typed(
    host: str, public_url: str | None, address: str
) -> None:
    config = ServeConfig(data="data", host=host, public_url=public_url)
    assert serve._address(config, 8420) == address


def test_one_folder_is_reviewed_and_judged_and_one_failed_import_hinders_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ("play" * 40)  # a name longer than a project's may be
    folder.mkdir()
    barcodes.write(folder / "film.mp4", 30)
    with open(bytes(folder) + b"/caf\xe9.mp4", "wb") as file:
        file.write(b"an old encoding's name")
    context = open_context(tmp_path / "data")
    add = videos.import_videos

    def failing(*arguments: Any, **options: Any) -> Any:
        if arguments[1] == ["broken"]:
            raise PermissionError(13, "Permission denied", "broken")
        return add(*arguments, **options)

    monkeypatch.setattr(videos, "import_videos", failing)
    monkeypatch.setattr(serve, "log", log)  # a server in this process may have taken it
    config = ServeConfig(data="data", practice=False, clean=("broken", str(folder)))
    context.closing.set()  # imports, and no waiting for the next sweep
    try:
        with context.database.write() as session:
            session.add(
                Project(
                    name="Review",
                    kind="actions",
                    spec={"name": "doom"},
                    origin=str(folder.resolve()),
                )
            )
        serve._import_all(context, config)
        with context.database.read() as session:
            names = session.scalars(select(Project.name).where(Project.kind == "clean")).all()
    finally:
        context.close()
    assert [len(name) for name in names] == [110]
    said = capsys.readouterr().err
    assert "broken: not imported: PermissionError" in said
    assert "its name is no UTF-8; rename it" in said
    assert "1 new tasks" in said


def test_frames_that_a_full_disk_keeps_from_being_shown_are_nobody_s_to_skip(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_tasks(context, 1)  # whose video is not there
    frames = client.post(f"/api/projects/{project}/claim", json={}).json()["frames"]
    disk = shutil.disk_usage(context.folder)
    with monkeypatch.context() as full:
        full.setattr(bundles.shutil, "disk_usage", lambda _: disk._replace(free=0))
        answer = client.get(frames)
        assert (answer.status_code, answer.json()["error"]) == (507, "disk")
    answer = client.get(frames)  # there is room again: it is tried again at once
    assert (answer.status_code, answer.json()["error"]) == (410, "gone")
