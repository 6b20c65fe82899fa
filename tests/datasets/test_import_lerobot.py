"""`import lerobot`: what `export lerobot` wrote comes back as it was, and others' datasets by the
names of their actions. Those are written from the layout of LeRobot 0.6.1's own writer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from vidact.cli import run
from vidact.datasets import import_lerobot
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.formats import lerobot_source
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.codec import decode_clip, encode_video
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.shards.writer import ShardWriter

from .conftest import TOY_SPEC
from .corpus import draw_code, read_code

EPISODES = [(1, 0, 128), (2, 0, 64), (2, 96, 136)]


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "import_report.json").read_bytes())


def test_an_export_of_ours_comes_back_bit_for_bit(
    tmp_path: Path, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> None:
    uri, there, mine = str(tmp_path / "in"), tmp_path / "lerobot", tmp_path / "mine"
    random = np.random.default_rng(0)
    with ShardWriter(uri, "train-00000", toy_spec) as writer:
        for source, first, end in EPISODES:
            for start in range(first, end, 64):
                clip = toy_clip(source, start, min(start + 64, end))
                clip.buttons = random.integers(0, 2, clip.buttons.shape).astype(np.uint8)
                clip.camera = random.normal(0, 3, clip.camera.shape).astype(np.float32)
                clip.valid[5:8] = False
                clip.meta["licence"] = "CC-BY-4.0"
                writer.add(clip)
        writer.commit()
    Dataset(uri).compact(DatasetInfo(name="Toy", spec=toy_spec))
    assert run(["export", "lerobot", uri, "--out", str(there)]) == 0
    words = ["import", "lerobot", str(there), "--out", str(mine)]
    assert run(words) == 0
    assert report(mine)["recordings"] == {"imported": 3}
    assert report(mine)["mended_lines"] == {}
    (tar,) = Dataset(uri).tars()
    clips = [decode_clip(key, members) for key, members in iter_samples(tar)]
    for number, (source, first, end) in enumerate(EPISODES):
        own = [
            clip
            for clip in clips
            if clip.key.startswith(f"{source:012x}") and first <= clip.meta["start_tick"] < end
        ]
        recording = Recording.open(mine / f"episode_{number:06d}")
        actions = recording.actions(toy_spec)
        valid = np.concatenate([clip.valid for clip in own])
        assert (actions.valid == valid).all()
        for name in ("buttons", "camera"):
            expected = np.concatenate([getattr(clip, name) for clip in own])
            assert getattr(actions, name)[valid].tobytes() == expected[valid].tobytes()
        frames = np.concatenate([batch.frames for batch in recording.frames(toy_spec)])
        wanted = np.concatenate([clip.frames for clip in own])
        assert np.abs(frames.astype(int) - wanted).mean() < 3  # encoded again
        told = {"license": "CC-BY-4.0", "task": "Play toy.", "lerobot_start_tick": first}
        told |= {"group": own[0].meta["source_sha256"], "label_source": "idm"}
        assert recording.meta == recording.meta | told
        assert {s.label_source for s in recording.states if s.valid} == {"idm"}
    assert run(words) == 0
    assert report(mine)["recordings"] == {"present": 3}
    info = there / "meta/info.json"  # as if an episode had been added
    info.write_text(info.read_text().replace('"total_episodes": 3', '"total_episodes": 4'))
    assert run(words) == 0
    assert report(mine)["recordings"] == {"present": 3}
    assert run([*words, "--height", "8", "--strict"]) == 1  # other settings


def write_foreign(
    root: Path, actions: np.ndarray, frames: list[int], *, camera: str = "front", **info: Any
) -> None:
    """One episode of 10 frames/s whose pictures show their number, behind 20 of another."""
    key = f"observation.images.{camera}"
    video = root / f"videos/{key}/chunk-000/file-000.mp4"
    data = root / "data/chunk-000/file-000.parquet"
    table = root / "meta/episodes/chunk-000/file-000.parquet"
    for path in (video, data, table):
        path.parent.mkdir(parents=True, exist_ok=True)
    pictures = np.stack([draw_code(number, 96, 64) for number in range(20 + 40)])
    video.write_bytes(encode_video(pictures, Fraction(info.setdefault("fps", 10))))
    rows = {
        "action": pa.array(actions.tolist(), pa.list_(pa.float32())),
        "timestamp": pa.array([frame / 10 for frame in frames], pa.float32()),
        "frame_index": frames,
        "episode_index": [1] * len(frames),
    }
    pq.write_table(pa.table(rows), data)
    places = {
        f"{what}/{name}": [0]
        for what in ("data", f"videos/{key}")
        for name in ("chunk_index", "file_index")
    }
    times = {f"videos/{key}/from_timestamp": [2.0], f"videos/{key}/to_timestamp": [6.0]}
    episode = {"episode_index": [1], "length": [40], "tasks": [["Run."]], **places, **times}
    pq.write_table(pa.table(episode), table)
    features = {
        "action": {"dtype": "float32", "shape": [4], "names": {"keys": ["go", "fire", "yaw", "x"]}},
        key: {"dtype": "video", "shape": [64, 96, 3]},
        "observation.images.map": {"dtype": "video", "shape": [64, 96, 3]},
    }
    content = {"codebase_version": "v3.0", "features": features, "total_episodes": 1} | info
    (root / "meta/info.json").write_text(json.dumps(content))
    (root / "README.md").write_text("---\nlicense: apache-2.0\n---\n")


def test_another_project_s_actions_go_by_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "there", tmp_path / "out"
    # Frame 30 is missing, 7 came twice, 12 came too late, 40 has no picture.
    frames = [*range(8), 7, *range(8, 12), *range(13, 15), 12, *range(15, 30), *range(31, 41)]
    actions = np.array([[f % 2, 0.9 * (f > 20), f / 2, 9] for f in frames], np.float32)
    actions[3, 2] = np.nan
    write_foreign(root, actions, frames)
    spec = tmp_path / "mine.yaml"
    spec.write_text(yaml.safe_dump(TOY_SPEC | {"tick_hz": "10"}, sort_keys=False))
    words = ["import", "lerobot", str(root), "--out", str(out), "--camera", "front"]
    assert run(words) == 2
    assert "go, fire, yaw, x" in capsys.readouterr().err
    assert run([*words, "--spec", str(spec)]) == 0
    assert report(out)["mended_lines"] == {
        "duplicated_rows": 1,
        "frames_not_in_video": 1,
        "not_numbers": 1,
        "rounded_buttons": 19,
        "rows_out_of_order": 1,
    }
    recording = Recording.open(out / "episode_000001")
    kept = [frame for frame in range(40) if frame != 30]
    shown = [batch.frames for batch in recording.frames(ActionSpec.load(spec))]
    assert len(np.concatenate(shown)) == recording.num_frames == len(kept)
    made = recording.actions(ActionSpec.load(spec))
    assert made.buttons[:, 0].tolist() == [frame % 2 if frame != 3 else 0 for frame in kept]
    assert made.buttons[:, 1].tolist() == [int(frame > 20) for frame in kept]
    # Its picture is missing, so what was done before 31 is not what is seen in it.
    assert [i for i, state in enumerate(recording.states) if state.first] == [kept.index(31)]
    valid = [frame != 3 for frame in kept]
    assert made.valid.tolist() == valid
    assert made.camera[valid, 0].tolist() == [frame / 2 for frame in kept if frame != 3]
    assert recording.meta["license"] == "apache-2.0"
    assert recording.meta["task"] == "Run."
    import av

    with av.open(str(recording.path)) as container:
        codes = [read_code(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert codes == [20 + frame for frame in kept]


@pytest.mark.parametrize("what", ["lerobot", "p2p", "owamcap"])
def test_what_lies_on_the_hub_is_to_be_downloaded(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["import", what, "hf://datasets/some.one/play-1/Game", "--out", str(tmp_path / "out")]
    assert run(words) == 2
    told = "hf download some.one/play-1 --repo-type dataset --local-dir play-1)"
    assert told in capsys.readouterr().err
    assert run(["import", what, "s3://bucket/play", "--out", str(tmp_path / "out")]) == 2
    assert "download it first\n" in capsys.readouterr().err


def test_what_is_no_dataset_of_version_3_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "there"
    words = ["import", "lerobot", str(root), "--out", str(tmp_path / "out"), "--spec", "doom"]
    root.mkdir()
    write_foreign(root, np.zeros((2, 4)), [0, 1])
    info = json.loads((root / "meta/info.json").read_bytes())
    image = {"observation.image": {"dtype": "image"}, "action": info["features"]["action"]}
    for change, said in (
        ({"codebase_version": "v2.1"}, "LeRobot's own scripts convert"),
        ({"fps": 0}, "fps must be"),
        ({"features": {**info["features"], "action": {"names": None}}}, "has no names"),
        ({"features": image}, "single images are not read"),
        ({}, "choose whose frames; there are observation.images.front"),
    ):
        (root / "meta/info.json").write_text(json.dumps(info | change))
        assert run(words) == 2
        assert said in capsys.readouterr().err
    assert run([*words, "--camera", "front"]) == 2  # doom's buttons
    assert "which the actions" in capsys.readouterr().err
    (root / "meta/info.json").unlink()
    assert run(words) == 2
    assert "is no LeRobot dataset" in capsys.readouterr().err
    bad = info | {"data_path": "../../secret.parquet"}
    (root / "meta/info.json").write_text(json.dumps(bad))
    spec = tmp_path / "mine.yaml"
    spec.write_text(yaml.safe_dump(TOY_SPEC | {"tick_hz": "10"}, sort_keys=False))
    assert run([*words[:-1], str(spec), "--camera", "front"]) == 0
    assert report(tmp_path / "out")["left_out_by_reason"] == {"bad_episode": 1}


# What strangers' tables and rows may hold, and what then becomes of the one episode.
DAMAGED_EPISODES: dict[str, Mapping[str, Any]] = {
    "no number": {"episode_index": None},
    "a path": {"episode_index": "../../elsewhere"},
    "a broken number": {"episode_index": 1.5},
    "no time": {"videos/observation.images.front/from_timestamp": float("nan")},
    "an endless number": {"data/chunk_index": float("inf")},
}
DAMAGED_ROWS: dict[str, Callable[[dict[str, list[Any]]], Mapping[str, Any]]] = {
    "missing numbers": lambda rows: {"frame_index": [None, *rows["frame_index"][1:]]},
    "numbers as text": lambda rows: {"frame_index": [*map(str, rows["frame_index"])]},
    "durations": lambda rows: {"frame_index": pa.array(rows["frame_index"], pa.duration("s"))},
    "times of parts": lambda rows: {"timestamp": [{"s": 1}] * len(rows["timestamp"])},
    "flags as text": lambda rows: {"labels.valid": ["no"] * len(rows["frame_index"])},
}
DAMAGED_INFO: dict[str, tuple[int, str]] = {
    '{"fps": 1e-9}': (2, "fps must be from 0.1 to 240"),
    '{"fps": 1e400}': (2, "fps must be from 0.1 to 240"),
    "[" * 100_000: (2, "is damaged"),
    '{"data_path": "{chunk_index:>999999999}"}': (0, "expected one like data/chunk-"),
    '{"total_episodes": "many"}': (0, "1 imported"),
    '{"fps": 29.97002997002997}': (0, "1 imported"),
}


def test_damage_costs_its_episode_and_never_the_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out, spec = tmp_path / "there", tmp_path / "out", tmp_path / "mine.yaml"
    spec.write_text(yaml.safe_dump(TOY_SPEC | {"tick_hz": "10"}, sort_keys=False))
    write_foreign(root, np.zeros((40, 4)), list(range(40)))
    table, data = (
        next(root.glob(f"{name}/chunk-000/*.parquet")) for name in ("meta/episodes", "data")
    )
    words = ["import", "lerobot", str(root), "--camera", "front", "--spec", str(spec), "--out"]
    episode, rows = pq.read_table(table).to_pylist(), pq.read_table(data).to_pydict()
    for name, change in DAMAGED_EPISODES.items():
        pq.write_table(pa.Table.from_pylist([episode[0] | change]), table)
        assert run([*words, str(out / name)]) == 0
        assert report(out / name)["left_out_by_reason"] == {"bad_episode": 1}, name
    pq.write_table(pa.Table.from_pylist(episode), table)
    for name, damage in DAMAGED_ROWS.items():
        pq.write_table(pa.table(rows | damage(rows)), data)
        assert run([*words, str(out / name)]) == 0
        assert report(out / name)["left_out_by_reason"] == {"bad_episode": 1}, name
    pq.write_table(pa.table(rows), data)
    info = (root / "meta/info.json").read_text()
    capsys.readouterr()
    for number, (text, (code, said)) in enumerate(DAMAGED_INFO.items()):
        changed = info[:-1] + f", {text[1:]}" if text.startswith("{") else text
        (root / "meta/info.json").write_text(changed)
        assert run([*words, str(out / str(number))]) == code
        assert said in capsys.readouterr().err
    (root / "meta/info.json").write_text(info)
    monkeypatch.setattr(lerobot_source, "MAX_NUMBERS", 4 * 40 - 1)
    assert run([*words, str(out / "bomb")]) == 0
    assert "160 numbers of actions" in report(out / "bomb")["left_out"][0]["detail"]
    monkeypatch.undo()
    # A second table is damaged: the episodes of the first come in.
    table.with_name("file-001.parquet").write_bytes(b"PAR1 no table PAR1")
    assert run([*words, str(out / "table")]) == 0
    assert report(out / "table")["recordings"] == {"imported": 1, "left_out": 1}


def test_a_row_has_no_picture_of_another_episode_and_no_label_that_cannot_be(
    tmp_path: Path,
) -> None:
    root, spec = tmp_path / "there", tmp_path / "mine.yaml"
    spec.write_text(yaml.safe_dump(TOY_SPEC | {"tick_hz": "10"}, sort_keys=False))
    actions = np.zeros((40, 4))
    actions[7, 2] = 1e30
    write_foreign(root, actions, [*range(-3, 36), 2**62], camera="from_front")
    table = next(root.glob("meta/episodes/chunk-000/*.parquet"))
    episode = pq.read_table(table).to_pylist()[0]
    end = {"videos/observation.images.from_front/to_timestamp": 5.0}
    no_text = {"source_uri": b"\xff", "start_tick": 3}
    pq.write_table(pa.Table.from_pylist([episode | end | no_text]), table)
    out = tmp_path / "out"
    words = ["import", "lerobot", str(root), "--camera", "from_front", "--spec", str(spec)]
    assert run([*words, "--out", str(out)]) == 0
    mended = report(out)["mended_lines"]
    assert (mended["impossible_rows"], mended["frames_not_in_video"]) == (4, 6)
    assert mended["not_numbers"] == 1
    recording = Recording.open(out / "episode_000001")
    origin = (recording.meta["lerobot_source_uri"], recording.meta["lerobot_start_tick"])
    assert origin == ("b'\\xff'", 3)
    assert [state.valid for state in recording.states] == [frame != 4 for frame in range(30)]
    import av

    with av.open(str(recording.path)) as container:
        shown = [read_code(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert shown == list(range(20, 50))


def test_flags_that_are_not_told_are_false() -> None:
    told = pa.chunked_array([[1, None, 0]])
    assert lerobot_source._flags(told).tolist() == [True, False, False]
    assert lerobot_source._flags(told.cast(pa.bool_())).tolist() == [True, False, False]


def test_a_button_and_an_axis_of_one_name_come_back(tmp_path: Path) -> None:
    axis = TOY_SPEC["axes"][0]
    spec = ActionSpec.from_dict(
        TOY_SPEC
        | {"buttons": {axis["name"]: "mouse.0"}, "groups": [{"members": [axis["name"]]}]}
        | {"axes": [axis]}
    )
    names = [axis["name"]] * 2
    source = lerobot_source.LerobotSource(
        tmp_path, {}, "screen", names, Fraction(10), {"spec": spec.to_dict()}
    )
    assert import_lerobot._Actions(source, "")._places.tolist() == [0, 1]


def test_a_spec_that_bears_the_name_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    doom = ActionSpec.load("doom").to_dict()
    for change, named in (({}, {"spec": "doom"}), ({"version": 99}, {})):
        origin = {"spec": doom | change}
        names = [*ActionSpec.load("doom").button_names, *ActionSpec.load("doom").axis_names]
        source = lerobot_source.LerobotSource(tmp_path, {}, "screen", names, Fraction(10), origin)
        assert import_lerobot._Actions(source, "").named == named
