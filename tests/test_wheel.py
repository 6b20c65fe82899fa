"""A wheel holds the labeling tool's pages, or is not made."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_a_clone_without_bundled_pages_makes_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    folder, name = system["backend-path"][0], system["build-backend"]
    place = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    assert place is not None
    assert place.loader is not None
    backend = importlib.util.module_from_spec(place)
    place.loader.exec_module(backend)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"labeling_tool/static/index\.html is missing"):
        backend.build_wheel(str(tmp_path))
    built: list[str] = []
    monkeypatch.setattr(backend.build_meta, "build_wheel", built.append)
    page = tmp_path / "labeling_tool" / "static" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    backend.build_wheel("wheels")
    assert built == ["wheels"]
    assert callable(backend.build_editable)
