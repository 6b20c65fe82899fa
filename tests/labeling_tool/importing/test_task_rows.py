"""A project is found again by what it was made of, whatever it is called by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import DatasetError
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing import task_rows
from vidact.labeling_tool.importing.task_rows import add_tasks, get_project, get_source
from vidact.labeling_tool.store.models import Project, Task


def find(context: Context, name: str, origin: Path | str, spec: ActionSpec) -> int:
    with context.database.write() as session:
        return get_project(session, name, spec, origin=str(origin)).id


def test_a_renamed_project_is_found_and_others_are_not_mixed(
    context: Context, tmp_path: Path
) -> None:
    spec = ActionSpec.load("doom")
    one, two = tmp_path / "one" / "dataset", tmp_path / "two" / "dataset"
    for folder in (one, two):
        folder.mkdir(parents=True)
    first = find(context, "Review of dataset", one, spec)
    with context.database.write() as session:
        session.get_one(Project, first).name = "Doom, November"
    assert find(context, "Review of dataset", one, spec) == first
    second = find(context, "Review of dataset", two, spec)
    assert second != first
    one.rename(tmp_path / "one" / "moved")
    with context.database.write() as session:
        session.get_one(Project, first).name = "Review of moved"
    assert find(context, "Review of moved", tmp_path / "one" / "moved", spec) == first
    with pytest.raises(DatasetError, match="of other actions"):
        find(context, "Review of dataset", two, replace(spec, name="other"))


def test_a_project_of_before_is_adopted(context: Context, tmp_path: Path) -> None:
    spec = ActionSpec.load("doom")
    with context.database.write() as session:
        old = get_project(session, "Review of dataset", spec).id
    assert find(context, "Review of dataset", tmp_path / "dataset", spec) == old


def test_a_large_import_is_many_small_transactions(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever saves in between waits for a few tasks, not for a whole file."""
    monkeypatch.setattr(task_rows, "COMMIT_TASKS", 20)
    with context.database.write() as session:
        project = get_project(session, "frames", None)
        facts: dict[str, Any] = {"kind": "video", "name": "film", "uri": "/film.mp4"}
        source = get_source(session, project, **facts, sha256="ab" * 32, meta={})
    seen: list[int] = []

    def tasks() -> Iterator[dict[str, Any]]:
        for number in range(50):
            if number % 20 == 0:
                with context.database.read() as session:  # what others see meanwhile
                    seen.append(session.scalars(select(func.count()).select_from(Task)).one())
            identity = {"identity": f"frames{number}", "pts_ns": [0, 1], "lineage": {}}
            yield {**identity, "gain": 0.0, "labels": None}

    assert add_tasks(context.database, project, source, tasks()) == 50
    assert seen == [0, 20, 40]
