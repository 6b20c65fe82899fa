"""Uploads: strangers' bytes, read only by a limited child process, under names of ours."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from vidact.datasets.actions.devices import device_state_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.errors import ConfigError, VidactError, VideoError
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.config import ServeConfig
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing import uploads
from vidact.labeling_tool.importing.recordings import import_recordings
from vidact.labeling_tool.importing.uploads import sweep_uploads
from vidact.labeling_tool.importing.videos import find_videos
from vidact.labeling_tool.pictures import sandbox as limited
from vidact.labeling_tool.pictures.frames import evenly
from vidact.labeling_tool.serve import serve
from vidact.labeling_tool.store.models import AuditEntry, Import, Upload
from vidact.pipeline.planning.sources import find_sources

from tests.labeling_tool import barcodes
from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.running import PASSWORD


def new_project(client: TestClient, kind: str = "clean") -> int:
    body = {
        "name": f"project of {kind}",
        "kind": kind,
        "spec": "doom" if kind == "actions" else None,
    }
    answer = client.post("/api/projects", json=body)
    return int(answer.json()["id"])


def send(client: TestClient, project: int, data: bytes) -> str:
    answer = client.post(f"/api/uploads/{project}", content=data)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["upload"])


def imported(client: TestClient, project: int, **body: object) -> dict[str, Any]:
    """Import, and wait until it is done or has failed; what is said then."""
    answer = client.post(f"/api/projects/{project}/import", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    until = time.monotonic() + 60
    while job["state"] in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.02)
        job = client.get(f"/api/imports/{job['import']}").json()
    found: dict[str, Any] = job
    return found


def stored(context: Context) -> list[str]:
    return sorted(path.suffix for path in (context.folder / "uploads").iterdir())


def test_a_video_becomes_tasks(client: TestClient, context: Context, tmp_path: Path) -> None:
    project = new_project(client)
    film = barcodes.write(tmp_path / "film.mp4", 100)
    key = send(client, project, film.read_bytes())
    done = imported(client, project, video=key, name="../../etc/passwd", frame_step_s=0.5)
    assert (done["state"], done["tasks"]) == ("done", 1)
    assert stored(context) == [".mp4"]
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    task = client.get(f"/api/assignments/{work}").json()["task"]
    assert task["source"] == ".. .. etc passwd"
    assert client.get(task["pictures"]).status_code == 200


def record(stem: Path, **meta: Any) -> None:
    """A recording of Doom, in the second half of which its player goes forward."""
    spec = ActionSpec.load("doom")
    size = (barcodes.WIDTH, barcodes.HEIGHT)
    with RecordingWriter(stem, fps=spec.tick_hz, size=size, meta=meta) as writer:
        for t in range(70):
            buttons = np.zeros(spec.num_buttons, np.uint8)
            buttons[0] = t >= 35
            writer.write(
                barcodes.picture(t), device_state_of(spec, buttons, np.zeros(spec.num_axes))
            )


def send_recording(client: TestClient, project: int, stem: Path) -> dict[str, str]:
    """Upload a recording's three files; what an import calls them."""
    parts = {"video": ".mp4", "lines": ".jsonl", "meta": ".meta.json"}
    return {
        part: send(client, project, stem.with_suffix(suffix).read_bytes())
        for part, suffix in parts.items()
    }


def test_a_recording_becomes_tasks(client: TestClient, context: Context, tmp_path: Path) -> None:
    project = new_project(client, "actions")
    record(tmp_path / "play", spec="doom")
    keys = send_recording(client, project, tmp_path / "play")
    del keys["meta"]  # other tools' have none
    done = imported(client, project, **keys, name="play")
    assert (done["state"], done["tasks"]) == ("done", 1)
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    predictions = client.get(f"/api/assignments/{work}").json()["predictions"]
    assert predictions["buttons"][0] == "0" * 35 + "1" * 35


def test_a_recording_of_another_game_is_refused(
    client: TestClient, context: Context, tmp_path: Path
) -> None:
    body = {"name": "cells", "kind": "actions", "spec": "crafter"}
    project = int(client.post("/api/projects", json=body).json()["id"])
    record(tmp_path / "play", spec="doom")
    refused = imported(
        client, project, **send_recording(client, project, tmp_path / "play"), name="play"
    )
    assert refused["state"] == "failed"
    assert "spec must be 'crafter'" in refused["message"]
    assert "got 'doom', which has no key.keyboard.f" in refused["message"]
    assert ".meta.json" not in stored(context)
    # Given to the server's start, too; it is told and left out.
    _, new = import_recordings(
        context, [str(tmp_path / "play.mp4")], spec_name="crafter", random_fraction=0.0
    )
    assert new == 0
    # Of the same inputs at another rate it is theirs.
    (tmp_path / "play.jsonl").rename(tmp_path / "again.jsonl")
    (tmp_path / "play.mp4").rename(tmp_path / "again.mp4")
    (tmp_path / "play.meta.json").rename(tmp_path / "again.meta.json")
    _, new = import_recordings(
        context, [str(tmp_path / "again.mp4")], spec_name="doom-15hz", random_fraction=0.0
    )
    assert new == 1


def test_how_late_a_program_shows_what_was_done_comes_with_its_recording(
    client: TestClient, tmp_path: Path
) -> None:
    project = new_project(client, "actions")
    late_ms = 3 * 1000 / (35 / 2)  # three frames
    record(tmp_path / "play", spec="doom", latency_ms=late_ms)
    keys = send_recording(client, project, tmp_path / "play")
    assert imported(client, project, **keys, name="play")["state"] == "done"
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    predictions = client.get(f"/api/assignments/{work}").json()["predictions"]
    assert predictions["buttons"][0].index("1") == 38


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not a video at all", "no_video"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "no_video"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "no_video"),
        (b"\x00" * 5000, "no_video"),
    ],
)
def test_what_is_no_video_is_refused_and_deleted(
    client: TestClient, context: Context, data: bytes, reason: str
) -> None:
    project = new_project(client)
    key = send(client, project, data)
    done = imported(client, project, video=key, name="film")
    assert done["state"] == "failed"
    assert done["message"].startswith("film cannot be used")
    assert str(context.folder) not in str(done)  # nobody learns where things lie
    assert reason
    assert stored(context) == []


def test_videos_are_the_same_files_as_for_the_labelling_job(tmp_path: Path) -> None:
    for name in ("a.MP4", "deep/b.m2ts", "c.wmv", ".half.123.partial.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"video")
    found = [str(path) for path in find_videos([str(tmp_path)])]
    assert found == sorted(source.uri for source in find_sources([str(tmp_path)]))
    assert [Path(name).name for name in found] == ["a.MP4", "c.wmv", "b.m2ts"]


def test_links_that_lead_nowhere_keep_no_video_out(tmp_path: Path) -> None:
    (tmp_path / "good.mp4").write_bytes(b"video")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert [path.name for path in find_videos([str(tmp_path)])] == ["gone.mp4", "good.mp4"]
    with pytest.raises(ConfigError, match="no videos there"):
        find_videos([str(tmp_path / "gone.mp4")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"review": ("nowhere",)}, "review: nowhere is not there"),
        ({"clean": ("nowhere",)}, "clean: nowhere is not there"),
        ({"recordings": ("nowhere",), "spec": "nospec"}, "nospec"),
        ({"database": "postgresql://u:secret@127.0.0.1:1/x"}, r"u:\*\*\*@127.0.0.1:1/x: .*refused"),
    ],
)
def test_what_serve_cannot_use_is_told_at_once(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(VidactError, match=message):
        serve(ServeConfig(data=str(tmp_path / "labels"), port=0, **options))


def test_uploads_are_limited_to_the_byte(tmp_path: Path) -> None:
    context = open_context(tmp_path / "data", upload_mib=1)
    try:
        with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
            csrf = client.post("/api/setup", json={"name": "ada", "password": PASSWORD}).json()[
                "csrf"
            ]
            client.headers["x-csrf-token"] = csrf
            project = new_project(client)

            def chunks() -> Any:
                for _ in range(20):
                    yield b"x" * 100_000

            assert (
                client.post(f"/api/uploads/{project}", content=b"x" * (1 << 20)).status_code == 201
            )
            assert (
                client.post(f"/api/uploads/{project}", content=b"x" * ((1 << 20) + 1)).status_code
                == 413
            )
            assert client.post(f"/api/uploads/{project}", content=chunks()).status_code in (
                400,
                413,
            )
            assert stored(context) == [".upload"]
    finally:
        context.close()


def test_only_what_was_uploaded_can_be_imported(client: TestClient) -> None:
    project = new_project(client)
    for key in ("../../labels", "ab" * 16, "/etc/passwd"):
        answer = client.post(f"/api/projects/{project}/import", json={"video": key, "name": "x"})
        assert answer.status_code in (404, 422)


def test_the_child_is_stopped_when_it_takes_too_long(tmp_path: Path) -> None:
    film = barcodes.write(tmp_path / "film.mp4", 30)
    with pytest.raises(VideoError, match="timeout"):
        limited.run_limited(
            {"do": "frames", "path": str(film), "pts_ns": [0], "out": str(tmp_path / "index")},
            wall_s=0.01,
        )


def test_the_child_has_limits_and_sees_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import os, resource, sys\n"
        "from vidact.datasets.video.sandbox_child import enter\n"
        "_, replies, limits = enter(sys.argv[1:])\n"
        "sys.stdin.readline()\n"
        "kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU)\n"
        "bounds = [resource.getrlimit(kind)[1] for kind in kinds]\n"
        "replies.send(names=sorted(os.environ), bounds=bounds, max_pixels=limits.max_pixels)\n"
    )
    monkeypatch.setattr(limited, "ENTRY", (sys.executable, str(script)))
    monkeypatch.setenv("SECRET", "password")
    answer = limited.run_limited({"path": "film.mp4"})
    assert "PATH" in answer["names"]
    assert "SECRET" not in answer["names"]
    assert answer["bounds"] == [4 << 30, 300]
    assert answer["max_pixels"] == 7680 * 4320


def test_a_child_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VideoError, match="crashed"):
        limited.run_limited({"do": "explode", "path": str(tmp_path / "film.mp4")})


def test_no_number_grows_the_server(client: TestClient, tmp_path: Path) -> None:
    """Moments are never counted out: neither a tiny step nor a long pause makes work or memory."""
    project = new_project(client)
    film = barcodes.write(tmp_path / "film.mp4", 10)
    key = send(client, project, film.read_bytes())
    body = {"video": key, "name": "film", "frame_step_s": 1e-9}
    assert client.post(f"/api/projects/{project}/import", json=body).status_code == 422
    pauses = np.arange(1000, dtype=np.int64) * 600 * 10**9  # a frame every ten minutes
    assert evenly(pauses, 1).tolist() == list(range(1000))
    assert evenly(pauses, 20_000_000).tolist() == list(range(1000))


def test_what_makes_too_many_tasks_is_refused_in_the_child(tmp_path: Path) -> None:
    film = barcodes.write(tmp_path / "film.mp4", 100)
    with pytest.raises(VideoError, match="too long"):
        limited.evenly_limited(film, 0.02, tmp_path / "index.npz", most=20)


def test_uploads_have_a_quota_and_an_end(tmp_path: Path) -> None:
    context = open_context(tmp_path / "data", upload_mib=1, upload_quota_mib=2)
    try:
        with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
            answer = client.post("/api/setup", json={"name": "ada", "password": PASSWORD})
            client.headers["x-csrf-token"] = answer.json()["csrf"]
            project = new_project(client)
            keys = [send(client, project, b"x" * 900_000) for _ in range(2)]
            answer = client.post(f"/api/uploads/{project}", content=b"x" * 900_000)
            assert (answer.status_code, answer.json()["error"]) == (413, "quota")
            body = {"video": keys[0], "lines": keys[0], "name": "same"}
            actions = new_project(client, "actions")
            answer = client.post(f"/api/projects/{actions}/import", json=body)
            assert (answer.status_code, answer.json()["error"]) == (422, "same_upload")
            with context.database.write() as session:
                session.execute(update(Upload).values(created_ms=1))
            sweep_uploads(context)
            assert stored(context) == []
            answer = client.post(
                f"/api/projects/{project}/import", json={"video": keys[1], "name": "x"}
            )
            assert answer.status_code == 404
            with context.database.read() as session:
                noted = session.scalars(select(AuditEntry.action)).all()
            assert noted.count("uploaded") == 2
    finally:
        context.close()


def test_imports_of_one_person_wait_in_a_short_line(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "run_import", lambda *_: None)  # the worker is busy elsewhere
    project = new_project(client)
    codes = []
    for _ in range(uploads.MOST_WAITING + 1):
        body = {"video": send(client, project, b"x"), "name": "film"}
        codes.append(client.post(f"/api/projects/{project}/import", json=body).status_code)
    assert codes == [202] * uploads.MOST_WAITING + [429]


def test_imports_run_one_after_the_other(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may take gigabytes and a core."""
    at_work: list[int] = []
    most: list[int] = []
    all_asked = threading.Event()

    def slow(*_: Any, **__: Any) -> int:
        at_work.append(1)
        all_asked.wait(30)
        time.sleep(0.05)
        most.append(len(at_work))
        at_work.pop()
        return 1

    monkeypatch.setattr(uploads, "add_video", slow)
    project = new_project(client)
    bodies = [{"video": send(client, project, b"x"), "name": "film"} for _ in range(3)]
    jobs = [client.post(f"/api/projects/{project}/import", json=body).json() for body in bodies]
    all_asked.set()
    until = time.monotonic() + 30
    while any(
        client.get(f"/api/imports/{job['import']}").json()["state"] != "done" for job in jobs
    ):
        assert time.monotonic() < until
    assert most == [1, 1, 1]


def test_an_import_that_was_interrupted_begins_again(client: TestClient, context: Context) -> None:
    project = new_project(client)
    key = send(client, project, b"no video")
    with context.database.write() as session:
        session.execute(update(Upload).values(state="used"))
        job = Import(
            project_id=project,
            user_id=1,
            video=key,
            name="film",
            frame_step_s=2.0,
            state="running",
            detail={"server": "gone"},
        )
        session.add(job)
    sweep_uploads(context)
    context.imports.shutdown(wait=True)
    found = client.get(f"/api/imports/{job.id}").json()
    assert (found["state"], found["reason"]) == ("failed", "not_a_video")
