"""verify: a whole dataset passes, and each kind of damage is one line that names where it is."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
from vidact import storage
from vidact.cli import run
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.shards import dataset_checks
from vidact.datasets.shards.check_log import finding
from vidact.datasets.shards.codec import encode_clip
from vidact.datasets.shards.commits import DeadLetter
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.leaks import leaks
from vidact.datasets.shards.parquet import parquet_bytes
from vidact.datasets.shards.shard_checks import sample_problems
from vidact.datasets.shards.writer import ShardWriter
from vidact.errors import DatasetError
from vidact.pipeline.config import VerifyConfig
from vidact.pipeline.running import checks
from vidact.pipeline.verify import chosen_shards, verify


@pytest.fixture
def dataset(tmp_path, toy_dataset):
    return toy_dataset(str(tmp_path / "data"), {"train": [100, 64, 70], "val": [64]})


def test_a_whole_dataset_passes(dataset, capsys):
    report = check_dataset(Dataset(dataset))
    assert report.problems == []
    assert report.counts == {"shards": 3, "clips": 6, "frames": 298}
    assert verify(VerifyConfig(dataset=dataset)) == 0
    assert "checked 3 shards, 6 clips, 298 frames: 0 problems" in capsys.readouterr().out


def test_a_flipped_bit_names_shard_and_clip(dataset):
    row = Dataset(dataset).read_commit("train-00000").rows[1]
    uri = Dataset(dataset).shard_uri("train-00000")
    data = bytearray(storage.read_bytes(uri))
    data[row["offset_bytes"] + 1024 + 3000] ^= 4  # in the middle of the video
    storage.write_atomic(uri, bytes(data))
    problems = check_dataset(Dataset(dataset)).problems
    assert any(p.startswith(f"train-00000 / {row['key']} / checksum: expected") for p in problems)
    assert any(p.startswith("train-00000: expected sha256") for p in problems)
    assert not any("val-00000" in p for p in problems)
    assert verify(VerifyConfig(dataset=dataset, decode=False)) == 1


def test_a_cut_shard_names_the_clips_that_are_lost(dataset):
    row = Dataset(dataset).read_commit("train-00000").rows[2]
    uri = Dataset(dataset).shard_uri("train-00000")
    storage.write_atomic(uri, storage.read_bytes(uri)[: row["offset_bytes"]])
    problems = check_dataset(Dataset(dataset)).problems
    assert f"train-00000 / {row['key']}: is in the commit record, but not in the shard" in problems
    assert any(re.fullmatch(r"train-00000: expected \d+ bytes, got \d+", p) for p in problems)


def test_a_missing_shard_and_a_foreign_one(dataset):
    storage.write_atomic(
        Dataset(dataset).shard_uri("train-00009"),
        storage.read_bytes(Dataset(dataset).shard_uri("train-00001")),
    )
    storage.remove(Dataset(dataset).shard_uri("train-00001"))
    report = check_dataset(Dataset(dataset))
    missing, foreign = report.problems
    assert "train-00001.tar is missing" in missing
    assert re.search(
        "train-00009.tar: no commit record tells of it.*other readers would take it for a shard",
        foreign,
    )


def test_a_tar_of_a_shard_in_which_nothing_was_kept(dataset, toy_spec):
    with ShardWriter(dataset, "train-00002", toy_spec) as writer:
        writer.drop("menu", 90)
        writer.commit()
    Dataset(dataset).compact(DatasetInfo(name="Toy", spec=toy_spec))
    assert check_dataset(Dataset(dataset)).problems == []
    storage.write_atomic(
        Dataset(dataset).shard_uri("train-00002"),
        storage.read_bytes(Dataset(dataset).shard_uri("train-00001")),
    )
    (problem,) = check_dataset(Dataset(dataset)).problems
    assert "train-00002.tar: no commit record tells of it" in problem


@pytest.mark.parametrize(
    ("name", "expected"),
    [("shards", 3), ("clips", 6), ("ticks", 298), ("sources", 4), ("dead_letters", 0)],
)
def test_wrong_counts(dataset, name, expected):
    content = Dataset(dataset).content()
    content["counts"][name] = 77
    storage.write_atomic(storage.join(dataset, "dataset.json"), json.dumps(content).encode())
    assert check_dataset(Dataset(dataset), shards=()).problems == [
        f"dataset.json: counts.{name}: expected {expected} as in the tables, got 77"
    ]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"shards": 5}, "shards must be a list, got 5"),
        ({"shards": [{}]}, r"shards\[0\] lacks name, size_bytes, sha256"),
        ({"shards": [7]}, r"shards\[0\] must be an object, got 7"),
        ({"spec": 5}, "spec must be an object, got 5"),
        ({"spec": {}}, r"action spec '\?' is malformed"),
        ({"counts": []}, r"counts must be an object, got \[\]"),
    ],
)
def test_a_dataset_json_of_other_types(dataset, part, message):
    content = Dataset(dataset).content() | part
    storage.write_atomic(storage.join(dataset, "dataset.json"), json.dumps(content).encode())
    for read in (check_dataset, lambda dataset: ClipLoader([dataset], batch_size=1)):
        with pytest.raises(DatasetError, match=rf"{re.escape(dataset)}/dataset\.json: {message}"):
            read(Dataset(dataset))


def test_other_tables(dataset):
    letter = DeadLetter(
        source_uri="a.mp4", stage="decode", reason="damaged", start_tick=0, end_tick=5
    )
    record = Dataset(dataset).read_commit("train-00001")
    Dataset(dataset).write_commit(dataclasses.replace(record, dead_letters=(letter,)))
    storage.write_atomic(storage.join(dataset, "sources.parquet"), b"x")
    content = Dataset(dataset).content()
    content["shards"].append(content["shards"][0])
    storage.write_atomic(storage.join(dataset, "dataset.json"), json.dumps(content).encode())
    first, second, third = check_dataset(Dataset(dataset)).problems
    assert first == "train-00000: dataset.json lists it 2 times"
    assert (
        second
        == "train-00001: a dead letter of its commit record (damaged) is missing in the table"
    )
    assert third.startswith(f"{dataset}/sources.parquet: is damaged")


@pytest.mark.parametrize("name", ["manifest.parquet", "dead_letters.parquet", "dataset.json"])
@pytest.mark.parametrize("data", [b"", b"x" * 100, b"[]", b'{"schema_version": 1}', b"PAR1"])
def test_damaged_tables_are_named(dataset, name, data):
    storage.write_atomic(storage.join(dataset, name), data)
    with pytest.raises(DatasetError, match=re.escape(f"{dataset}/{name}: ")):
        check_dataset(Dataset(dataset))


def test_a_table_with_other_columns(dataset):
    storage.write_atomic(
        storage.join(dataset, "manifest.parquet"), parquet_bytes(pa.table({"key": ["a"]}))
    )
    with pytest.raises(
        DatasetError, match=r"manifest\.parquet: lacks the columns shard, offset_bytes"
    ):
        check_dataset(Dataset(dataset))


def test_a_record_under_another_name(dataset):
    data = storage.read_bytes(Dataset(dataset).commit_uri("train-00000"))
    storage.write_atomic(Dataset(dataset).commit_uri("train-00007"), data)
    with pytest.raises(DatasetError, match=r"train-00007\.json: is the record of train-00000"):
        check_dataset(Dataset(dataset))


def test_tables_that_do_not_fit_the_records(dataset, toy_spec, toy_clip):
    with ShardWriter(dataset, "train-00002", toy_spec) as writer:
        writer.add(toy_clip(50, 0, 64))
        writer.commit()
    assert [p for p in check_dataset(Dataset(dataset)).problems if "dataset.json" in p] == [
        "train-00002: is committed, but dataset.json does not list it; "
        "run the job again to compact the tables"
    ]
    storage.remove(Dataset(dataset).commit_uri("train-00002"))
    record = Dataset(dataset).read_commit("val-00000")
    row = dict(record.rows[0]) | {"mean_confidence": 0.5}
    Dataset(dataset).write_commit(dataclasses.replace(record, rows=(row,)))
    key = row["key"]
    problems = check_dataset(Dataset(dataset)).problems
    assert f"val-00000 / {key} / mean_confidence: expected 0.5, got 1.0 in the manifest" in problems
    assert (
        f"val-00000 / {key} / mean_confidence: "
        "expected 0.5 as in the manifest, got 1.0 from the labels" in problems
    )
    storage.remove(Dataset(dataset).commit_uri("val-00000"))
    assert (
        "val-00000: dataset.json lists it, but it has no commit record; run the job again"
        in check_dataset(Dataset(dataset)).problems
    )


def spoiled(toy_clip, toy_spec, spoil):
    """The members of a clip that no ShardWriter would take, and the row they should have."""
    clip = toy_clip(1, 0, 64)
    spoil(clip)
    return encode_clip(clip, toy_spec.tick_hz)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda c: setattr(c, "buttons", c.buttons[:, :1]),
            r"buttons: expected shape \[64, 2\], got \[64, 1\]",
        ),
        (lambda c: c.buttons.__setitem__((0, 0), 7), "buttons: expected 0 or 1, got 7"),
        (
            lambda c: c.camera_prob.__setitem__((0, 0, 0), 0.5),
            "camera_prob.yaw: expected each tick to sum to 1, got 0.5",
        ),
        (
            lambda c: c.confidence.__setitem__(0, 1.5),
            r"confidence: expected finite values in \[0, 1\], got 1 to 1.5",
        ),
        (
            lambda c: c.valid.__setitem__(0, False),
            "valid_frames: expected 64 as in the manifest, got 63 from the labels",
        ),
        (
            lambda c: c.meta.update(source_uri="b.mp4"),
            "json.source_uri: expected 'video1.mp4'.*got 'b.mp4'",
        ),
        (lambda c: c.meta["pts_ns"].__setitem__(5, 0), "json.pts_ns: goes back in time at tick 5"),
        (
            lambda c: setattr(c, "frames", c.frames[:, :8]),
            r"frames: expected \[64, 16, 32, 3\], got \[64, 8, 32, 3\]",
        ),
    ],
)
def test_each_field_is_checked(dataset, toy_spec, toy_clip, spoil, expected):
    row = Dataset(dataset).read_commit("train-00000").rows[0]
    members = spoiled(toy_clip, toy_spec, spoil)
    problems = list(sample_problems(members, row, toy_spec, decode=True))
    assert any(re.search(expected, problem) for problem in problems), problems


def test_a_video_of_another_length_and_lost_members(dataset, toy_spec, toy_clip):
    row = Dataset(dataset).read_commit("train-00000").rows[0]
    members = encode_clip(toy_clip(1, 0, 64), toy_spec.tick_hz)
    short = encode_clip(toy_clip(1, 0, 63), toy_spec.tick_hz)
    assert any(
        p.startswith("frames: expected [64, 16, 32, 3], got [63")
        for p in sample_problems(members | {"mp4": short["mp4"]}, row, toy_spec, decode=True)
    )
    assert any(
        p.startswith("frames: the mp4 member cannot be decoded")
        for p in sample_problems(members | {"mp4": b"no video"}, row, toy_spec, decode=True)
    )
    assert list(sample_problems({"mp4": b""}, row, toy_spec, decode=True)) == [
        "members: expected json, mp4, npz, got mp4"
    ]


def leak_row(key, split, source=1, **other):
    source_hash = str(source) * 64
    row = {
        "key": key,
        "shard": f"{split}-00000",
        "split": split,
        "start_tick": int(key[13:]),
        "frames": 64,
    }
    row |= {
        "source_uri": f"{source}.mp4",
        "source_sha256": source_hash,
        "group": source_hash,
        "episode_id": key[:12],
    }
    return row | other


def found(*rows):
    return list(leaks(pa.Table.from_pylist(list(rows))))


def test_leaks_between_splits():
    a, b = "1" * 12, "2" * 12
    clean = [leak_row(f"{a}-000000000", "train"), leak_row(f"{b}-000000000", "val", 2)]
    assert found(*clean) == []
    assert found(leak_row(f"{a}-000000000", "train"), leak_row(f"{a}-000000064", "val")) == [
        f"leak: the same video (source_sha256 {'1' * 64}) is in "
        f"train ({a}-000000000), val ({a}-000000064)"
    ]
    assert found(clean[0], leak_row(f"{b}-000000000", "val", 2, group="1" * 64)) == [
        f"leak: duplicates of one source (group {'1' * 64}) is in "
        f"train ({a}-000000000), val ({b}-000000000)"
    ]
    renamed = found(clean[0], leak_row(f"{b}-000000000", "test", 2, source_uri="1.mp4"))
    assert renamed == [
        f"leak: the same source (source_uri 1.mp4) is in "
        f"test ({b}-000000000), train ({a}-000000000)"
    ]


def test_the_same_ticks_twice():
    a = "1" * 12
    rows = [
        leak_row(f"{a}-000000000", "train"),
        leak_row(f"{a}-000000063", "train", shard="train-00001"),
    ]
    assert found(*rows) == [
        f"train-00001 / {a}-000000063: starts at tick 63, "
        f"before {a}-000000000 of train-00000 ends at 64: "
        "the same ticks twice"
    ]


def test_a_leak_fails_the_whole_dataset(dataset, toy_spec, toy_clip):
    with ShardWriter(dataset, "val-00001", toy_spec) as writer:
        writer.add(toy_clip(1, 128, 192, split="val"))
        writer.commit()
    Dataset(dataset).compact(DatasetInfo(name="Toy", spec=toy_spec))
    assert [
        p for p in check_dataset(Dataset(dataset)).problems if p.startswith("leak: the same video")
    ]


def test_only_some_shards(dataset):
    assert check_dataset(Dataset(dataset), shards={"val-00000"}).counts == {
        "shards": 1,
        "clips": 1,
        "frames": 64,
    }


def test_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        check_dataset(Dataset(tmp_path))


def test_another_schema_version(dataset):
    content = Dataset(dataset).content() | {"schema_version": 2}
    storage.write_atomic(storage.join(dataset, "dataset.json"), json.dumps(content).encode())
    with pytest.raises(DatasetError, match="schema version 2, this vidact reads 1"):
        check_dataset(Dataset(dataset))


def test_a_dataset_in_which_nothing_was_kept(tmp_path, toy_spec):
    out = str(tmp_path)
    with ShardWriter(out, "train-00000", toy_spec) as writer:
        writer.drop("menu", 500)
        writer.commit()
    Dataset(out).compact(DatasetInfo(name="Nothing", spec=toy_spec))
    report = check_dataset(Dataset(out))
    assert report.problems == []
    assert report.counts == {"shards": 0, "clips": 0, "frames": 0}


def test_a_sample_is_drawn_by_its_seed(dataset, capsys):
    def read(*words):
        assert run(["verify", dataset, "--no-decode", *words]) == 0
        return capsys.readouterr().out.split("checked ")[1].split(" shards")[0]

    assert [read("--sample", share) for share in ("1", "0.5", "0.01")] == ["3", "2", "1"]
    assert read("--shards", "val-00000") == "1"
    drawn = {
        tuple(chosen_shards(Dataset(dataset), VerifyConfig(dataset=dataset, **more)))
        for more in ({"sample": 0.3, "sample_seed": seed} for seed in range(20))
    }
    assert len(drawn) == 3
    assert run(["verify", dataset, "--shards", "val-00009"]) == 2


def test_a_stopped_verification_goes_on(dataset, tmp_path, monkeypatch, capsys):
    log = tmp_path / "log.jsonl"
    read = []
    original = dataset_checks.shard_problems

    def noted(dataset, record, spec, *, decode):
        read.append(record.shard)
        return (
            ["it is broken"]
            if record.shard == "train-00001"
            else original(dataset, record, spec, decode=decode)
        )

    monkeypatch.setattr(dataset_checks, "shard_problems", noted)
    words = ["verify", dataset, "--threads", "1", "--log", str(log)]
    assert run([*words, "--shards", "train-00000", "--shards", "train-00001"]) == 1
    with open(log, "a") as file:
        file.write('{"shard": "val-0')  # killed while it wrote
    assert run(words) == 1
    assert read == ["train-00000", "train-00001", "val-00000"]
    assert "it is broken" in capsys.readouterr().out
    assert run(words) == 1
    assert len(read) == 3
    uri = Dataset(dataset).shard_uri("val-00000")
    storage.remove(uri)
    log.write_text("notes\n")
    assert run(words) == 2
    assert "line 1 of" in capsys.readouterr().err


RUNNER = "FnApiRunner"  # one of Beam's own, in this process


def test_workers_of_a_runner_find_what_this_machine_finds(dataset, capsys):
    storage.write_atomic(Dataset(dataset).shard_uri("train-00001"), b"no tar")
    assert run(["verify", dataset]) == 1
    here = capsys.readouterr().out
    assert "train-00001" in here
    assert run(["verify", dataset, "--runner", RUNNER]) == 1
    assert capsys.readouterr().out == here
    assert not (Path(dataset) / "_checks").exists()


def test_a_check_by_a_runner_goes_on_where_it_was_stopped(dataset, tmp_path, monkeypatch):
    read = []
    original = checks.shard_problems

    def noted(dataset, record, spec, *, decode):
        read.append(record.shard)
        if record.shard == "val-00000" and read.count("val-00000") == 1:
            raise ZeroDivisionError
        return original(dataset, record, spec, decode=decode)

    monkeypatch.setattr(checks, "shard_problems", noted)
    monkeypatch.setattr(dataset_checks, "shard_problems", None)  # nothing is left to be read here
    words = ["verify", dataset, "--runner", RUNNER, "--log", str(tmp_path / "log.jsonl")]
    with pytest.raises(ZeroDivisionError):
        run(words)
    found = sorted((Path(dataset) / "_checks").iterdir())
    assert {path.stem for path in found} == set(read) - {"val-00000"}
    assert run(words) == 0
    assert sorted(read) == ["train-00000", "train-00001", "val-00000", "val-00000"]
    assert run(words) == 0  # by the log
    assert len(read) == 4


def test_findings_of_yesterday_count_no_more(dataset):
    place = Path(dataset) / "_checks" / "val-00000.json"
    place.parent.mkdir()
    record = Dataset(dataset).read_commit("val-00000")
    place.write_text(json.dumps(finding(record, ["it is broken"], decode=True)))
    words = ["verify", dataset, "--runner", RUNNER]
    assert run(words) == 1
    place.parent.mkdir()
    place.write_text(json.dumps(finding(record, ["it is broken"], decode=True)))
    os.utime(place, (0, 0))
    assert run(words) == 0
    assert not place.exists()
