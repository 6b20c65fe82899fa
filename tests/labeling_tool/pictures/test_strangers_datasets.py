"""A stranger's dataset opens no file and no address but those that the operator named."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from vidact.errors import ConfigError, VideoError
from vidact.labeling_tool.config import ServeConfig
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.datasets import import_dataset
from vidact.labeling_tool.pictures import fetching, rendering
from vidact.labeling_tool.routes import work as work_routes
from vidact.labeling_tool.store.allowed_sources import AllowedSources, require_safe_name
from vidact.labeling_tool.store.bundles import BundleStore, pack, unpack

from tests.labeling_tool import barcodes
from tests.labeling_tool.conftest import open_context
from tests.labeling_tool.datasets import make_dataset
from tests.labeling_tool.pictures.test_pictures import tasks_of
from tests.labeling_tool.seeding import add_tasks


def test_what_lies_elsewhere_is_not_opened(tmp_path: Path) -> None:
    """The clip's own pictures are shown, and nothing says whether the file is there."""
    (tmp_path / "allowed").mkdir()
    film = barcodes.write(tmp_path / "film.mp4", 120)
    dataset = make_dataset(tmp_path / "dataset", [film], clips=1)
    context = open_context(tmp_path / "data", source_root=(str(tmp_path / "allowed"),))
    try:
        project, _ = import_dataset(context, dataset, clips=1, random_fraction=0.0)
        ((task, source),) = tasks_of(context, project)
        recipe = rendering.recipe_of(task, source)
        said = []
        for there in (True, False):
            if not there:
                film.unlink()
            rendering.render(context, recipe, tmp_path / "out")
            _, head = unpack((tmp_path / "out").read_bytes())
            said.append((head["from"], head["why"]))
        assert said[0] == said[1]
        assert said[0][0] == "clip"
        assert "--source-root" in said[0][1]
        # A preview that is a link to somewhere else is none.
        previews = tmp_path / "dataset" / "previews"
        previews.mkdir()
        secret = barcodes.write(tmp_path / "secret.mp4", 64, first=500)
        preview = previews / f"{recipe['row']['key']}.mp4"
        preview.symlink_to(secret)
        rendering.render(context, recipe, tmp_path / "out")
        assert unpack((tmp_path / "out").read_bytes())[1]["from"] == "clip"
        # Nor is a text that names another file.
        preview.unlink()
        secret.rename(previews / "secret.mp4")
        preview.write_text("ffconcat version 1.0\nfile secret.mp4\n")
        rendering.render(context, recipe, tmp_path / "out")
        assert unpack((tmp_path / "out").read_bytes())[1]["from"] == "clip"
    finally:
        context.close()


def test_folders_and_hosts_that_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "link.mp4").symlink_to("/etc/passwd")
    allowed = AllowedSources(
        [str(tmp_path / "videos")], ["https://Videos.example.org", "s3://ours"]
    )
    for uri in (
        str(tmp_path / "videos" / "deep" / "film.mp4"),
        "https://videos.example.org/film.mp4",
        "s3://ours/film.mp4",
    ):
        allowed.require(uri)
    for uri in (
        "/etc/passwd",
        str(tmp_path / "videos" / ".." / "film.mp4"),
        str(tmp_path / "videos" / "link.mp4"),
        f"file://{tmp_path}/film.mp4",
        "http://videos.example.org/film.mp4",
        "https://videos.example.org.evil.example/film.mp4",
        "https://videos.example.org@evil.example/film.mp4",
        "http://127.0.0.1:1/latest/meta-data",
        "s3://theirs/film.mp4",
        "simplecache::http://127.0.0.1/film.mp4",
    ):
        with pytest.raises(VideoError, match="not allowed"):
            allowed.require(uri)
    for name in ("../../film", "/etc/passwd", "", ".hidden", "a/b"):
        with pytest.raises(VideoError, match="not allowed"):
            require_safe_name(name, "clip")
    with pytest.raises(ConfigError, match="source_host"):
        ServeConfig(data="labels", source_host=("videos.example.org",))


def test_fetching_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/films/film.mp4", b"x" * (3 << 20))
    context = open_context(tmp_path / "data", upload_mib=2)
    try:
        with pytest.raises(VideoError, match="too large"):
            fetching.fetch(context, "memory://films/film.mp4")
        assert list(fetching.folder_of(context).glob("*.mp4")) == []
        monkeypatch.setattr(fetching, "LONGEST_S", -1.0)
        with pytest.raises(VideoError, match="timeout"):
            fetching.fetch(context, "memory://films/film.mp4")
    finally:
        context.close()
        memory.rm("/films", recursive=True)


def test_of_too_many_copies_those_of_longest_ago_go_and_none_in_use(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    context = open_context(tmp_path / "data", pictures_mib=1)  # 256 KiB of it for copies

    def fetched(name: str, hours_ago: float = 0.0) -> Path:
        memory.pipe(f"/films/{name}.mp4", b"x" * 100_000)
        path = fetching.fetch(context, f"memory://films/{name}.mp4")
        if hours_ago:
            os.utime(path, (time.time() - hours_ago * 3600,) * 2)
        return path

    try:
        copies = [fetched(str(hours), hours) for hours in (4, 2, 3)]
        fetched("2")  # asked for again
        fetching.forget_fetched(context, 24 * 3600)
        assert [path.exists() for path in copies] == [False, True, True]
        copies += [fetched("new"), fetched("newer")]
        fetching.forget_fetched(context, 24 * 3600)  # too many, but in use
        assert [path.exists() for path in copies] == [False, True, False, True, True]
    finally:
        context.close()
        memory.rm("/films", recursive=True)


def test_no_request_waits_for_pictures_and_failures_are_remembered(
    client: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_tasks(context, 1)
    made: list[int] = []
    go_on = threading.Event()

    def slow(_: Any, recipe: Any, out: Path) -> None:
        made.append(1)
        go_on.wait(10)
        out.write_bytes(pack([b"x"], {}))

    monkeypatch.setattr(rendering, "render", slow)
    monkeypatch.setattr(work_routes, "PICTURES_WAIT_S", 0.05)
    frames = client.post(f"/api/projects/{project}/claim", json={}).json()["frames"]
    first = client.get(frames)
    assert (first.status_code, first.headers["retry-after"]) == (202, "1")
    go_on.set()
    until = time.monotonic() + 10
    while (answer := client.get(frames)).status_code == 202 and time.monotonic() < until:
        time.sleep(0.01)
    assert (answer.status_code, made) == (200, [1])
    assert answer.headers["cache-control"] == "private, no-store"


def test_what_cannot_be_rendered_is_not_tried_at_each_request(tmp_path: Path) -> None:
    store = BundleStore(tmp_path, 1 << 30)
    tried: list[int] = []

    def fail(recipe: dict[str, Any], out: Path) -> None:
        tried.append(1)
        raise VideoError("gone", "film.mp4", "it is gone")

    for _ in range(5):
        with pytest.raises(VideoError, match="gone"):
            store.get({"a": 1}, fail)
    assert tried == [1]
    store.close()
