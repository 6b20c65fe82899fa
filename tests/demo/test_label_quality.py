from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.config import PackConfig
from vidact.datasets.pack import pack
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.shards.dataset import Dataset
from vidact.demo.demo import hide_truth
from vidact.demo.label_quality import label_quality, labelled_strips
from vidact.demo.worlds import LABELLED_MAPS, UNLABELLED_MAPS
from vidact.errors import DatasetError
from vidact.games.doom.maps import TEST_MAPS, VALIDATION_MAPS

FRAMES = 160  # at 35 frames/s: 80 ticks
DOOM = "doom"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two recordings: forward held in the first half, the mouse turning right and left again."""
    folder = tmp_path / "truth"
    folder.mkdir()
    for name, offset in (("a", 0), ("b", 90)):
        meta = {"map": name.upper(), "game": DOOM}
        with RecordingWriter(folder / name, fps=Fraction(35), size=(160, 120), meta=meta) as writer:
            for i in range(FRAMES):
                keys = ("key.keyboard.w",) if i < FRAMES // 2 else ()
                frame = np.full((120, 160, 3), (i + offset) % 256, np.uint8)
                writer.write(frame, DeviceState(keys=keys, dx=20.0 if i % 40 < 20 else -20.0))
    return folder


@pytest.fixture
def dataset(truth: Path, tmp_path: Path) -> Path:
    pack(
        PackConfig(
            recordings=(str(truth),),
            out=str(tmp_path / "dataset"),
            spec=DOOM,
            val_fraction=0,
            test_fraction=0,
        )
    )
    return tmp_path / "dataset"


def test_true_labels_are_right(dataset: Path, truth: Path) -> None:
    quality = label_quality(Dataset(dataset), truth)
    assert quality["recordings"] == 2
    assert quality["ticks"] == 2 * 80
    assert quality["keypress_accuracy"] == 1.0
    assert quality["macro_f1"] == 1.0
    assert quality["mouse_r2"]["yaw"] == pytest.approx(1.0)
    assert quality["mouse_r2"]["pitch"] is None  # it never moves
    assert quality["tick_error"] == 0.0
    assert quality["error_at_80"] == 0.0
    assert quality["reliability"] == {"confidence": [1.0], "right": [1.0], "ticks": [160]}
    assert quality["true_press_share"]["forward"] == 0.5
    assert quality["ci95"]["keypress_accuracy"] == [1.0, 1.0]


def test_wrong_labels_are_counted(dataset: Path, truth: Path) -> None:
    lines = (truth / "a.jsonl").read_text().splitlines()
    altered = [json.loads(line) for line in lines]
    for state in altered[120:]:  # in truth, attack was held in the last 20 ticks of one recording
        state["mouse"]["buttons"] = [0]
    (truth / "a.jsonl").write_text("".join(json.dumps(state) + "\n" for state in altered))
    quality = label_quality(Dataset(dataset), truth)
    assert quality["keypress_accuracy"] == pytest.approx(1 - 20 / (160 * 14))
    assert quality["macro_f1"] == 0.5  # forward 1, attack 0
    assert quality["tick_error"] == pytest.approx(20 / 160)
    assert quality["reliability"]["right"] == [pytest.approx(140 / 160)]
    assert quality["true_press_share"]["attack"] == pytest.approx(20 / 160)


def test_a_source_without_its_truth_is_an_error(dataset: Path, truth: Path) -> None:
    for path in truth.glob("b.*"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"there is no true recording of .*b\.mp4"):
        label_quality(Dataset(dataset), truth)


def test_strips_show_whole_clips_of_different_recordings_with_their_truth(
    dataset: Path, truth: Path
) -> None:
    strips = labelled_strips(Dataset(dataset), truth, 3)
    assert sorted(strip.caption[:5] for strip in strips) == ["Map A", "Map B"]
    for strip in strips:
        assert strip.frames.shape == (80, 128, 128, 3)
        assert "forward" in strip.button_names
        assert strip.true_buttons is not None
        assert (strip.true_buttons == strip.buttons).all()
        assert strip.true_camera == pytest.approx(strip.camera)


def test_clips_are_read_a_recording_at_a_time(
    dataset: Path, truth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "manifest", None)  # rows of all clips at once
    assert label_quality(Dataset(dataset), truth)["ticks"] == 2 * 80
    assert len(labelled_strips(Dataset(dataset), truth, 3)) == 2


def test_only_videos_leave_the_folder_of_truth(truth: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    hide_truth(truth, videos)
    hide_truth(truth, videos)  # again, after an interruption
    assert sorted(path.name for path in videos.iterdir()) == ["a.mp4", "b.mp4"]
    assert (videos / "a.mp4").read_bytes() == (truth / "a.mp4").read_bytes()


def test_no_map_is_in_two_piles() -> None:
    piles = [LABELLED_MAPS, UNLABELLED_MAPS, VALIDATION_MAPS, TEST_MAPS]
    assert len({name for pile in piles for name in pile}) == sum(map(len, piles)) == 68
