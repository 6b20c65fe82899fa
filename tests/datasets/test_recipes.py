"""Reading shards without us: every recipe of docs/reference/dataset.md, run as it stands there,
gives the clips' own labels.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.shards.clip import Clip, clip_key, clip_meta
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "dataset.md"
CHECKED = """
import json
found = {{}}
for key, frames, buttons, camera in samples({dataset!r}):
    turned = [round(float(c), 5) for c in camera[:, 0]]
    found[key] = [list(frames.shape), int(frames[:, 8, 16].sum()), buttons.tolist(), turned]
print(json.dumps(found))
"""
HUGGING_FACE = importlib.util.find_spec("huggingface_hub") is not None  # `datasets` might be ours
needs_hugging_face = pytest.mark.skipif(
    not HUGGING_FACE, reason="Hugging Face datasets is not installed"
)


def recipe(title: str) -> str:
    """The first Python block below a heading of docs/reference/dataset.md."""
    section = DOCS.read_text(encoding="utf-8").split(f"### {title}\n", 1)[1]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)


def run(code: str, folder: Path) -> str:
    """In a process of its own and another folder, where `datasets` is Hugging Face's library
    and not ours.
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, toy_dataset):
    return toy_dataset(str(tmp_path_factory.mktemp("data")), {"train": [160, 100, 64], "val": [64]})


@pytest.mark.parametrize(
    ("title", "package"),
    [
        ("Plain webdataset", "webdataset"),
        ("Hugging Face datasets", "datasets"),
        ("Nothing but tar and NumPy", "tarfile"),
    ],
)
def test_recipe(title, package, dataset, tmp_path, toy_clip):
    if package == "datasets" and importlib.util.find_spec("xxhash") is None:
        pytest.skip("Hugging Face datasets is not installed")
    found = json.loads(run(recipe(title) + CHECKED.format(dataset=dataset), tmp_path))
    assert sorted(found) == [
        "000000000001-000000000",
        "000000000001-000000064",
        "000000000001-000000128",
        "000000000002-000000000",
        "000000000002-000000064",
        "000000000003-000000000",
    ]
    for key, (shape, grey, buttons, camera) in found.items():
        clip = toy_clip(int(key[:12], 16), int(key[13:]), int(key[13:]) + len(buttons))
        assert shape == [clip.ticks, 16, 32, 3]
        assert grey == pytest.approx(int(clip.frames[:, 8, 16].sum()), rel=0.02)
        assert buttons == clip.buttons.tolist()
        assert camera == pytest.approx(clip.camera[:, 0].tolist(), abs=1e-4)


def test_the_loaders_recipe(dataset, tmp_path):
    code = (
        recipe("vidact's loader")
        .replace('"runs/dataset"', repr(dataset))
        .replace("batch_size=8", "batch_size=2")
    )
    assert "train_step" in code
    assert run(
        "seen = []\ndef train_step(batch): seen.append(batch.frames.shape)\n"
        + code
        + "\nprint(len(seen))",
        tmp_path,
    )


def test_the_cards_webdataset_lines_read_a_dataset_without_a_first_shard(
    toy_dataset, toy_spec, toy_clip, tmp_path
):
    out = str(tmp_path / "data")
    with ShardWriter(out, "val-00000", toy_spec) as writer:
        writer.drop("menu", 90)
        writer.commit()
    with ShardWriter(out, "val-00001", toy_spec) as writer:
        writer.add(toy_clip(1, 0, 64, split="val"))
        writer.commit()
    Dataset(out).compact(DatasetInfo(name="Toy", spec=toy_spec))
    card = (tmp_path / "data" / "README.md").read_text(encoding="utf-8").replace("PATH", out)
    (snippet,) = re.findall(r"^import glob, webdataset.*?\.\.\.$", card, re.DOTALL | re.MULTILINE)
    assert run(snippet.replace("...", 'print(sample["__key__"])'), tmp_path).split() == [
        "000000000001-000000000"
    ]
    assert 'batch_size=8, split="val"' in card


@pytest.fixture
def no_axes(tmp_path):
    """A dataset of Crafter, whose arrays of the camera have no columns."""
    spec = ActionSpec.load("crafter")
    ticks = 32
    buttons = np.zeros((ticks, spec.num_buttons), np.uint8)
    clip = Clip(
        key=clip_key("ab" * 32, 0),
        frames=np.zeros((ticks, spec.frame.height, spec.frame.width, 3), np.uint8),
        buttons=buttons,
        buttons_prob=buttons.astype(np.float16),
        camera=np.zeros((ticks, 0), np.float32),
        camera_prob=np.zeros((ticks, 0, 0), np.float16),
        confidence=np.ones(ticks, np.float16),
        valid=np.ones(ticks, bool),
        meta=clip_meta(
            source_uri="a.mp4",
            source_sha256="ab" * 32,
            episode_id="a",
            start_tick=0,
            pts_ns=np.arange(ticks),
            spec_sha256=spec.sha256,
            split="train",
        ),
    )
    out = str(tmp_path / "crafter")
    with ShardWriter(out, "train-00000", spec) as writer:
        writer.add(clip)
        writer.commit()
    Dataset(out).compact(DatasetInfo(name="Crafter", spec=spec))
    return out


def test_a_spec_without_axes(no_axes):
    assert check_dataset(Dataset(no_axes)).problems == []
    assert next(iter(ClipLoader([no_axes], batch_size=1))).camera.shape == (1, 128, 0)


@needs_hugging_face
def test_hugging_face_takes_splits_from_the_card_and_arrays_without_columns(
    dataset, no_axes, tmp_path
):
    code = f"""
from datasets import Video, load_dataset
splits = load_dataset({dataset!r}, streaming=True)
validation = splits["validation"].cast_column("mp4", Video(decode=False))
print(sorted(splits), next(iter(validation))["__key__"])
crafter = load_dataset({no_axes!r}, split="train", streaming=True)
crafter = crafter.cast_column("mp4", Video(decode=False))
print(len(next(iter(crafter))["npz"]["buttons"]))
"""
    assert run(code, tmp_path).splitlines() == [
        "['train', 'validation'] 000000000004-000000000",
        "32",
    ]


def test_another_recorder_s_play_is_written_and_moved_as_the_guide_says(tmp_path):
    guide = DOCS.parents[1] / "guides" / "your_own_game.md"
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    moved, written = blocks
    recorded = """
import numpy
def recorded():
    for number in range(40):
        yield numpy.zeros((360, 640, 3), numpy.uint8), ("key.keyboard.w",), number, 0
"""
    run(recorded + written + moved, tmp_path)
    recording = Recording.open(tmp_path / "mine" / "monday")
    assert recording.meta["latency_ms"] == 133
    assert [state.dx for state in recording.states[4:]] == list(range(36))  # four of 33 ms
    assert recording.states[-1].keys == ("key.keyboard.w",)
