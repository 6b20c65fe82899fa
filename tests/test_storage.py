"""Bytes at rest: atomic writes, names that fsspec would misread, the same calls on a remote
filesystem.
"""

from __future__ import annotations

import hashlib
import os

import pytest
from vidact import storage
from vidact.errors import MissingDependencyError


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "data")
    else:
        name = f"memory://{tmp_path.name}"
        yield name
        fs, inner = storage.filesystem(name)
        if fs.exists(inner):
            fs.rm(inner, recursive=True)


def test_write_read_list_remove(folder):
    uri = storage.join(folder, "_commits", "train-00000.json")
    assert not storage.exists(uri)
    assert storage.list_files(storage.join(folder, "_commits")) == []
    storage.write_atomic(uri, b"old")
    storage.write_atomic(uri, b"new bytes")
    assert storage.read_bytes(uri) == b"new bytes"
    assert storage.read_range(uri, 4, 9) == b"bytes"
    assert storage.size_bytes(uri) == 9
    assert storage.sha256_file(uri) == hashlib.sha256(b"new bytes").hexdigest()
    assert [
        name.rsplit("/", 1)[1]
        for name in storage.list_files(storage.join(folder, "_commits"), ".json")
    ] == ["train-00000.json"]
    storage.remove(uri)
    storage.remove(uri)
    assert not storage.exists(uri)


def test_put_copies_or_consumes(folder, tmp_path):
    source = tmp_path / "spool.tar"
    source.write_bytes(b"tar")
    storage.put_atomic(source, storage.join(folder, "shards", "a.tar"))
    assert source.exists()
    storage.put_atomic(source, storage.join(folder, "shards", "b.tar"), consume=True)
    assert not source.exists()
    shards = storage.join(folder, "shards")
    assert [storage.read_bytes(uri) for uri in storage.list_files(shards)] == [b"tar", b"tar"]


def test_list_is_flat_unless_asked_and_hides_unfinished_files(folder):
    for name in ("b.mp4", "a.mp4", "deep/c.mp4", ".a.mp4.tmp"):
        storage.write_atomic(storage.join(folder, name), b"x")
    names = [uri[len(folder) + 1 :] for uri in storage.list_files(folder, ".mp4")]
    assert names == ["a.mp4", "b.mp4"]
    assert len(storage.list_files(folder, ".mp4", recursive=True)) == 3


def test_glob(folder):
    for name in ("train-0.tar", "train-1.tar", "val-0.tar"):
        storage.write_atomic(storage.join(folder, name), b"x")
    assert len(storage.glob_uris(storage.join(folder, "train-*.tar"))) == 2


@pytest.mark.parametrize(
    "name", ["a::b.mp4", "with space#1.mp4", "new\nline.mp4", "Ünïcode 'q\".mp4", "a?b*.mp4"]
)
def test_local_names_that_fsspec_would_misread(tmp_path, name):
    path = str(tmp_path / name)
    storage.write_atomic(path, b"x")
    assert storage.exists(path)
    assert storage.read_bytes(path) == b"x"
    assert storage.list_files(str(tmp_path)) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "dataset.json"
    storage.write_atomic(path, b"old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        storage.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["dataset.json"]


def test_replacing_shows_the_old_file_until_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "report.html"
    with storage.replacing(path) as temporary:
        temporary.write_bytes(b"first")
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".tmp")
        assert not path.exists()
    assert path.read_bytes() == b"first"
    with storage.replacing(path, sync=False) as one, storage.replacing(path) as other:
        assert one != other  # two attempts of one process
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert path.read_bytes() == b"one"
    assert os.listdir(path.parent) == ["report.html"]


def test_replacing_leaves_the_old_file_where_the_block_raises(tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(b"old")

    def interrupted():
        with storage.replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise ValueError("no figures")

    with pytest.raises(ValueError, match="no figures"):
        interrupted()
    with pytest.raises(FileNotFoundError), storage.replacing(path):
        pass  # nothing was written
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_several_files_are_on_the_disk_before_the_first_takes_its_place(tmp_path, monkeypatch):
    order = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle)))
    monkeypatch.setattr(
        os, "replace", lambda a, b: (order.append(os.path.basename(b)), replace(a, b))
    )
    places = [tmp_path / "model", tmp_path / "config"]
    with storage.replacing_all(places) as temporary:
        for path in temporary:
            path.write_bytes(b"x")
    assert order == ["sync", "sync", "model", "config", "sync"]  # the last is the folder's
    order.clear()
    with storage.replacing_all(places, sync=False) as temporary:
        for path in temporary:
            path.write_bytes(b"x")
    assert order == ["model", "config"]


@pytest.mark.parametrize("name", ["x" * 251 + ".tar", "é" * 125 + ".tar", "\U0001f3ae" * 63])
def test_replacing_a_name_of_the_greatest_length(tmp_path, name):
    path = tmp_path / name
    with storage.replacing(path) as temporary:
        temporary.write_bytes(b"x")
    assert path.read_bytes() == b"x"


def test_fetched_is_the_file_itself_or_a_copy_that_is_deleted(folder, tmp_path):
    uri = storage.join(folder, "play.mp4")
    storage.write_atomic(uri, b"film")
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with storage.fetched(uri, downloads) as path:
        assert path.read_bytes() == b"film"
        assert path.suffix == ".mp4"
        remote = storage.local_path(uri) is None
        assert len(os.listdir(downloads)) == remote
    assert os.listdir(downloads) == []
    assert storage.exists(uri)


def test_a_failed_download_leaves_nothing(tmp_path):
    with (
        pytest.raises(FileNotFoundError),
        storage.fetched(f"memory://{tmp_path.name}/nothing.mp4", tmp_path),
    ):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("uri", "suffix"),
    [
        ("s3://videos/a.mp4", ".mp4"),
        ("https://host/a.mkv?token=x.y", ".mkv"),
        ("s3://videos/a", ""),
        ("s3://videos/a.averylongsuffix", ".averylo"),
    ],
)
def test_the_suffix_of_a_copy(uri, suffix):
    assert storage.remote_suffix(uri) == suffix


def test_join_and_local_path():
    assert storage.join("s3://bucket/data/", "shards", "a.tar") == "s3://bucket/data/shards/a.tar"
    assert storage.join("", "a") == "a"
    assert storage.join("/", "a") == "/a"
    assert storage.local_path("s3://bucket/x") is None
    assert str(storage.local_path("file:///tmp/a%20b")) == "/tmp/a b"


def test_a_missing_filesystem_names_what_to_install():
    with pytest.raises(MissingDependencyError, match="dropbox"):
        storage.exists("dropbox://folder/file")


@pytest.mark.parametrize(
    "said", ["2026-01-02T03:04:05.000Z", "Fri, 02 Jan 2026 03:04:05 GMT", 1767323045, "1767323045"]
)
def test_times_in_listings_are_read_in_every_format(said):
    pytest.importorskip("s3fs")
    session = storage.filesystem("s3://bucket/name")[0].session
    parser = session.get_component("response_parser_factory").create_parser("rest-xml")
    assert parser._timestamp_parser(said).timestamp() == 1767323045
