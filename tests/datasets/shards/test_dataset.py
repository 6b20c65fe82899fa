"""A dataset knows its places without reading anything, and sweeps only what killed workers left."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from vidact.attempts import this_host
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.inventory import Inventory
from vidact.datasets.shards.lost import forget_lost, lost_shards
from vidact.datasets.shards.writer import ShardWriter
from vidact.errors import ConfigError

FOLDERS = ("", ".actions", ".loading", ".recordings", ".shards", ".video")


@pytest.mark.parametrize("place", ["/data/set", Path("/data/set"), Dataset("/data/set")])
def test_strings_paths_and_datasets_name_the_same_dataset(place):
    dataset = Dataset(place)
    assert dataset == Dataset("/data/set")
    assert (str(dataset), os.fspath(dataset)) == ("/data/set", "/data/set")
    assert pickle.loads(pickle.dumps(dataset)) == dataset


def test_places():
    dataset = Dataset("s3://bucket/sets/doom/")
    assert (dataset.name, dataset.local, dataset.spool) == ("doom", None, None)
    assert dataset.shard_uri("train-00000") == "s3://bucket/sets/doom/shards/train-00000.tar"
    assert dataset.commit_uri("train-00000") == "s3://bucket/sets/doom/_commits/train-00000.json"
    assert dataset.preview_uri("k") == "s3://bucket/sets/doom/previews/k.mp4"
    assert dataset.plan_uri == "s3://bucket/sets/doom/plan.parquet"
    assert Dataset("data").spool == Path("data/_spool")


def test_what_is_not_there_yet_is_empty(tmp_path):
    dataset = Dataset(tmp_path / "new")
    assert dataset.committed_shards() == dataset.tars() == dataset.previews() == []
    assert (
        list(dataset.commits())
        == lost_shards(Inventory(dataset))
        == dataset.removed_sources()
        == []
    )
    assert not dataset.has_tables()
    dataset.sweep()
    dataset.require_own_folder()
    assert not (tmp_path / "new").exists()


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_sweep_takes_only_what_nobody_writes(toy_dataset, tmp_path):
    dataset = Dataset(toy_dataset(str(tmp_path / "data"), {"train": [64]}))
    before = {path for path in (tmp_path / "data").rglob("*") if path.is_file()}

    def write(name: str, age_s: float = 0.0) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age_s,) * 2)
        return path

    here, dead, day = this_host(), dead_process(), 24 * 3600.0
    kept = {
        write(f"_spool/train-00001.{here}.{os.getpid()}.0123abcd.tar"),
        write(f"_spool/train-00002.elsewhere.{dead}.0123abcd.tar", 0.9 * day),
        write(f"shards/.train-00003.tar.{here}-{os.getpid()}-0123abcd.tmp"),
        write(f"_commits/.train-00003.json.else.where-{dead}-0123abcd.tmp"),
        write(".unknown.tmp"),
    }
    gone = {
        write(f"_spool/train-00004.{here}.{dead}.0123abcd.tar"),
        write(f"_spool/train-00005.elsewhere.{dead}.0123abcd.tar", 1.1 * day),
        write(f"shards/.train-00006.tar.{here}-{dead}-0123abcd.tmp"),
        write(f"_summaries/.x.json.{here}-{dead}-0123abcd.tmp"),
        write(".unknown too.tmp", 1.1 * day),
    }
    dataset.sweep()
    left = {path for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert left == before | kept
    assert not left & gone


def test_a_shard_outlives_the_sweep_of_another_command(tmp_path, toy_spec, toy_clip):
    with ShardWriter(tmp_path / "data", "train-00000", toy_spec) as writer:
        writer.add(toy_clip(1, 0, 64))
        Dataset(tmp_path / "data").sweep()
        writer.commit()
    Dataset(tmp_path / "data").sweep()
    assert Dataset(tmp_path / "data").committed_shards() == ["train-00000"]
    assert not (tmp_path / "data" / "_spool").exists()


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(ConfigError, match=r"holds other things \(letter\.txt\)"):
        Dataset(tmp_path).require_own_folder()


def test_folders_give_their_nouns_and_load_nothing_heavy():
    for folder in FOLDERS:
        package = import_module(f"vidact.datasets{folder}")
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
    imports = ", ".join(f"vidact.datasets{folder}" for folder in FOLDERS)
    heavy = {"torch", "apache_beam", "av", "pyarrow"}
    check = f"import sys, {imports}; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_shard_that_is_committed_between_two_listings_is_not_lost(
    toy_dataset, tmp_path, monkeypatch
):
    dataset = Dataset(toy_dataset(str(tmp_path / "data"), {"train": [64]}))
    (shard,) = dataset.committed_shards()
    tar, whole = Path(dataset.shard_uri(shard)), Dataset.tars
    content = tar.read_bytes()
    record = Path(dataset.commit_uri(shard)).read_bytes()
    tar.unlink()
    Path(dataset.commit_uri(shard)).unlink()

    def commit_after(self):
        found = whole(self)
        tar.write_bytes(content)
        Path(self.commit_uri(shard)).write_bytes(record)
        return found

    monkeypatch.setattr(Dataset, "tars", commit_after)
    assert lost_shards(Inventory(dataset)) == []


def test_what_is_lost_is_told_by_few_records(toy_dataset, toy_spec, tmp_path, monkeypatch):
    dataset = Dataset(toy_dataset(str(tmp_path / "data"), {"train": [64] * 8}))
    with ShardWriter(dataset, "train-00004", toy_spec) as writer:  # nothing was kept
        writer.commit()
    Path(dataset.shard_uri("train-00002")).unlink()
    read = []
    original = Dataset.read_commit
    monkeypatch.setattr(
        Dataset, "read_commit", lambda self, shard: read.append(shard) or original(self, shard)
    )
    forget_lost(Inventory(dataset))
    assert sorted(read) == ["train-00002", "train-00004"]
    assert "train-00002" not in dataset.committed_shards()
    assert len(dataset.committed_shards()) == 4
