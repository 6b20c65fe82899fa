"""`export owamcap`: what is written imports as it was, and a stopped run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.cli import run
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.formats.owamcap_writer import OwamcapWriter, not_carried, read_metadata
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter

from tests.datasets.conftest import TOY_SPEC
from tests.datasets.test_export_lerobot import clips_of

pytest.importorskip("mcap")

# Two clips of one episode, what a gap leaves of another, and one of another split.
EPISODES = {"train": [(1, 0, 128), (2, 0, 64), (2, 96, 160)], "val": [(3, 0, 40)]}


@pytest.fixture(scope="module")
def dataset(
    tmp_path_factory: pytest.TempPathFactory, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> str:
    """The episodes above: turns of whole pixels, buttons at random, ticks without a label."""
    uri = str(tmp_path_factory.mktemp("data"))
    random = np.random.default_rng(0)
    for split, episodes in EPISODES.items():
        with ShardWriter(uri, f"{split}-00000", toy_spec) as writer:
            for source, first, end in episodes:
                for start in range(first, end, 64):
                    clip = toy_clip(source, start, min(start + 64, end), split=split, group="g")
                    clip.buttons = random.integers(0, 2, clip.buttons.shape).astype(np.uint8)
                    clip.camera = random.integers(-9, 9, clip.camera.shape).astype(np.float32) / 2
                    clip.valid[10:13] = clip.valid[-1] = False
                    clip.meta["licence"] = "CC-BY-4.0"
                    writer.add(clip)
            writer.commit()
    Dataset(uri).compact(DatasetInfo(name="Toy", spec=toy_spec))
    return uri


def check_same(uri: str, out: Path, spec: ActionSpec, mine: Path) -> None:
    """Import the export, and compare every label that there is with the dataset's."""
    clips = clips_of(uri)
    assert run(["import", "owamcap", str(out), "--out", str(mine)]) == 0
    report = json.loads((mine / "import_report.json").read_bytes())
    assert report["recordings"] == {"imported": 4}
    assert set(report["mended_lines"]) == {"focus_lost", "uncertain_lines"}
    for split, episodes in EPISODES.items():
        for source, first, end in episodes:
            own = [
                clips[f"{source:012x}-{start:09d}"]
                for start in range(first, end, 64 if end - first > 64 else end - first)
            ]
            recording = Recording.open(mine / split / own[0].key)
            actions = recording.actions(spec)
            valid = np.concatenate([clip.valid for clip in own])
            assert (actions.valid == valid).all()
            for name in ("buttons", "camera"):
                expected = np.concatenate([getattr(clip, name) for clip in own])
                assert getattr(actions, name)[valid].tobytes() == expected[valid].tobytes()
            frames = np.concatenate([batch.frames for batch in recording.frames(spec)])
            wanted = np.concatenate([clip.frames for clip in own])
            assert np.abs(frames.astype(int) - wanted).mean() < 3  # encoded again
            assert recording.fps == 20
            assert {state.label_source for state in recording.states} == {"idm"}
            told = {"license": "CC-BY-4.0", "group": "g", "label_source": "idm"}
            assert recording.meta == recording.meta | told


def test_labels_come_back_bit_for_bit(dataset: str, tmp_path: Path, toy_spec: ActionSpec) -> None:
    out = tmp_path / "out"
    assert run(["export", "owamcap", dataset, "--out", str(out)]) == 0
    check_same(dataset, out, toy_spec, tmp_path / "mine")
    told = read_metadata(out / "train" / "000000000002-000000096.mcap")
    assert (told["ticks"], told["start_tick"], told["fps"]) == ("64", "96", "20")
    assert ActionSpec.from_dict(json.loads(told["spec"])).sha256 == toy_spec.sha256
    assert "4 recordings" in (out / "README.md").read_text()
    assert run(["export", "owamcap", dataset, "--out", str(out), "--split", "val"]) == 2
    assert run(["export", "owamcap", dataset, "--out", "s3://bucket/x"]) == 2


def test_a_stopped_run_goes_on(
    dataset: str, tmp_path: Path, toy_spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, added = tmp_path / "out", []
    words = ["export", "owamcap", dataset, "--out", str(out)]
    add = OwamcapWriter.add

    def stopping(writer: OwamcapWriter, state: DeviceState) -> None:
        add(writer, state)
        added.append(state)
        if len(added) in (150, 230):
            raise KeyboardInterrupt

    monkeypatch.setattr(OwamcapWriter, "add", stopping)
    for episodes in (1, 2):
        assert run(words) == 75
        assert len(list(out.rglob("*.mp4"))) == len(list(out.rglob("*.mcap"))) == episodes
        assert not (out / "README.md").exists()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.mcap")}
    assert run(words) == 0
    assert len(list(out.rglob("*.mcap"))) == 4
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not [*out.rglob(".*tmp")]


def test_clips_of_two_encodings_are_encoded_anew(
    tmp_path: Path, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> None:
    uri, out = str(tmp_path / "in"), tmp_path / "out"
    for shard, chroma, start in (("train-00000", "420", 0), ("train-00001", "444", 64)):
        with ShardWriter(uri, shard, toy_spec, chroma=chroma) as writer:
            writer.add(toy_clip(1, start, start + 64))
            writer.commit()
    Dataset(uri).compact(DatasetInfo(name="Two", spec=toy_spec))
    assert run(["export", "owamcap", uri, "--out", str(out)]) == 0
    (mcap,) = out.rglob("*.mcap")
    assert read_metadata(mcap)["ticks"] == "128"


def test_parts_of_pixels_add_up_and_the_wheel_is_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mouse: list[dict[str, int]] = []

    def write(_: object, time_ns: int, topic: str, **content: int) -> None:
        if topic == "mouse/raw":
            mouse.append(content)

    monkeypatch.setattr(OwamcapWriter, "_write", write)
    with open(tmp_path / "x.mcap", "wb") as file:
        writer = OwamcapWriter(file, video="x.mp4", fps=Fraction(35, 2), size=(64, 32))
        moves = ((0.4, 0.0), (0.4, 1.0), (3.0, 0.0), (-0.3, -2.0), (0.0, 0.0), (5.0, -300.0))
        for dx, wheel in moves:
            writer.add(DeviceState(dx=dx, wheel=wheel))
    fields = ("last_x", "button_flags", "button_data")
    assert [tuple(one[name] for name in fields) for one in mouse] == [
        (1, 0x0400, 120),
        (3, 0, 0),
        (0, 0x0400, 0x10000 - 240),
        (5, 0x0400, 0x10000 - 273 * 120),  # what 16 bits hold, then the rest
        (0, 0x0400, 0x10000 - 27 * 120),
    ]


def test_what_has_no_message_is_told() -> None:
    buttons = {"a": ["gamepad.south"], "b": ["key.keyboard.vk.200"], "c": ["mouse.7"], "d": []}
    groups = [{"members": [name]} for name in buttons]
    spec = ActionSpec.from_dict(TOY_SPEC | {"buttons": buttons, "groups": groups})
    assert not_carried(spec) == ["a", "c"]


def test_labels_of_a_gamepad_alone_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = str(tmp_path / "in")
    Dataset(uri).compact(DatasetInfo(name="Pad", spec=ActionSpec.load("gamepad")))
    assert run(["export", "owamcap", uri, "--out", str(tmp_path / "out")]) == 2
    assert "no messages for any button or axis of spec 'gamepad'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
