"""Conditional writes: of many who write at a time, nobody's write is lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from vidact import conditional_writes, storage
from vidact.conditional_writes import ChangedMeanwhile, create, read_versioned, replace_if

WRITERS, ROUNDS = 4, 5


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server that speaks S3."""
    s3fs = pytest.importorskip("s3fs")
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    fs, _ = storage.filesystem("s3://claims/")
    if fs.exists("claims"):  # the server's content outlives it
        fs.rm("claims", recursive=True)
    fs.mkdir("claims")
    yield "s3://claims"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["s3", "disk", "disk without locks", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    if request.param == "memory":
        storage.filesystem("memory://claims/")[0].rm("/", recursive=True)
        return "memory://claims"
    if request.param == "disk without locks":

        def no_locks(*args: object) -> None:
            raise OSError(37, "No locks available")

        monkeypatch.setattr(conditional_writes.fcntl, "flock", no_locks)
    monkeypatch.setattr(conditional_writes, "POLL_S", 0.001)
    return str(tmp_path)


def test_the_server_of_the_tests_compares_and_writes_at_once(bucket: str) -> None:
    """What other tests rest on: of 16 conditional puts at a time one succeeds."""
    fs, _ = storage.filesystem(bucket)
    start = threading.Barrier(16)

    def put(condition: dict[str, str]) -> bool:
        start.wait()
        try:
            fs.call_s3("put_object", Bucket="claims", Key="x", Body=os.urandom(8), **condition)
        except OSError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        for _ in range(2):
            assert sum(pool.map(put, [{"IfNoneMatch": "*"}] * 16)) == 1
            tag = fs.info("claims/x", refresh=True)["ETag"]
            assert sum(pool.map(put, [{"IfMatch": tag}] * 16)) == 1
            fs.rm_file("claims/x")


def test_of_many_who_write_none_is_lost(place: str) -> None:
    uri = storage.join(place, "lines")

    def add(writer: int) -> None:
        for number in range(ROUNDS):
            while True:
                data, token = read_versioned(uri)
                try:
                    replace_if(uri, (data or b"") + b"%d %d\n" % (writer, number), token)
                    break
                except ChangedMeanwhile:
                    continue

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(add, range(WRITERS)))
    lines = sorted(read_versioned(uri)[0].splitlines())
    assert lines == [b"%d %d" % (w, n) for w in range(WRITERS) for n in range(ROUNDS)]
    if storage.local_path(place) is not None:
        assert os.listdir(place) == ["lines"]  # no lock is left


def test_a_version_that_is_gone_is_another_one(place: str) -> None:
    uri = storage.join(place, "file")
    first = replace_if(uri, b"one", "")
    assert read_versioned(uri) == (b"one", first)
    with pytest.raises(ChangedMeanwhile):
        replace_if(uri, b"two", "")
    second = replace_if(uri, b"two", first)
    with pytest.raises(ChangedMeanwhile):
        replace_if(uri, b"three", first)
    storage.remove(uri)
    with pytest.raises(ChangedMeanwhile):
        replace_if(uri, b"three", second)
    assert read_versioned(uri) == (None, "")


def test_an_answer_that_was_lost_is_no_conflict(bucket: str) -> None:
    uri = storage.join(bucket, "file")
    token = replace_if(uri, b"one", "")
    assert replace_if(uri, b"one", "") == token


def test_only_one_creates(place: str) -> None:
    uri = storage.join(place, "claim")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: create(uri, b"%d" % n), range(8)))
    assert sum(made) == 1
    assert storage.read_bytes(uri) == b"%d" % made.index(True)


def test_a_lease_of_the_dead_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    storage.filesystem("memory://claims/")[0].rm("/", recursive=True)
    uri = "memory://claims/file"
    monkeypatch.setattr(conditional_writes, "DEAD_S", 0.2)
    monkeypatch.setattr(conditional_writes, "BEAT_S", 0.05)
    monkeypatch.setattr(conditional_writes, "POLL_S", 0.02)
    assert create(f"{uri}.lease", b"dead 1 0\n7")
    token = replace_if(uri, b"one", "")
    with conditional_writes.exclusive(uri) as check:
        check()
        # Who waits longer than a sign of life takes does not take it from the living.
        other = threading.Thread(target=replace_if, args=(uri, b"two", token))
        other.start()
        other.join(0.6)
        assert other.is_alive()
        check()
    other.join(10)
    assert storage.read_bytes(uri) == b"two"
    assert not storage.exists(f"{uri}.lease")
