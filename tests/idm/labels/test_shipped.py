"""The IDM that ships labels video without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import CheckpointError
from vidact.games.config import RecordDoomConfig
from vidact.games.record_doom import record_doom
from vidact.idm.labels.checkpoint import FOLDER, load_idm, shipped, with_spec
from vidact.idm.labels.predict import Predictor
from vidact.idm.scores.metrics import Labelling

from ...games.conftest import need_vizdoom
from ...pipeline.conftest import config, moving_picture, run_label, write_video


def test_doom_ships_small_and_with_its_card() -> None:
    assert shipped() == ["doom", "doom-15hz"]
    files = {path.name: path.stat().st_size for path in (FOLDER / "doom").iterdir()}
    assert set(files) == {"model.safetensors", "config.json", "game.safetensors", "README.md"}
    assert files["model.safetensors"] <= 5_000_000
    checkpoint = load_idm("doom")
    assert checkpoint.config["spec"]["name"] == "doom"
    assert f"`{checkpoint.sha256[:12]}`" in (FOLDER / "doom" / "README.md").read_text()


def test_for_slow_video_it_ticks_with_its_frames() -> None:
    slow, usual = (Predictor.load(name, device="cpu", threads=1) for name in ("doom-15hz", "doom"))
    assert (slow.spec.name, slow.spec.tick_hz) == ("doom-15hz", 15)
    assert slow.sha256 != usual.sha256
    assert slow.game is not None
    assert usual.game is not None
    assert slow.game.every == 5  # three times a second
    changed = ActionSpec.load("doom").to_dict() | {"axes": []}
    with pytest.raises(CheckpointError, match="other buttons or axes"):
        with_spec(load_idm("doom"), ActionSpec.from_dict(changed))


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
    assert run_label(config(tmp_path / "a.mp4", "doom", tmp_path / "data", any_game=True)) == 0
    rows = Dataset(tmp_path / "data").manifest().to_pylist()
    assert sum(row["frames"] for row in rows) >= 64
    assert all(np.isfinite(row["mean_confidence"]) for row in rows)


def test_it_labels_no_film(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_picture(200, seed=1))
    assert run_label(config(tmp_path / "a.mp4", "doom", tmp_path / "data", verify=False)) == 0
    dataset = Dataset(tmp_path / "data")
    assert dataset.manifest().num_rows == 0
    assert dataset.dead_letters()["reason"].to_pylist() == ["not_the_game"]


def test_bfloat16_decides_as_float32_does(tmp_path: Path) -> None:
    """In at least 99.5 % of the ticks: all buttons, and each axis within a bin."""
    need_vizdoom()
    record_doom(RecordDoomConfig(out=str(tmp_path), minutes=0.25, maps="MAP05", seed=7))
    (recording,) = find_recordings([str(tmp_path)])

    def labels(precision: str) -> tuple[np.ndarray, np.ndarray]:
        idm = Predictor.load("doom", precision=precision)
        frames = [batch.frames for batch in recording.frames(idm.spec)]
        whole = (0, sum(map(len, frames)))
        found = Labelling.joined(idm.predict(frames, start=0, stretch=whole, keep=whole))
        return found.buttons, idm.spec.quantise(found.camera.astype(np.float64))

    (buttons, bins), (exact_buttons, exact_bins) = labels("bfloat16"), labels("float32")
    assert len(buttons) == 263
    assert exact_buttons.any()
    assert (buttons == exact_buttons).all(1).mean() >= 0.995
    assert (np.abs(bins - exact_bins) <= 1).all(1).mean() >= 0.995
