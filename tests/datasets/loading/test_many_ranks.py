"""What many trainers on many machines meet: growth, takedowns, outages, bad clips, small caches,
torchrun and DataLoader's workers.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset
from vidact import storage
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading import batch as batch_module
from vidact.datasets.loading import faults as faults_module
from vidact.datasets.loading import samples as samples_module
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.loading.faults import Faults
from vidact.datasets.loading.iterable import IterableClips
from vidact.datasets.loading.reader import CachedReader
from vidact.datasets.loading.shard_cache import ShardCache
from vidact.datasets.shards import manifest as manifest_module
from vidact.datasets.shards.clip import Clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter, take_down
from vidact.errors import ConfigError, DatasetError, ShardError

from tests.datasets.conftest import source_hash

FEW = {"batch_size": 2, "seed": 3, "threads": 1, "prefetch": 0}


@pytest.fixture
def dataset(tmp_path: Path, toy_dataset: Callable[..., str]) -> str:
    """Six sources of one clip, two a shard."""
    return toy_dataset(str(tmp_path / "data"), {"train": [64] * 6})


def keys(batches: Any) -> list[list[str]]:
    return [batch.keys for batch in batches]


def grow(dataset: str, spec: ActionSpec, toy_clip: Callable[..., Clip]) -> None:
    with ShardWriter(dataset, "train-00003", spec) as writer:
        writer.add(toy_clip(50, 0, 64))
        writer.commit()
    Dataset(dataset).compact(DatasetInfo(name="Toy", spec=spec))


def test_resume_goes_back_to_its_version(
    dataset: str, toy_spec: ActionSpec, toy_clip: Callable[..., Clip]
) -> None:
    loader = ClipLoader([dataset], **FEW)
    whole = keys(itertools.islice(ClipLoader([dataset], **FEW).batches(), 6))
    next(iter(loader))
    state = loader.state_dict()
    grow(dataset, toy_spec, toy_clip)
    later = ClipLoader([dataset], **FEW)
    assert later.num_clips == 7
    later.load_state_dict(state)
    assert (later.num_clips, later.versions) == (6, state["versions"])
    assert keys(itertools.islice(later.batches(), 5)) == whole[1:]
    for version in Dataset(dataset).versions.all()[1:]:
        storage.remove(Dataset(dataset).versions.uri(version))
    with pytest.raises(DatasetError, match=f"version {state['versions'][0]} .* is not there"):
        ClipLoader([dataset], **FEW).load_state_dict(state)


@pytest.mark.parametrize("cached", [False, True])
def test_a_trainer_survives_a_takedown(
    tmp_path: Path, toy_spec: ActionSpec, toy_dataset: Callable[..., str], cached: bool
) -> None:
    # A store that is not local is read in blocks, or through the cache.
    uri = toy_dataset(f"memory://survives{cached}", {"train": [64] * 6})
    dataset = Dataset(uri)
    options: dict[str, Any] = {**FEW, "block_clips": 1, "shuffle_clips": 4}
    if cached:
        options["cache_dir"] = str(tmp_path / "cache")
    expected = keys(ClipLoader([uri], **options))
    loader = ClipLoader([uri], **options)
    next(iter(loader))
    state = loader.state_dict()
    gone = expected[1][0]
    sha256 = source_hash(int(gone[:12], 16))
    rows = dataset.manifest().to_pylist()
    (shard,) = {row["shard"] for row in rows if row["source_sha256"] == sha256}
    dataset.bury([sha256])
    take_down(dataset, shard, [sha256], toy_spec)
    masked = [["" if key == gone else key for key in step] for step in expected]
    rest = list(loader)
    assert keys(rest) == masked[1:]
    assert not rest[0].valid[0].any()
    assert not rest[0].frames[0].any()
    counts = loader.faults.counts
    assert counts["removed_clips"] == 1
    # Its neighbor lies elsewhere now, unless it was in the first batch.
    neighbors = {row["key"] for row in rows if row["shard"] == shard} - {gone}
    assert counts["moved_shards"] == int(not neighbors & set(expected[0]))
    # Who resumes after the tables were made anew has the same batches.
    dataset.compact(DatasetInfo(name="Toy", spec=toy_spec))
    again = ClipLoader([uri], **options)
    assert again.num_clips == 5
    again.load_state_dict(state)
    assert keys(again) == masked[1:]


def test_a_running_trainer_looks_for_takedowns(
    dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples_module, "LOOK_S", 0.0)
    loader = ClipLoader([dataset], **FEW)
    run = iter(loader)
    next(run)
    gone = loader.epoch_keys(0)[2][0]
    Dataset(dataset).bury([source_hash(int(gone[:12], 16))])
    assert keys(run)[1][0] == ""


class Outage:
    """Reads of shards fail for a while, or hang."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int, act: Callable[[], None]):
        self.left, self.act, self.original = failures, act, storage.read_range
        monkeypatch.setattr(storage, "read_range", self)
        monkeypatch.setattr(faults_module, "FIRST_PAUSE_S", 0.001)

    def __call__(self, uri: str, start: int, end: int) -> bytes:
        if str(uri).endswith(".tar") and self.left:
            self.left -= 1
            self.act()
        return self.original(uri, start, end)


def fail() -> None:
    raise OSError("503 Slow Down")


@pytest.fixture
def bucket(toy_dataset: Callable[..., str], request: pytest.FixtureRequest) -> str:
    return toy_dataset(f"memory://{request.node.name}", {"train": [64] * 4})


def test_an_outage_is_waited_out(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = keys(ClipLoader([bucket], **FEW))
    Outage(monkeypatch, 6, fail)
    loader = ClipLoader([bucket], **FEW)
    assert keys(loader) == expected
    assert loader.faults.counts["retries"] >= 3
    Outage(monkeypatch, 100, fail)
    with pytest.raises(OSError, match="503"):
        list(ClipLoader([bucket], **FEW, retries=2))


def test_a_read_that_hangs_is_tried_again(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    Outage(monkeypatch, 1, lambda: release.wait(30) and None)
    loader = ClipLoader([bucket], **FEW, timeout_s=0.2)
    began = time.monotonic()
    assert len(list(loader)) == 2
    assert time.monotonic() - began < 20
    assert loader.faults.counts["timeouts"] == 1
    release.set()


def test_bad_clips_are_left_out_within_a_budget(
    dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Dataset(dataset).read_commit("train-00000")
    uri = Dataset(dataset).shard_uri("train-00000")
    data = bytearray(storage.read_bytes(uri))
    for row in record.rows:  # both of its clips
        data[row["offset_bytes"] + 600] ^= 4
    storage.write_atomic(uri, bytes(data))
    with pytest.raises(ShardError, match="checksum"):
        list(ClipLoader([dataset], **FEW))
    with pytest.raises(ShardError, match="2 bad clips so far; max_bad_clips is 1"):
        list(ClipLoader([dataset], **FEW, max_bad_clips=1))
    capsys.readouterr()
    loader = ClipLoader([dataset], **FEW, max_bad_clips=2)
    batches = list(loader)
    assert sum(key == "" for batch in batches for key in batch.keys) == 2
    assert loader.faults.counts["bad_clips"] == 2
    list(loader)  # the same ones again: the budget is of clips
    assert loader.faults.counts["bad_clips"] == 2
    said = capsys.readouterr().err
    assert said.count("bad clip") == 2
    assert "bad clip 1 of at most 2" in said
    assert all(row["key"] in said for row in record.rows)


def test_a_cache_that_is_too_small_is_refused(bucket: str, tmp_path: Path, dataset: str) -> None:
    cache = {"cache_dir": str(tmp_path / "cache"), "cache_gb": 1e-6}
    with pytest.raises(ConfigError, match=r"cache_gb is 1e-06, but the shards of memory://.* are "):
        ClipLoader([bucket], **FEW, **cache)
    assert len(list(ClipLoader([dataset], **FEW, **cache))) == 3  # a local one needs no cache


def test_a_cached_shard_that_another_process_took_away_is_fetched_again(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, taken, find = keys(ClipLoader([bucket], **FEW)), [], CachedReader._find

    def taken_at_once(self: CachedReader, shard: str) -> Path:
        path = find(self, shard)
        if threading.current_thread().name.startswith("vidact-loader") and not taken:
            taken.append(path)
            path.unlink()
        return path

    monkeypatch.setattr(CachedReader, "_find", taken_at_once)
    assert keys(ClipLoader([bucket], **FEW, cache_dir=str(tmp_path))) == expected
    assert taken


def test_a_fetch_does_not_look_through_the_cache(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = tmp_path / f"{'a' * 64}.part", tmp_path / f"{'b' * 64}.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache = ShardCache(str(tmp_path), 10**9)
    assert (old.exists(), young.exists()) == (False, True)
    shards = Dataset(bucket).content()["shards"]
    cache.fetch(Dataset(bucket).shard_uri(shards[0]["name"]), shards[0])
    monkeypatch.setattr(ShardCache, "_shrink", None)
    for shard in shards:
        cache.fetch(Dataset(bucket).shard_uri(shard["name"]), shard)


def test_blocks_belong_to_a_state(dataset: str) -> None:
    state = ClipLoader([dataset], **FEW).state_dict()
    with pytest.raises(DatasetError, match=r"block_clips differs \(expected 8, got 1\)"):
        ClipLoader([dataset], **FEW, block_clips=1, shuffle_clips=32).load_state_dict(state)
    del state["identity"]["block_clips"]  # as before
    ClipLoader([dataset], **FEW).load_state_dict(state)
    with pytest.raises(DatasetError, match=r"block_clips differs \(expected 8, got 1\)"):
        ClipLoader([dataset], **FEW, block_clips=1, shuffle_clips=32).load_state_dict(state)


def test_ranks_are_torchruns(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ClipLoader([dataset], **FEW).epoch_keys(0)
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost")):
        monkeypatch.setenv(name, value)
    loader = ClipLoader([dataset], **FEW)
    assert (loader.rank, loader.world_size) == (1, 2)
    assert keys(loader) == [step[1:] for step in whole]
    assert keys(ClipLoader([dataset], **FEW, rank=0, world_size=1)) == whole


class Wrapped(IterableDataset):
    """What people write."""

    def __init__(self, loader: ClipLoader):
        self.loader = loader

    def __iter__(self) -> Any:
        return (batch.keys for batch in self.loader)


def test_workers_of_a_dataloader_share_an_epoch(dataset: str) -> None:
    loader = ClipLoader([dataset], **FEW)
    expected = list(loader)
    clips = IterableClips([dataset], **FEW)
    found = list(DataLoader(clips, batch_size=None, num_workers=2))
    assert [batch["keys"] for batch in found] == keys(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one["frames"].numpy(), other.frames)
        assert np.array_equal(one["valid"].numpy(), other.valid)
    state = clips.state_after(found[0])
    assert state == {**loader.state_dict(), "epoch": 0, "step": 1}
    assert clips.state_after(found[-1])["epoch"] == 1
    resumed = IterableClips([dataset], **FEW)
    resumed.load_state_dict(state)
    rest = [batch["keys"] for batch in DataLoader(resumed, batch_size=None, num_workers=2)]
    assert rest == keys(expected)[1:]
    clips.set_epoch(1)
    assert [batch["keys"] for batch in clips] == ClipLoader([dataset], **FEW).epoch_keys(1)
    with pytest.raises(ConfigError, match="IterableClips"):
        list(DataLoader(Wrapped(loader), batch_size=None, num_workers=1))


def test_memory_goes_to_what_loading_needs(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []
    original = manifest_module.parquet_batches

    def noted(data: bytes, columns: Any = None) -> Any:
        asked.append(set(columns or ["all"]))
        return original(data, columns)

    monkeypatch.setattr(manifest_module, "parquet_batches", noted)
    ClipLoader([dataset], **FEW, filters=[("presses.go", ">=", 0)])
    needed = {"key", "shard", "offset_bytes", "size_bytes", "sample_crc32", "frames", "start_tick"}
    assert asked == [needed | {"split", "presses"}]


def test_all_frames_come_in_pinned_memory(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(ClipLoader([dataset], **FEW))
    made: list[Any] = []

    def noted(shape: tuple[int, ...]) -> Any:
        made.append(np.full(shape, 7, np.uint8))  # as little zeroed as what torch gives
        return made[-1]

    if not torch.cuda.is_available():  # what the loader does with such memory, without any
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(batch_module, "_pinned", noted)
    found = list(ClipLoader([dataset], **FEW, pin_memory=True))
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.frames, other.frames)
        pinned = any(one.frames is frames for frames in made)
        assert pinned or torch.from_numpy(one.frames).is_pinned()


def test_pinned_memory_needs_a_gpu(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="pin_memory must be False where there is no GPU"):
        ClipLoader([dataset], **FEW, pin_memory=True)


@pytest.mark.parametrize("name", ["retries", "timeout_s", "max_bad_clips"])
def test_patience_is_no_less_than_none(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be 0 or more, got -1"):
        Faults(**{"retries": 0, "timeout_s": 0, "max_bad_clips": 0} | {name: -1})


def test_a_small_set_is_one_step_and_a_large_one_drops_its_rest(dataset: str) -> None:
    for batch_size, steps in ((8, 1), (4, 1), (2, 3)):
        loader = ClipLoader([dataset], batch_size=batch_size, drop_last=None)
        assert len(loader) == steps
    small = ClipLoader([dataset], batch_size=8, drop_last=None)
    assert sum(map(bool, small.epoch_keys(0)[0])) == 6
