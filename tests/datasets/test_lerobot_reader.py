"""What LeRobot's own reader makes of an export: the same labels, and the same pictures.

The reader lives in an environment of its own, since it wants other versions of what vidact uses:
`VIDACT_LEROBOT_PYTHON` names a Python that has it; else one is made with Python 3.12 or newer,
which downloads some gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from vidact.cli import run
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.samples import iter_samples

from tests.datasets.reader_environment import python_with, read_by

LEROBOT = "lerobot[dataset]==0.6.1"
PYTHONS = ("python3.14", "python3.13", "python3.12")
READER = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

root, out = sys.argv[1:]
options = dict(root=root, video_backend="pyav", return_uint8=True)
dataset = LeRobotDataset("me/toy", **options)
items = [dataset[index] for index in range(len(dataset))]
arrays = {name: np.stack([np.asarray(item[name]) for item in items]) for name in dataset.features}
two = LeRobotDataset("me/toy", **options, delta_timestamps={"action": [0, 1 / dataset.fps]})
np.savez(out, fps=dataset.fps, two=np.asarray(two[0]["action"]), **arrays)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has LeRobot."""
    folder = tmp_path_factory.mktemp("lerobot")
    return python_with([LEROBOT], "VIDACT_LEROBOT_PYTHON", PYTHONS, folder)


@pytest.mark.soak
def test_lerobot_reads_what_was_written(
    python: str, tmp_path: Path, toy_dataset: Callable[..., str]
) -> None:
    uri = toy_dataset(str(tmp_path / "in"), {"train": [128, 100], "val": [64]})
    out = tmp_path / "out"
    assert run(["export", "lerobot", uri, "--out", str(out)]) == 0
    found = tmp_path / "found.npz"
    read_by(python, READER, tmp_path, out, found)
    read = np.load(found)
    tars = sorted(Dataset(uri).tars())
    clips = [decode_clip(key, members) for tar in tars for key, members in iter_samples(tar)]
    wanted = {
        name: np.concatenate([getattr(clip, name) for clip in clips])
        for name in ("frames", "buttons", "camera", "confidence", "buttons_prob", "camera_prob")
    }
    assert read["fps"] == 20
    assert (read["action"][:, :2] == wanted["buttons"]).all()
    assert (read["action"][:, 2:] == wanted["camera"]).all()
    assert (read["labels.confidence"] == wanted["confidence"]).all()
    assert (read["labels.buttons_prob"] == wanted["buttons_prob"]).all()
    assert (read["labels.camera_prob"] == wanted["camera_prob"][:, 0]).all()
    assert (read["two"] == read["action"][:2]).all()
    pictures = read["observation.images.screen"].transpose(0, 2, 3, 1)
    # The two environments' decoders agree; their conversions to RGB may round otherwise.
    assert np.abs(pictures.astype(int) - wanted["frames"]).max() <= 1
    assert read["episode_index"].tolist() == [0] * 128 + [1] * 100 + [2] * 64
