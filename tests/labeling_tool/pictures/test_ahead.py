"""Pictures are there before anybody opens a task, at nobody's cost: neither of those who wait, nor
of what has been looked at.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from vidact.errors import VideoError
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.pictures import ahead, rendering
from vidact.labeling_tool.pictures.ahead import begin_ahead, make_ahead
from vidact.labeling_tool.store.bundles import BundleStore
from vidact.labeling_tool.store.models import Source, Task

from tests.labeling_tool import barcodes
from tests.labeling_tool.browsing import until
from tests.labeling_tool.routes.test_uploads import imported, new_project, send
from tests.labeling_tool.seeding import add_tasks


def bundles(context: Context) -> int:
    return len(list(context.bundles.folder.glob("*/*.vab")))


def some(context: Context, count: int, monkeypatch: pytest.MonkeyPatch, size: int = 10) -> int:
    """A project whose tasks' bundles are made at once, each of `size` bytes; its id."""

    def render(context: Context, recipe: dict[str, Any], out: Path, *, nice: int = 0) -> None:
        assert nice > 0  # it stands back
        out.write_bytes(b"x" * size)

    monkeypatch.setattr(ahead, "render", render)
    project = add_tasks(context, count)
    with context.database.write() as session:
        for i, task in enumerate(session.scalars(select(Task))):
            task.lineage = {**task.lineage, "pts_ns": [i]}  # each shows something else
    return project


def test_an_import_makes_the_pictures_of_its_tasks(
    client: Any, context: Context, tmp_path: Path
) -> None:
    film = barcodes.write(tmp_path / "film.mp4", 200)
    project = new_project(client)
    key = send(client, project, film.read_bytes())
    imported(client, project, video=key, name="film", frame_step_s=0.05)
    with context.database.read() as session:
        rows = session.execute(select(Task, Source).join(Source)).tuples().all()
        recipes = [rendering.recipe_of(task, source) for task, source in rows]
    assert len(recipes) == 3
    until(lambda: bundles(context) == 3)
    # What the page asks for is there: nobody renders it.
    for recipe in recipes:
        context.bundles.get(recipe, lambda recipe, out: pytest.fail("it was not there"))


def test_nothing_is_made_ahead_while_somebody_waits(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = some(context, 3, monkeypatch)
    go_on, rendering_now = threading.Event(), threading.Event()

    def slow(recipe: dict[str, Any], out: Path) -> None:
        rendering_now.set()
        assert go_on.wait(30)
        out.write_bytes(b"x")

    waited_for = context.bundles.prepare({"a": 1}, slow)
    assert rendering_now.wait(30)
    looks: list[bool] = []

    def look(store: BundleStore) -> bool:
        looks.append(bool(store._under_way))
        return looks[-1]

    monkeypatch.setattr(BundleStore, "is_busy", property(look))
    monkeypatch.setattr(ahead, "LOOK_S", 0.01)
    begin_ahead(context, project)
    until(lambda: len(looks) >= 20)
    assert all(looks)
    assert bundles(context) == 0
    go_on.set()
    waited_for.result(30)
    until(lambda: bundles(context) == 4)


def test_a_server_that_ends_waits_for_no_more_than_the_one_that_is_made(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = some(context, 50, monkeypatch)
    made: list[int] = []
    begun = threading.Event()

    def slow(context: Context, recipe: dict[str, Any], out: Path, *, nice: int = 0) -> None:
        made.append(1)
        begun.set()
        assert context.closing.wait(30)
        out.write_bytes(b"x")

    monkeypatch.setattr(ahead, "render", slow)
    begin_ahead(context, project)
    assert begun.wait(30)
    for _ in range(3):  # imports of more of it, whose tasks one further look will find
        begin_ahead(context, project)
    assert context.ahead._work_queue.qsize() == 1
    context.close()
    begin_ahead(context, project)  # of an import that ends just then: no error
    assert made == [1]


def test_what_is_made_ahead_pushes_nothing_out(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = some(context, 20, monkeypatch, size=100)
    context.bundles.quota = 1000
    looked_at = context.bundles.get({"a": 1}, lambda recipe, out: _write(out, 300))
    os.utime(looked_at, (1, 1))  # long ago: it would be the first to go
    assert make_ahead(context, project) == 5
    assert looked_at.exists()
    assert make_ahead(context, project) == 0  # again: what is there is left alone
    assert bundles(context) == 6


def test_a_source_that_is_gone_is_given_up(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = some(context, 30, monkeypatch)
    tried: list[str] = []

    def gone(context: Context, recipe: dict[str, Any], out: Path, *, nice: int = 0) -> None:
        tried.append(recipe["uri"])
        raise VideoError("gone", recipe["uri"], "it is gone")

    monkeypatch.setattr(ahead, "render", gone)
    assert make_ahead(context, project) == 0
    assert len(tried) == ahead.MOST_FAILURES


def test_over_its_quota_the_store_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = BundleStore(tmp_path, 1000)
    made = [store.get({"a": i}, lambda recipe, out: _write(out, 300)) for i in range(3)]
    for age, path in zip((2, 3, 1), made, strict=True):
        os.utime(path, (age, age))
    store.get({"a": 3}, lambda recipe, out: _write(out, 300))
    assert [path.exists() for path in made] == [True, True, False]
    (tmp_path / "aa").mkdir(exist_ok=True)
    left = tmp_path / "aa" / ".key.vab.1.tmp"  # of a server that was killed
    left.write_bytes(b"x")
    os.utime(left, (1, 1))
    assert store.forget() == 2  # those of 1970
    assert not left.exists()
    store.close()


def test_what_was_just_asked_for_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(recipe: dict[str, Any], out: Path) -> None:
        _write(out, 300)

    store = BundleStore(tmp_path, 100)  # less than one takes
    path = store.get({"a": 0}, render)
    assert path.exists()
    os.utime(path, (1, 1))
    listed = store._files()
    monkeypatch.setattr(store, "_files", lambda: listed)
    assert store.get({"a": 0}, render) == path  # after they were listed
    assert store.forget() == 0
    assert path.exists()
    store.close()


def _write(out: Path, size: int) -> None:
    out.write_bytes(b"x" * size)
