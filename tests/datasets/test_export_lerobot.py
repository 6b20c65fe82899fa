"""`export lerobot`: what is written reads back as it was, and a stopped run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vidact.cli import run
from vidact.datasets import export_lerobot as verb
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.formats import lerobot_layout as layout
from vidact.datasets.formats.joined_video import JoinedVideo
from vidact.datasets.formats.moments import Moments
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.codec import decode_clip, encode_video
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.samples import iter_samples
from vidact.datasets.shards.writer import ShardWriter

from tests.datasets.conftest import TOY_SPEC

KEY = "observation.images.screen"
# Of the toy dataset's train split: an episode of 64 + 64 ticks, one that a gap ends, one after it,
# one of another source whose second clip begins a scene. The last is of `val`.
EPISODES = [
    ("train", 1, 0, 128),
    ("train", 2, 0, 64),
    ("train", 2, 96, 160),
    ("train", 3, 0, 64),
    ("train", 3, 64, 128),
    ("val", 4, 0, 40),
]


@pytest.fixture(scope="module")
def dataset(
    tmp_path_factory: pytest.TempPathFactory, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> str:
    """The episodes above; those of source 1 lie in two shards, and probabilities are odd ones."""
    uri = str(tmp_path_factory.mktemp("data"))
    shards: dict[str, list[Clip]] = {
        "train-00000": [toy_clip(1, 0, 64), toy_clip(2, 0, 64), toy_clip(2, 96, 160)],
        "train-00001": [
            toy_clip(1, 64, 128, confidence=0.3),
            toy_clip(3, 0, 64),
            toy_clip(3, 64, 128, begins_scene=True, licence="CC-BY-4.0"),
        ],
        "val-00000": [toy_clip(4, 0, 40, split="val")],
    }
    random = np.random.default_rng(0)
    for shard, clips in shards.items():
        with ShardWriter(uri, shard, toy_spec) as writer:
            for clip in clips:
                clip.buttons_prob = random.random(clip.buttons.shape).astype(np.float16)
                clip.camera_prob = random.dirichlet(np.ones(5), (clip.ticks, 1)).astype(np.float16)
                clip.valid[-3:] = False
                clip.meta["group"] = clip.meta["source_sha256"]
                writer.add(clip)
            writer.commit()
    Dataset(uri).compact(DatasetInfo(name="Toy", spec=toy_spec, license="MIT"))
    return uri


def clips_of(uri: str) -> dict[str, Clip]:
    tars = Dataset(uri).tars()
    return {key: decode_clip(key, members) for tar in tars for key, members in iter_samples(tar)}


def tables(folder: Path) -> pa.Table:
    return pa.concat_tables(
        pq.read_table(path, partitioning=None) for path in sorted(folder.glob("*/*.parquet"))
    )


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table[name].to_pylist())


def frames_of(path: Path) -> tuple[list[float], np.ndarray]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        times = [float(frame.pts * stream.time_base) for frame in frames]
        return times, np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def check_same(uri: str, out: Path) -> None:
    """Every label, frame and time of the export is that of the dataset."""
    info = json.loads((out / "meta/info.json").read_bytes())
    data, episodes = tables(out / "data"), tables(out / "meta/episodes").to_pylist()
    clips = clips_of(uri)
    assert len(data) == info["total_frames"] == sum(clip.ticks for clip in clips.values())
    assert [
        (row["split"], int(row["source_sha256"][:12], 16), row["start_tick"], row["length"])
        for row in episodes
    ] == [(split, source, start, end - start) for split, source, start, end in EPISODES]
    videos: dict[str, tuple[list[float], np.ndarray]] = {}
    index = 0
    for number, row in enumerate(episodes):
        own = data.slice(row["dataset_from_index"], row["length"])
        assert (row["episode_index"], row["dataset_from_index"]) == (number, index)
        index += row["length"]
        assert column(own, "index").tolist() == list(range(index - row["length"], index))
        assert set(column(own, "episode_index").tolist()) == {number}
        assert column(own, "frame_index").tolist() == list(range(row["length"]))
        expected = (np.arange(row["length"]) / 20).astype(np.float32)
        assert (column(own, "timestamp").astype(np.float32) == expected).all()
        wanted = [
            clip
            for key, clip in sorted(clips.items())
            if clip.meta["source_sha256"] == row["source_sha256"]
            and row["start_tick"] <= clip.meta["start_tick"] < row["start_tick"] + row["length"]
        ]

        def joined(name: str, wanted: list[Clip] = wanted) -> np.ndarray:
            return np.concatenate([getattr(clip, name) for clip in wanted])

        action = column(own, "action").astype(np.float32)
        assert (action[:, :2].astype(np.uint8) == joined("buttons")).all()
        assert action[:, 2:].tobytes() == joined("camera").tobytes()
        for name, field in (
            ("labels.confidence", "confidence"),
            ("labels.buttons_prob", "buttons_prob"),
            ("labels.camera_prob", "camera_prob"),
        ):
            assert column(own, name).astype(np.float16).tobytes() == joined(field).tobytes()
        assert (column(own, "labels.valid") == joined("valid")).all()
        pts_ns = [time for clip in wanted for time in clip.meta["pts_ns"]]
        assert column(own, "source.pts_ns").tolist() == pts_ns
        where = (row[f"videos/{KEY}/chunk_index"], row[f"videos/{KEY}/file_index"])
        assert where == (row["data/chunk_index"], row["data/file_index"])
        path = f"videos/{KEY}/chunk-{where[0]:03d}/file-{where[1]:03d}.mp4"
        times, frames = videos.setdefault(path, frames_of(out / path))
        first = round(row[f"videos/{KEY}/from_timestamp"] * 20)
        shown = slice(first, first + row["length"])
        assert times[shown] == pytest.approx(np.arange(shown.start, shown.stop) / 20, abs=1e-9)
        assert (frames[shown] == np.concatenate([clip.frames for clip in wanted])).all()
        assert row[f"videos/{KEY}/to_timestamp"] == shown.stop / 20
    assert sum(len(times) for times, _ in videos.values()) == len(data)


def test_everything_reads_back(dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["export", "lerobot", dataset, "--out", str(out)]) == 0
    check_same(dataset, out)
    info = json.loads((out / "meta/info.json").read_bytes())
    assert (info["codebase_version"], info["fps"]) == ("v3.0", 20)
    assert info["splits"] == {"train": "0:5", "val": "5:6"}
    assert info["features"]["action"] == {
        "dtype": "float32",
        "shape": [3],
        "names": ["go", "fire", "yaw"],
    }
    assert info["features"][KEY]["info"]["video.pix_fmt"] == "yuv420p"
    data = tables(out / "data")
    assert set(data.column_names) == set(info["features"]) - {KEY}
    stats = json.loads((out / "meta/stats.json").read_bytes())
    assert stats.keys() == info["features"].keys()
    action = column(data, "action")
    for name, expected in (
        ("mean", action.mean(0)),
        ("std", action.std(0)),
        ("max", action.max(0)),
    ):
        assert stats["action"][name] == pytest.approx(expected)
    assert stats["action"]["count"] == [len(data)]
    assert np.array(stats[KEY]["mean"]).shape == (3, 1, 1)
    tasks = pd.read_parquet(out / "meta/tasks.parquet")
    assert tasks.iloc[0].name == "Play toy."
    assert tasks.loc["Play toy."].task_index == 0
    card = (out / "README.md").read_text()
    assert "license: MIT" in card
    assert "CC-BY-4.0" in card
    assert {row["licence"] for row in tables(out / "meta/episodes").to_pylist()} == {
        None,
        "CC-BY-4.0",
    }


def test_a_split_alone(dataset: str, tmp_path: Path) -> None:
    words = ["export", "lerobot", dataset, "--out", str(tmp_path / "out")]
    assert run([*words, "--split", "val", "--task", "Run.", "--camera", "eye"]) == 0
    assert len(tables(tmp_path / "out" / "data")) == 40
    assert (tmp_path / "out/videos/observation.images.eye/chunk-000/file-000.mp4").is_file()
    assert run([*words, "--split", "val"]) == 2  # another task
    assert run([*words, "--split", "test"]) == 2
    assert run(["export", "lerobot", dataset, "--out", str(tmp_path / "x"), "--split", "test"]) == 2
    assert run(["export", "lerobot", dataset, "--out", "s3://bucket/x"]) == 2
    assert run(["export", "lerobot", dataset, "--out", str(Path(dataset))]) == 2


def test_a_stopped_run_goes_on(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of an episode each; the run is stopped in the third, twice."""
    monkeypatch.setattr(verb, "FULL_S", 0)
    out, added = tmp_path / "out", []
    words = ["export", "lerobot", dataset, "--out", str(out)]
    add = verb.FileWriter.add

    def stopping(writer: verb.FileWriter, sample: object) -> None:
        add(writer, sample)  # type: ignore[arg-type]
        added.append(sample)
        if len(added) in (4, 5):
            raise KeyboardInterrupt

    monkeypatch.setattr(verb.FileWriter, "add", stopping)
    for _ in range(2):
        assert run(words) == 75
        assert not (out / "meta/info.json").exists()
        assert len(list(out.rglob("*.mp4"))) == len(list(out.rglob("data/*/*.parquet"))) == 2
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("file-00[01].*")}
    assert run(words) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(out.rglob("*.mp4"))) == len(EPISODES)
    check_same(dataset, out)
    assert not list(out.rglob("*.tmp"))
    assert run(words) == 0  # nothing is left to do
    assert len(added) == 9


def test_files_end_where_times_would_become_coarse(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of at most 140 ticks here: 128, 64 + 64, 64 + 64 of one stretch, 40."""
    monkeypatch.setattr(verb, "LIMIT_S", 7)
    assert run(["export", "lerobot", dataset, "--out", str(tmp_path / "out")]) == 0
    check_same(dataset, tmp_path / "out")
    files = [row["data/file_index"] for row in tables(tmp_path / "out/meta/episodes").to_pylist()]
    assert files == [0, 1, 1, 2, 2, 3]


def test_one_button_and_no_axis(tmp_path: Path, toy_clip: Callable[..., Clip]) -> None:
    """A feature of one number is no list; how much a tick looks like the game is one as well."""
    one = {"buttons": {"go": ["key.keyboard.w"]}, "groups": [{"members": ["go"]}], "axes": []}
    spec = ActionSpec.from_dict(TOY_SPEC | one | {"tick_hz": "17.5"})
    clip = toy_clip(1, 0, 40)
    clip.buttons, clip.buttons_prob = clip.buttons[:, :1], clip.buttons_prob[:, :1]
    clip.camera, clip.camera_prob = clip.camera[:, :0], clip.camera_prob[:, :0, :0]
    described = layout.features(spec, "screen", in_game=True)
    columns = layout.label_columns(clip, spec, in_game=True)
    assert list(described) == [KEY, *columns, *layout.TIMES]
    columns |= dict.fromkeys(layout.TIMES, np.zeros((40, 1), np.int64))
    table = layout.data_table(columns, layout.data_schema(described))
    assert table["action"].to_pylist() == clip.buttons[:, 0].tolist()
    assert set(table["labels.in_game"].to_pylist()) == {1.0}
    assert layout.fps_of(spec) == 17.5


def test_clips_of_two_encodings_are_encoded_anew(
    tmp_path: Path, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> None:
    for shard, chroma, source in (("train-00000", "420", 1), ("train-00001", "444", 2)):
        with ShardWriter(str(tmp_path / "in"), shard, toy_spec, chroma=chroma) as writer:
            writer.add(toy_clip(source, 0, 64))
            writer.commit()
    Dataset(str(tmp_path / "in")).compact(DatasetInfo(name="Two", spec=toy_spec))
    out = tmp_path / "out"
    assert run(["export", "lerobot", str(tmp_path / "in"), "--out", str(out)]) == 0
    _, frames = frames_of(next(out.rglob("*.mp4")))
    wanted = np.concatenate([clip.frames for clip in clips_of(str(tmp_path / "in")).values()])
    assert frames.shape == wanted.shape
    assert np.abs(frames.astype(int) - wanted).mean() < 2


def test_moments_do_not_depend_on_how_values_are_cut() -> None:
    values = 1e9 + np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0], [2.0, 2.0]])
    total = Moments()
    for piece in (values[:1], values[1:]):
        total.add(Moments.read(Moments.of(piece).to_dict()))
    assert total.to_dict() == {
        "min": [1e9, 1e9 + 1],
        "max": [1e9 + 4, 1e9 + 4],
        "mean": [1e9 + 2, 1e9 + 2],
        "std": pytest.approx([2**0.5, 1.5**0.5]),
        "count": [4],
    }


def test_a_full_disk_is_no_damaged_clip() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 128, 128, 3), np.uint8)
    video = JoinedVideo(Path("/dev/full"), Fraction(20))
    with pytest.raises(OSError, match="No space left"):
        video.add(encode_video(noise, Fraction(20)), 40)
    with suppress(OSError):
        video.close()
