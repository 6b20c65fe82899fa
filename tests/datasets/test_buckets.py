"""Datasets in a bucket: a real S3 server in this process, written, verified and read like a
local folder.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from vidact import storage
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.loading.faults import Faults
from vidact.datasets.loading.reader import BlockReader
from vidact.datasets.loading.shard_cache import ShardCache
from vidact.datasets.loading.shared_store import Shared
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.datasets.status import dataset_status
from vidact.errors import ConfigError, ShardError

moto_server = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")

FAULTS = Faults(retries=0, timeout_s=0, max_bad_clips=0)
SPLITS = {"train": [160, 100, 128, 40, 64, 200], "val": [64]}


@pytest.fixture(scope="module")
def bucket():
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    s3fs.S3FileSystem.clear_instance_cache()
    fs, _ = storage.filesystem("s3://videos/")
    fs.mkdir("videos")
    yield "s3://videos"
    s3fs.S3FileSystem.clear_instance_cache()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    server.stop()


@pytest.fixture(scope="module")
def dataset(bucket, toy_dataset):
    return toy_dataset(f"{bucket}/sets/toy", SPLITS)


@pytest.fixture(scope="module")
def local(tmp_path_factory, toy_dataset):
    return toy_dataset(str(tmp_path_factory.mktemp("local")), SPLITS)


def batches(dataset, **options):
    loader = ClipLoader([dataset], batch_size=4, ticks=64, seed=1, **options)
    return [(batch.keys, batch.frames.tobytes(), batch.camera.tobytes()) for batch in loader]


def test_the_bucket_holds_the_same_bytes_as_the_folder(dataset, local):
    assert Dataset(dataset).committed_shards() == Dataset(local).committed_shards()
    for uri in storage.list_files(local, recursive=True):
        name = os.path.relpath(uri, local)
        assert storage.read_bytes(storage.join(dataset, *name.split(os.sep))) == storage.read_bytes(
            uri
        ), name


def test_verify_and_status(dataset):
    assert check_dataset(Dataset(dataset)).problems == []
    assert dataset_status(Dataset(dataset))["compacted"]


@pytest.mark.parametrize("order", ["clips", "episodes"])
def test_the_loader_gives_the_same_batches_with_and_without_a_cache(
    dataset, local, order, tmp_path
):
    expected = batches(local, order=order)
    assert batches(dataset, order=order) == expected
    assert batches(dataset, order=order, cache_dir=str(tmp_path / "cache")) == expected
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 3


def test_neighbours_come_in_one_read(dataset, monkeypatch):
    reads = []
    read_range = storage.read_range

    def counted(uri, start, end):
        reads.append(end - start)
        return read_range(uri, start, end)

    monkeypatch.setattr(storage, "read_range", counted)
    loader = ClipLoader([dataset], batch_size=2, block_clips=8)
    assert sum(len(batch.keys) for batch in loader) == loader.num_clips // 2 * 2
    sizes = [
        row["size_bytes"]
        for row in Dataset(dataset).manifest().to_pylist()
        if row["split"] == "train"
    ]
    assert len(reads) == 3  # a block a shard here
    assert sum(reads) == sum(sizes)


@pytest.mark.parametrize("cached", [False, True])
def test_what_is_slow_to_come_is_fetched_ahead(dataset, monkeypatch, tmp_path, cached):
    """By threads that wait for the bucket, so that those that decode need not."""
    readers = []
    function = "open_uri" if cached else "read_range"
    original = getattr(storage, function)

    def noted(*arguments):
        if str(arguments[0]).endswith(".tar") and "://" in str(arguments[0]):
            readers.append(threading.current_thread().name)
        return original(*arguments)

    monkeypatch.setattr(storage, function, noted)
    loader = ClipLoader([dataset], batch_size=2, cache_dir=str(tmp_path) if cached else None)
    assert len(list(loader)) == len(loader)
    assert len(readers) == 3
    assert all(name.startswith("vidact-fetch") for name in readers)


def test_one_download_serves_all_readers(dataset, tmp_path, monkeypatch):
    shard = Dataset(dataset).content()["shards"][0]
    downloads = []
    open_uri = storage.open_uri

    def counted(uri, mode):
        if str(uri).startswith("s3://"):
            downloads.append(uri)
        return open_uri(uri, mode)

    monkeypatch.setattr(storage, "open_uri", counted)
    caches = [ShardCache(str(tmp_path), 10**9) for _ in range(4)]  # as of four ranks on one machine
    with ThreadPoolExecutor(4) as pool:
        paths = list(
            pool.map(
                lambda cache: cache.fetch(Dataset(dataset).shard_uri(shard["name"]), shard), caches
            )
        )
    assert len(set(paths)) == 1
    assert len(downloads) == 1


def test_filters_that_leave_holes_read_clips_alone(dataset, monkeypatch):
    reads = []
    read_range = storage.read_range
    monkeypatch.setattr(storage, "read_range", lambda *a: reads.append(a) or read_range(*a))
    keys = [
        "000000000001-000000000",
        "000000000002-000000064",
    ]  # the first and the last of their shard
    batch = next(iter(ClipLoader([dataset], batch_size=2, filters=[("key", "in", keys)])))
    assert sorted(batch.keys) == keys
    sizes = {row["key"]: row["size_bytes"] for row in Dataset(dataset).manifest().to_pylist()}
    assert sum(end - start for _, start, end in reads) == sum(sizes[key] for key in keys)


def test_the_cache_keeps_its_limit_and_drops_the_longest_unused(dataset, tmp_path):
    shards = [shard for shard in Dataset(dataset).content()["shards"] if shard["split"] == "train"]
    limit = max(a["size_bytes"] + b["size_bytes"] for a in shards for b in shards if a is not b)
    cache = ShardCache(str(tmp_path), limit)
    for number, shard in enumerate(shards):
        path = cache.fetch(Dataset(dataset).shard_uri(shard["name"]), shard)
        os.utime(path, (number, number))
    kept = {path.stem for path in Path(tmp_path).glob("*.tar")}
    assert kept == {shard["sha256"] for shard in shards[1:]}
    assert sum(path.stat().st_size for path in Path(tmp_path).glob("*.tar")) <= limit
    with pytest.raises(ConfigError, match="above 0 bytes"):
        ShardCache(str(tmp_path), 0)


def test_a_cached_shard_is_fetched_once(dataset, tmp_path, monkeypatch):
    shard = Dataset(dataset).content()["shards"][0]
    cache = ShardCache(str(tmp_path), 10**9)
    path = cache.fetch(Dataset(dataset).shard_uri(shard["name"]), shard)
    monkeypatch.setattr(storage, "open_uri", None)  # a second download would fail
    assert cache.fetch(Dataset(dataset).shard_uri(shard["name"]), shard) == path


@pytest.mark.parametrize("cached", [False, True])
def test_a_shard_that_changed_in_the_bucket_is_an_error(bucket, toy_dataset, tmp_path, cached):
    dataset = toy_dataset(f"{bucket}/changed{cached}", {"train": [64, 64]})
    uri = Dataset(dataset).shard_uri("train-00000")
    data = bytearray(storage.read_bytes(uri))
    data[len(data) // 3] ^= 255
    storage.write_atomic(uri, bytes(data))
    options = {"cache_dir": str(tmp_path)} if cached else {}
    with pytest.raises(ShardError, match=r"s3://videos/changed.*train-00000\.tar.*vidact verify"):
        batches(dataset, **options, drop_last=False)
    assert list(tmp_path.glob("*.tar")) == []
    assert list(tmp_path.rglob("*.tmp")) == []
    storage.remove(uri)
    with pytest.raises(ShardError, match="is missing"):
        batches(dataset, **options, drop_last=False)


def test_blocks_stay_within_their_budget(dataset):
    rows = [row for row in Dataset(dataset).manifest().to_pylist() if row["split"] == "train"]
    largest = max(row["size_bytes"] for row in rows)
    reader = BlockReader(Dataset(dataset), largest, FAULTS)
    for row in rows:
        reader.read(
            row
            | {
                "block_start": row["offset_bytes"],
                "block_end": row["offset_bytes"] + row["size_bytes"],
            }
        )
        assert reader._data._used <= largest
    reader.close()
    assert reader._data._used == 0


def test_a_value_is_made_once_and_an_error_is_not_kept():
    made = []
    store = Shared[str, str](10, len, lambda _: None)

    def make(key):
        made.append(key)
        if len(made) == 1:
            raise OSError("the network is down")
        return "value"

    with pytest.raises(OSError, match="network"), store.lend("a", make):
        pass
    for _ in range(2):
        with store.lend("a", make) as value:
            assert value == "value"
    assert made == ["a", "a"]


def test_a_failed_upload_leaves_no_object(bucket, tmp_path, monkeypatch):
    source = tmp_path / "big.tar"
    source.write_bytes(np.random.default_rng(0).bytes(12 << 20))
    fs, _ = storage.filesystem(f"{bucket}/x")

    uri = f"{bucket}/upload/big.tar"
    original = s3fs.S3FileSystem._call_s3

    async def failing_part(self, method, *args, **kwargs):
        if method in ("upload_part", "put_object"):
            raise OSError("connection lost")
        return await original(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", failing_part)
    with pytest.raises(OSError, match="connection lost"):
        storage.put_atomic(source, uri)
    monkeypatch.undo()
    assert not storage.exists(uri)
    assert source.exists()
    client_uploads = fs.call_s3("list_multipart_uploads", Bucket="videos").get("Uploads", [])
    assert client_uploads == []
    storage.put_atomic(source, uri, consume=True)
    assert storage.size_bytes(uri) == 12 << 20
    assert not source.exists()
