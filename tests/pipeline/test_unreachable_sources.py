"""A bad moment is not a bad video: servers that refuse, lines that break, disks that fail."""

from __future__ import annotations

import errno
import http.server
import json
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from vidact import storage, storage_failures
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.video.decoder import InProcessDecoder, VideoFacts
from vidact.errors import Interrupted, VideoError
from vidact.pipeline.config import LayoutConfig, PlanConfig
from vidact.pipeline.plan import make_plan, plan
from vidact.pipeline.planning.plan import Plan, plan_dead_letters
from vidact.pipeline.planning.probe import SourceRecord, probe_source
from vidact.pipeline.planning.sources import Source
from vidact.signed_addresses import hide_keys, without_keys

from .conftest import moving_picture, serve, write_video

HZ = Fraction(10)
LAYOUT = LayoutConfig(val_fraction=0.0, min_shards=1)
SIGNATURE = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={'0' * 300}"


class OddServer:
    """Serves one video under names that say how: `500.mp4`, `cut.mp4`, `nolength.mp4` …"""

    def __init__(self, data: bytes):
        self.got = Counter[str]()
        self.well = False  # all is as it should be
        server = self

        class Odd(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                return

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                server.got[self.path] += 1
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                name = self.path.split("?")[0].strip("/").removesuffix(".mp4")
                status = 404 if name == "gone" else int(name) if name.isdigit() else 200
                if server.well or (status < 500 and status != 429 and not body and status != 404):
                    status = 200
                self.send_response(status)
                if name != "nolength":
                    self.send_header("Content-Length", str(len(data) if status == 200 else 0))
                self.end_headers()
                if body and status == 200:
                    cut = name == "cut" and not server.well
                    self.wfile.write(data[: len(data) // 2] if cut else data)

        self.http, address = serve(Odd)
        self.url = f"http://{address}"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "v.mp4", moving_picture(150, seed=1))


@pytest.fixture
def server(video: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    monkeypatch.setattr(storage_failures, "PAUSE_S", 0.001)
    server = OddServer(video.read_bytes())
    yield server
    server.http.shutdown()


def plan_of(source: str, out: Path) -> Plan:
    return make_plan([source], Dataset(out), tick_hz=HZ, layout=LAYOUT, workers=4)


def test_one_address_never_stops_the_job(server: OddServer, video: Path, tmp_path: Path) -> None:
    names = ("ok", "429", "500", "403", "cut", "nolength", "gone")
    table = tmp_path / "list.csv"
    table.write_text("\n".join(["uri", *(f"{server.url}/{name}.mp4" for name in names)]) + "\n")
    first = plan_of(str(table), tmp_path / "data")
    of = {Path(record.uri).stem: record for record in first.sources}
    assert of["ok"].status == "duplicate"  # of the other one that can be read
    assert (of["nolength"].status, of["nolength"].size_bytes) == ("planned", video.stat().st_size)
    assert (of["gone"].status, of["gone"].reason) == ("unreadable", "not_found")
    for name, word in {"429": "429", "500": "500", "403": "403", "cut": "payload"}.items():
        assert (of[name].status, of[name].reason) == ("unreadable", "unreachable"), of[name]
        assert word in of[name].detail
    assert server.got["/cut.mp4"] == storage_failures.TRIES
    letters = {letter.source_uri for letter in plan_dead_letters(first)}
    assert letters == {f"{server.url}/{n}.mp4" for n in ("429", "500", "403", "cut", "gone")}
    server.well = True
    second = plan_of(str(table), tmp_path / "data")
    counts = Counter(record.status for record in second.sources)
    assert counts == {"duplicate": 6, "planned": 1}
    assert second.segments == first.segments


def test_signed_addresses_are_read_and_their_keys_kept_out(
    server: OddServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = f"{server.url}/ok.mp4?{SIGNATURE}"
    first = plan_of(signed, tmp_path / "data")
    assert [record.status for record in first.sources] == ["planned"]
    assert first.segments[0].source_uri == signed
    assert first.segments[0].shown_uri == f"{server.url}/ok.mp4"
    renewed = signed.replace("000", "111")
    again = plan_of(renewed, tmp_path / "data")  # the same file under another signature
    assert [record.uri for record in again.sources] == [renewed]
    assert {segment.source_uri for segment in again.segments} == {renewed}
    assert [segment.key for segment in again.segments] == [s.key for s in first.segments]
    bad = plan_of(f"{server.url}/500.mp4?{SIGNATURE}", tmp_path / "bad")
    letters = json.dumps([str(letter) for letter in plan_dead_letters(bad)])
    assert "/500.mp4" in letters
    assert "Signature" not in letters
    assert "Signature" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://h/v.mp4?X-Goog-Signature=a&X-Goog-Expires=9#t=3", "https://h/v.mp4"),
        ("https://user:word@h/v.mp4", "https://h/v.mp4"),
        ("https://h/c/v.mp4?sv=2&se=3&sig=a%2Bb", "https://h/c/v.mp4"),
        ("https://h/watch?v=abc&token=x", "https://h/watch?v=abc"),
        ("s3://bucket/a?token=1", "s3://bucket/a?token=1"),
        ("/videos/a?key=1.mp4", "/videos/a?key=1.mp4"),
    ],
)
def test_what_of_an_address_is_kept(address: str, shown: str) -> None:
    assert without_keys(address) == shown
    assert hide_keys(f"read '{address}' twice") == f"read '{shown}' twice"


class BadDisk:
    """A decoder on a disk whose first reading fails, as FFmpeg tells of it."""

    def __init__(self, first: VideoError | VideoFacts):
        self.first, self.probes, self.whole = [first], 0, InProcessDecoder()

    def probe(self, path: Path, tick_hz: Fraction) -> VideoFacts:
        self.probes += 1
        if self.first:
            first = self.first.pop()
            if isinstance(first, VideoError):
                raise first
            return first
        return self.whole.probe(path, tick_hz)

    def close(self) -> None:
        self.whole.close()


def probed(video: Path, decoder: Any, waited: list[float]) -> SourceRecord:
    return probe_source(Source(uri=str(video)), HZ, decoder, waited.append)


def test_one_failed_read_is_no_truncated_video(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    whole = InProcessDecoder().probe(video, HZ)
    cut = replace(whole, ticks=33, lost_ticks=whole.ticks - 33, truncated="reading fails")
    for first in (cut, VideoError("damaged", video, "no packet can be read")):
        record = probed(video, BadDisk(first), [])
        assert (record.status, record.reason, record.ticks) == ("planned", "", whole.ticks)
    # The disk fails for longer: the bytes cannot be read, so nothing is said of the video.
    failures = [OSError(number, "disk") for number in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)]
    read = storage.sha256_file

    def fail(uri: object) -> str:
        if failures:
            raise failures.pop()
        return read(str(uri))

    monkeypatch.setattr(storage, "sha256_file", fail)
    waited: list[float] = []
    record = probed(video, BadDisk(cut), waited)
    assert (record.status, len(waited)) == ("planned", 1)
    failures = [OSError(errno.ECONNRESET, "reset")] * 50

    class Cut(BadDisk):
        def probe(self, path: Path, tick_hz: Fraction) -> VideoFacts:
            return cut

    record = probed(video, Cut(cut), [])
    assert (record.status, record.reason) == ("unreadable", "unreachable")
    assert "reset" in record.detail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.ENOMEM])
def test_what_this_machine_lacks_is_not_the_video_s_fault(
    server: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*args: object) -> None:
        raise OSError(number, "here")

    monkeypatch.setattr(storage.reads, "download", full)
    config = PlanConfig(sources=(f"{server.url}/ok.mp4",), out=str(tmp_path / "data"), workers=1)
    with pytest.raises(Interrupted, match="make room"):
        plan(config)
    assert not (tmp_path / "data" / "plan.parquet").exists()


def test_a_recording_that_goes_on_is_left_for_the_next_run(video: Path, tmp_path: Path) -> None:
    recording = tmp_path / "today.mp4"
    recording.write_bytes(video.read_bytes())

    class Meanwhile(BadDisk):
        def probe(self, path: Path, tick_hz: Fraction) -> VideoFacts:
            found = self.whole.probe(path, tick_hz)
            with open(path, "ab") as file:
                file.write(b"more")
            return found

    record = probed(recording, Meanwhile(VideoError("unused", "", "")), [])
    assert (record.status, record.reason) == ("unreadable", "still_growing")
    assert probed(recording, InProcessDecoder(), []).status == "planned"
