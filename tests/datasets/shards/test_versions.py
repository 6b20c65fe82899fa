"""Versions of a manifest: they are there while a dataset grows, share parts, and are collected."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vidact import storage
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.shards import compaction
from vidact.datasets.shards import manifest as manifest_module
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.commits import CommitRecord
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.manifest import manifest_hash
from vidact.datasets.shards.writer import ShardWriter, take_down
from vidact.errors import ConfigError, DatasetError

from tests.datasets.conftest import source_hash

Clips = Callable[..., Clip]


@pytest.fixture
def growing(tmp_path: Path, toy_spec: ActionSpec, toy_clip: Clips) -> Dataset:
    """Two shards in two parts, compacted once."""
    dataset = Dataset(tmp_path / "data")
    add_shard(dataset, 0, toy_spec, toy_clip)
    add_shard(dataset, 64, toy_spec, toy_clip)
    compact(dataset, toy_spec)
    return dataset


def add_shard(dataset: Dataset, number: int, spec: ActionSpec, toy_clip: Clips) -> None:
    """A shard of two sources of a clip each, written an hour ago."""
    with ShardWriter(dataset, f"train-{number:05d}", spec) as writer:
        for source in (2 * number + 1, 2 * number + 2):
            writer.add(toy_clip(source, 0, 64))
        writer.commit()
    age(dataset.commit_uri(f"train-{number:05d}"), 3600)


def age(path: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def compact(dataset: Dataset, spec: ActionSpec, keep_days: float = 7.0) -> str:
    info = DatasetInfo(name="Toy", spec=spec)
    return str(dataset.compact(info, keep_days=keep_days)["version"])


def keys(dataset: Dataset, version: str = "") -> list[str]:
    return dataset.open_manifest(version).table(["key"])["key"].to_pylist()


def test_a_version_stays_while_the_dataset_grows(
    growing: Dataset, toy_spec: ActionSpec, toy_clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, before = growing.content()["version"], keys(growing)
    add_shard(growing, 1, toy_spec, toy_clip)
    read: list[str] = []
    original = Dataset.read_commit

    def noted(self: Dataset, shard: str) -> CommitRecord:
        read.append(shard)
        return original(self, shard)

    monkeypatch.setattr(Dataset, "read_commit", noted)
    second = compact(growing, toy_spec)
    assert sorted(read) == ["train-00000", "train-00001"]  # the part of train-00064 is taken over
    assert keys(growing, first) == before
    assert len(keys(growing)) == len(before) + 2
    parts = {version: growing.versions.read(version) for version in (first, second)}
    assert parts[first][1] == parts[second][1]
    assert parts[first][0] != parts[second][0]
    assert compact(growing, toy_spec) == second
    assert sorted(read) == ["train-00000", "train-00001"]  # nothing was new
    assert check_dataset(growing).problems == []
    # What was written in the same moment as its part is read again.
    os.utime(growing.commit_uri("train-00064"))
    read.clear()
    compact(growing, toy_spec)
    assert read == ["train-00064"]


def test_few_clips_are_read_from_the_parts_that_have_them(
    growing: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = manifest_module.read_part

    def noted(uri: str, columns: object = None) -> Iterator[pa.Table]:
        read.append(uri.rsplit("/", 1)[1][:11])
        return original(uri, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(manifest_module, "read_part", noted)
    manifest = growing.open_manifest()
    last = source_hash(130)
    assert [row["source_sha256"] for row in manifest.source_rows(last)] == [last]
    clips = manifest.table(["key", "shard"]).take([3])
    read.clear()
    assert [row["source_sha256"] for row in manifest.whole_rows(clips)] == [last]
    assert read == []  # the last part that was read is kept
    # Of a part that has lost its summary nobody knows what it holds.
    for part in growing.versions.read(manifest.version):
        storage.remove(growing.versions.totals_uri(part))
    assert len(growing.open_manifest().source_rows(last)) == 1
    assert read == ["train-00000", "train-00001"]


def test_old_versions_are_collected_and_told_by_name(
    growing: Dataset, toy_spec: ActionSpec, toy_clip: Clips
) -> None:
    versions = [str(growing.content()["version"])]
    for number in (1, 2, 3):
        add_shard(growing, number, toy_spec, toy_clip)
        versions.append(compact(growing, toy_spec))
    for days, version in zip((30, 20, 8, 1), versions, strict=True):
        age(growing.versions.uri(version), days * 86_400)
    growing.versions.pin(versions[0][:8])
    assert growing.versions.pinned() == [versions[0]]
    add_shard(growing, 4, toy_spec, toy_clip)
    versions.append(compact(growing, toy_spec))
    # The second was replaced 8 days ago; the third was in use until yesterday.
    assert set(growing.versions.all()) == {versions[i] for i in (0, 2, 3, 4)}
    with pytest.raises(DatasetError, match=rf"version {versions[1]} .* is not there.*--pin"):
        ClipLoader([growing], batch_size=1, version=versions[1])
    assert ClipLoader([growing], batch_size=1, version=versions[0][:8]).num_clips == 4
    assert ClipLoader([growing], batch_size=1).num_clips == 12
    assert growing.versions.unpin(versions[0]) == versions[0]
    with pytest.raises(ConfigError, match="0 pinned versions"):
        growing.versions.unpin(versions[0])
    compact(growing, toy_spec, keep_days=0.0)
    assert growing.versions.all() == [versions[4]]
    # Parts that nobody names go a day later: they may belong to a version that is being written.
    folder = Path(growing.uri) / "manifests" / "parts"
    for path in folder.iterdir():
        age(str(path), 2 * 86_400)
    add_shard(growing, 5, toy_spec, toy_clip)
    last = compact(growing, toy_spec, keep_days=0.0)
    named = {part.stem for part in growing.versions.read(last)}
    assert {path.stem for path in folder.iterdir()} == named
    assert check_dataset(growing).problems == []


def make_as_before(dataset: Dataset) -> None:
    """A dataset with one manifest and no versions."""
    content = dataset.content()
    del content["version"]
    dataset._write_content(content)
    for uri in storage.list_files(storage.join(dataset.uri, "manifests"), recursive=True):
        storage.remove(uri)


@pytest.mark.parametrize("one_file_clips", [2, 100])
@pytest.mark.parametrize("of_before", [False, True])
def test_killed_at_any_write_it_is_whole_and_done_again(  # noqa: PLR0917 - fixtures
    growing: Dataset,
    toy_spec: ActionSpec,
    toy_clip: Clips,
    monkeypatch: pytest.MonkeyPatch,
    of_before: bool,
    one_file_clips: int,
) -> None:
    monkeypatch.setattr(compaction, "ONE_FILE_CLIPS", one_file_clips)
    if of_before:
        make_as_before(growing)
    first = keys(growing)
    add_shard(growing, 1, toy_spec, toy_clip)
    write, left = storage.write_atomic, [0]

    def failing(uri: storage.Uri, data: bytes) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        write(uri, data)

    monkeypatch.setattr(storage, "write_atomic", failing)
    for number in range(20):
        left[0] = number
        try:
            compact(growing, toy_spec)
            break
        except KeyboardInterrupt:
            # As before until the new version is named, which only the single file comes after.
            assert keys(growing) == first or growing.content()["counts"]["clips"] == 6
            assert ClipLoader([growing], batch_size=1).num_clips == len(keys(growing))
    assert number > 4
    assert len(keys(growing)) == 6
    assert Path(growing.manifest_uri).exists() == (one_file_clips == 100)
    assert check_dataset(growing).problems == []


def test_a_large_manifest_is_not_one_file(
    growing: Dataset, toy_spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pq.read_table(growing.manifest_uri)["key"].to_pylist() == keys(growing)
    monkeypatch.setattr(compaction, "ONE_FILE_CLIPS", 3)
    compact(growing, toy_spec)
    assert not Path(growing.manifest_uri).exists()
    assert check_dataset(growing).problems == []
    assert ClipLoader([growing], batch_size=1).num_clips == 4


def test_a_dataset_of_before_is_upgraded_in_place(growing: Dataset, toy_spec: ActionSpec) -> None:
    make_as_before(growing)
    loader = ClipLoader([growing], batch_size=1)
    assert loader.versions == [""]
    next(iter(loader))
    state, order = loader.state_dict(), loader.epoch_keys(0)
    before = Path(growing.manifest_uri).read_bytes()
    version = compact(growing, toy_spec)
    assert Path(growing.manifest_uri).read_bytes() == before
    upgraded = ClipLoader([growing], batch_size=1)
    upgraded.load_state_dict(state)
    assert (upgraded.versions, upgraded.step) == ([version], 1)
    assert upgraded.epoch_keys(0) == order
    assert compact(growing, toy_spec) == version


def test_a_takedown_takes_names_out_of_all_versions(
    growing: Dataset, toy_spec: ActionSpec, toy_clip: Clips
) -> None:
    first = growing.content()["version"]
    order = manifest_hash(growing.open_manifest().table())
    gone = source_hash(2)
    growing.bury([gone])
    take_down(growing, "train-00000", [gone], toy_spec)
    second = compact(growing, toy_spec)
    assert second != first
    assert gone not in growing.manifest()["source_sha256"].to_pylist()
    old = growing.open_manifest(first).table()
    assert manifest_hash(old) == order
    names = dict(zip(old["key"].to_pylist(), old["source_uri"].to_pylist(), strict=True))
    assert names[f"{gone[:12]}-000000000"] == ""
    assert sum(name == "" for name in names.values()) == 1
    # A shard that a worker commits in spite of it all is not taken in.
    with ShardWriter(growing, "train-00065", toy_spec) as writer:
        writer.add(toy_clip(2, 128, 192))
        writer.commit()
    compact(growing, toy_spec)
    assert gone not in growing.manifest()["source_sha256"].to_pylist()


def test_versions_that_are_none(growing: Dataset) -> None:
    with pytest.raises(DatasetError, match="version beef of its manifest is not there"):
        growing.open_manifest("beef")
    storage.write_atomic(growing.versions.uri("beef" * 4), b"{}")
    with pytest.raises(DatasetError, match=r"beef\.json: is damaged"):
        growing.open_manifest("beef")
    with pytest.raises(ConfigError, match="version must be one for each of 2 datasets"):
        ClipLoader([growing, growing], batch_size=1, version="beef")
