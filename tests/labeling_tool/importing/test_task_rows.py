"""A project is found again by what it was made of, whatever it is called by now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import DatasetError
from vidact.labeling_tool.context import Context
from vidact.labeling_tool.importing.task_rows import get_project
from vidact.labeling_tool.store.models import Project


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
