"""Uploads: strangers' bytes, read only by a limited child process, under names of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from vidact.datasets.actions.devices import device_state_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.errors import ConfigError, VidactError, VideoError
from vidact.labeling_tool.app import create_app
from vidact.labeling_tool.config import ServeConfig
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.videos import find_videos
from vidact.labeling_tool.pictures import sandbox as limited
from vidact.labeling_tool.serve import serve
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


def stored(context: Context) -> list[str]:
    return sorted(path.suffix for path in (context.folder / "uploads").iterdir())


def test_a_video_becomes_tasks(client: TestClient, context: Context, tmp_path: Path) -> None:
    project = new_project(client)
    film = barcodes.write(tmp_path / "film.mp4", 100)
    key = send(client, project, film.read_bytes())
    body = {"video": key, "name": "../../etc/passwd", "frame_step_s": 0.5}
    answer = client.post(f"/api/projects/{project}/import", json=body)
    assert (answer.status_code, answer.json()) == (201, {"tasks": 1})
    assert stored(context) == [".mp4"]
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    task = client.get(f"/api/assignments/{work}").json()["task"]
    assert task["source"] == ".. .. etc passwd"
    assert client.get(task["pictures"]).status_code == 200


def test_a_recording_becomes_tasks(client: TestClient, tmp_path: Path) -> None:
    project = new_project(client, "actions")
    spec = ActionSpec.load("doom")
    with RecordingWriter(
        tmp_path / "play", fps=spec.tick_hz, size=(barcodes.WIDTH, barcodes.HEIGHT)
    ) as writer:
        for t in range(70):
            buttons = np.zeros(spec.num_buttons, np.uint8)
            buttons[0] = t >= 35
            writer.write(
                barcodes.picture(t), device_state_of(spec, buttons, np.zeros(spec.num_axes))
            )
    video = send(client, project, (tmp_path / "play.mp4").read_bytes())
    lines = send(client, project, (tmp_path / "play.jsonl").read_bytes())
    answer = client.post(
        f"/api/projects/{project}/import", json={"video": video, "lines": lines, "name": "play"}
    )
    assert answer.json() == {"tasks": 1}
    work = client.post(f"/api/projects/{project}/claim", json={}).json()["assignment"]
    predictions = client.get(f"/api/assignments/{work}").json()["predictions"]
    assert predictions["buttons"][0] == "0" * 35 + "1" * 35


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
    answer = client.post(f"/api/projects/{project}/import", json={"video": key, "name": "film"})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("film cannot be used")
    assert str(context.folder) not in answer.text  # nobody learns where things lie
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
            {"do": "probe", "path": str(film), "out": str(tmp_path / "index")}, wall_s=0.01
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
