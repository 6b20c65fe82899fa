"""The job against a server that speaks S3, through a line that breaks: internal errors, slow
answers, cut uploads.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from vidact import storage
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.pipeline.config import LabelConfig, LayoutConfig
from vidact.pipeline.label import label

from .conftest import plain_loop, serve

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


class BadLine:
    """A proxy before the S3 server that answers some requests with a fault. `faults` counts
    them.
    """

    def __init__(self, port: int):
        self.bad, self.lock = False, threading.Lock()
        self.parts_to_cut = 0  # of multipart uploads, from now on
        self.requests, self.faults = Counter[bool](), Counter[str]()
        line = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                fault = line.choose(self.command, self.path)
                if fault == "cut":  # the connection goes in the middle of an upload
                    self.rfile.read(length // 2)
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    self.connection.close()
                    return
                body = self.rfile.read(length)
                if fault == "error":
                    self.answer(500, {}, b"<Error><Code>InternalError</Code></Error>")
                    return
                if fault == "slow":
                    time.sleep(0.3)
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                self.answer(response.status, dict(response.getheaders()), response.read())
                connection.close()

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request  # noqa: N815

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in (
                        "content-length",
                        "transfer-encoding",
                        "connection",
                        "date",
                        "server",
                    ):
                        self.send_header(name, value)
                length = (
                    headers.get("Content-Length", len(body))
                    if self.command == "HEAD"
                    else len(body)
                )
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                return

        self.server, address = serve(Handler)
        self.url = f"http://{address}"

    def choose(self, command: str, path: str) -> str:
        """Every third upload and every ninth other request meets a fault, one kind after the
        other.
        """
        if "partNumber=" in path and self.parts_to_cut:
            with self.lock:
                self.parts_to_cut -= 1
            self.faults["cut part"] += 1
            return "cut"
        upload = command in ("PUT", "POST")
        kinds, every = (["cut", "error", "slow"], 3) if upload else (["error", "slow"], 9)
        with self.lock:
            if not self.bad:
                return ""
            self.requests[upload] += 1
            if self.requests[upload] % every:
                return ""
            fault = kinds[self.requests[upload] // every % len(kinds)]
            self.faults[fault] += 1
            return fault


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadLine]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    line = BadLine(server.get_host_and_port()[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", line.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield line
    s3fs.S3FileSystem.clear_instance_cache()
    line.server.shutdown()
    server.stop()


def objects(uri: str) -> dict[str, bytes]:
    return {
        name.split("/data/", 1)[1]: storage.read_bytes(name)
        for name in storage.list_files(uri, recursive=True)
        if "/_stats/" not in name
    }


def test_from_bucket_to_bucket_over_a_bad_line(line: BadLine, videos: Path, idm: str) -> None:
    fs, _ = storage.filesystem("s3://bucket-of-videos/")
    fs.mkdir("bucket-of-videos")
    for name in ("a.mp4", "b.mp4", "garbage.mp4"):
        storage.put_atomic(videos / name, f"s3://bucket-of-videos/videos/{name}")

    def write(out: str) -> None:
        layout = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=256)
        config = LabelConfig(
            sources=("s3://bucket-of-videos/videos/",),
            idm=idm,
            out=out,
            workers=1,
            device="cpu",
            layout=layout,
        )
        assert label(config, runner=plain_loop) == 0

    write("s3://bucket-of-videos/calm/data")
    calm = objects("s3://bucket-of-videos/calm/data")
    assert len([name for name in calm if name.endswith(".tar")]) == 5
    line.bad = True
    write("s3://bucket-of-videos/stormy/data")
    line.bad = False
    assert objects("s3://bucket-of-videos/stormy/data") == calm
    assert line.faults["error"] > 0
    assert line.faults["slow"] > 0
    assert line.faults["cut"] > 0
    assert check_dataset(Dataset("s3://bucket-of-videos/stormy/data")).problems == []


def test_a_connection_that_is_cut_in_the_middle_of_a_multipart_upload(
    line: BadLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fs, _ = storage.filesystem("s3://bucket-of-shards/")
    fs.mkdir("bucket-of-shards")
    shard = tmp_path / "shard.tar"
    with open(shard, "wb") as file:  # three parts of 50 MiB or less
        for i in range(105):
            file.write(bytes([i]) * (1 << 20))
    line.parts_to_cut = 1
    storage.put_atomic(shard, "s3://bucket-of-shards/whole.tar")
    assert line.faults["cut part"] == 1
    assert storage.sha256_file("s3://bucket-of-shards/whole.tar") == storage.sha256_file(shard)
    line.parts_to_cut = 1000
    with pytest.raises(Exception, match=r"(?i)connect"):
        storage.put_atomic(shard, "s3://bucket-of-shards/never.tar", consume=True)
    assert shard.exists()  # so that the next attempt has it
    assert not storage.exists("s3://bucket-of-shards/never.tar")
    assert not fs.call_s3("list_multipart_uploads", Bucket="bucket-of-shards").get(
        "Uploads"
    )  # aborted, not left
    line.parts_to_cut = 0
    storage.put_atomic(shard, "s3://bucket-of-shards/never.tar", consume=True)
    assert storage.size_bytes("s3://bucket-of-shards/never.tar") == 105 << 20
    assert not shard.exists()
