"""The IDM that ships labels video without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.cli import run
from vidact.datasets.manifest import read_manifest
from vidact.errors import CheckpointError
from vidact.idm.shipped import FOLDER, load_idm, shipped

from ..pipeline.conftest import moving_picture, write_video


def test_doom_ships_small_and_with_its_card() -> None:
    assert shipped() == ["doom"]
    files = {path.name: path.stat().st_size for path in (FOLDER / "doom").iterdir()}
    assert set(files) == {"model.safetensors", "config.json", "README.md"}
    assert files["model.safetensors"] <= 5_000_000
    checkpoint = load_idm("doom")
    assert checkpoint.config["spec"]["name"] == "doom"
    assert f"`{checkpoint.sha256[:12]}`" in (FOLDER / "doom" / "README.md").read_text()


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "doom").mkdir()
    assert load_idm("doom").uri == str(FOLDER / "doom")
    (tmp_path / "doom" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"it has no model\.safetensors"):
        load_idm("doom")
    with pytest.raises(CheckpointError, match="by name there are: doom"):
        load_idm("quake")


def test_label_with_it(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_picture(200, seed=1))
    words = ["label", str(tmp_path / "a.mp4"), "--idm", "doom", "--out", str(tmp_path / "data"), "--workers", "1"]
    assert run(words) == 0
    rows = read_manifest(str(tmp_path / "data")).to_pylist()
    assert sum(row["frames"] for row in rows) >= 64
    assert all(np.isfinite(row["mean_confidence"]) for row in rows)
