"""Sources that lie elsewhere: each is fetched once and hashed once, whichever worker needs it."""

from __future__ import annotations

import shutil
import time
from collections import Counter, namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from vidact import storage_failures
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.pipeline.config import EngineConfig, LabelConfig, LayoutConfig
from vidact.pipeline.label import label
from vidact.pipeline.labelling import source_files
from vidact.pipeline.labelling.source_files import SourceFiles
from vidact.pipeline.labelling.tasks import ShardTask, units_of
from vidact.pipeline.planning.layout import Planned, lay_out
from vidact.pipeline.running.run_folder import RunFolder
from vidact.pipeline.running.tracker import Tracker
from vidact.pipeline.running.worker import Worker, WorkerSettings

from .conftest import HERE, moving_picture, plain_loop, serve, write_video

LAYOUT = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=256, near_duplicates=False)


class Server:
    """Serves files by name, with entity tags; `sent` counts the bodies, `failures` say with which
    status the next requests for a name are answered.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sent: Counter[str] = Counter()
        self.failures: dict[str, list[int]] = {}
        self.pause_s = 0.0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                name = self.path.rsplit("/", 1)[1].split("?")[0]
                data = server.files.get(name)
                status = server.failures[name].pop(0) if server.failures.get(name) else 200
                self.send_response(404 if data is None else status)
                if data is None or status != 200:
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_header("Content-Length", str(len(data)))
                self.send_header("ETag", f'"{hash(data):x}"')
                self.end_headers()
                if body:
                    server.sent[name] += 1
                    time.sleep(server.pause_s)
                    self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                return

        self.server, address = serve(Handler)
        self.url = f"http://{address}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.server.shutdown()


def config(server: Server, idm: str, out: Path, *names: str, **options: object) -> LabelConfig:
    options = {"workers": 1, "device": "cpu", "layout": LAYOUT, "decoder": HERE, **options}
    sources = tuple(f"{server.url}/{name}" for name in names)
    return LabelConfig(sources=sources, idm=idm, out=str(out), **options)  # type: ignore[arg-type]


def two_workers(
    config: EngineConfig, settings: WorkerSettings, run: RunFolder, tracker: Tracker
) -> None:
    """Two workers that take units in turn, as Beam's local runner deals them."""
    units = settings.open_units()

    def work(number: int) -> Worker:
        worker = Worker(settings)
        for unit in units[number::2]:
            for task in unit:
                worker.label(task)
        return worker

    with ThreadPoolExecutor(2) as pool:
        workers = list(pool.map(work, range(2)))
    for worker in workers:  # at the end of the job: what a worker gives back may go at once
        worker.close()


@pytest.mark.parametrize("runner", [plain_loop, two_workers])
def test_each_source_is_fetched_and_hashed_once(
    server: Server, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: object
) -> None:
    for seed, name in enumerate(("a.mp4", "b.mp4")):
        path = write_video(tmp_path / name, moving_picture(1300, seed=seed))
        server.files[name] = path.read_bytes()
    hashed: list[bool] = []
    probe = InProcessDecoder.probe

    def counted(self, path, tick_hz, *, sha256=True):  # type: ignore[no-untyped-def]
        hashed.append(sha256)
        return probe(self, path, tick_hz, sha256=sha256)

    monkeypatch.setattr(InProcessDecoder, "probe", counted)
    made = config(server, idm, tmp_path / "out" / "data", "a.mp4", "b.mp4")

    def at_work(*job):  # type: ignore[no-untyped-def]
        server.sent.clear()
        hashed.clear()
        runner(*job)  # type: ignore[operator]

    assert label(made, runner=at_work) == 0
    assert len(Dataset(tmp_path / "out" / "data").committed_shards()) >= 5
    assert server.sent == {"a.mp4": 1, "b.mp4": 1}
    # Two workers may begin with the same source at the same moment.
    assert 2 <= hashed.count(True) <= (2 if runner is plain_loop else 3)


def test_workers_share_what_one_of_them_fetches(server: Server, tmp_path: Path) -> None:
    server.files["a.mp4"], server.pause_s = b"x" * 1000, 0.3
    workers = [SourceFiles(tmp_path) for _ in range(4)]

    def read(files: SourceFiles) -> bytes:
        with files.open(f"{server.url}/a.mp4") as file:
            return file.path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, workers)) == {b"x" * 1000}
    assert server.sent["a.mp4"] == 1
    for files in workers:
        assert list(tmp_path.glob("*.source*"))
        files.close()
    assert not list(tmp_path.glob("*.source*"))


def test_the_next_source_is_fetched_ahead(server: Server, tmp_path: Path) -> None:
    server.files |= {"a.mp4": b"a" * 10, "b.mp4": b"b" * 10}
    files = SourceFiles(tmp_path)
    with files.open(f"{server.url}/a.mp4"):
        files.fetch_ahead(f"{server.url}/b.mp4")
        deadline = time.monotonic() + 10
        while not server.sent["b.mp4"] and time.monotonic() < deadline:
            time.sleep(0.01)
    with files.open(f"{server.url}/b.mp4") as file:
        assert file.path.read_bytes() == b"b" * 10
    assert server.sent == {"a.mp4": 1, "b.mp4": 1}
    server.files["b.mp4"] = b"c" * 10  # another file lies there now
    with files.open(f"{server.url}/b.mp4") as file:
        assert file.path.read_bytes() == b"c" * 10
    files.close()


def test_room_is_looked_for_before_a_source_is_fetched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files |= {"a.mp4": b"a" * 10, "b.mp4": b"b" * 1000}
    usage = namedtuple("usage", "total used free")
    free = source_files.RESERVE_BYTES + 500
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, free))
    files = SourceFiles(tmp_path)
    with (
        files.open(f"{server.url}/a.mp4"),
        pytest.raises(OSError, match=r"name another folder with --scratch"),
        files.open(f"{server.url}/b.mp4"),
    ):
        pass
    assert server.sent == {"a.mp4": 1}
    files.close()


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_source_that_answers_with_failures(
    server: Server, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(storage_failures, "PAUSE_S", 0.001)
    for seed, name in enumerate(("a.mp4", "b.mp4")):
        path = write_video(tmp_path / name, moving_picture(300, seed=seed))
        server.files[name] = path.read_bytes()
    out = tmp_path / "out" / "data"
    made = config(server, idm, out, "a.mp4", "b.mp4")

    def failing(*job):  # type: ignore[no-untyped-def]
        server.failures["b.mp4"] = [status] * 1000
        plain_loop(*job)

    assert label(made, runner=failing) == 0  # the other is unharmed
    letters = Dataset(out).dead_letters().to_pylist()
    assert {(row["stage"], row["reason"]) for row in letters} == {("read", "unreachable")}
    assert str(status) in letters[0]["detail"]
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 175
    server.failures.clear()
    assert label(made, runner=plain_loop) == 0  # the next run tries again
    assert Dataset(out).dead_letters().num_rows == 0

    def shaky(*job):  # type: ignore[no-untyped-def]
        server.failures["b.mp4"] = [status] * 3  # a bad moment is nothing
        plain_loop(*job)

    two = tmp_path / "two" / "data"
    assert label(config(server, idm, two, "a.mp4", "b.mp4"), runner=shaky) == 0
    assert Dataset(two).dead_letters().num_rows == 0


def tasks(hours: float, count: int, workers: int) -> list[ShardTask]:
    """The shards of `count` sources of equal length."""
    sources = [
        Planned(uri=f"u{i}", sha256=f"{i:064x}", ticks=int(hours * 63_000)) for i in range(count)
    ]
    shards: dict[str, list] = {}
    for segment in lay_out(sources, LayoutConfig(val_fraction=0.0), workers=workers):
        shards.setdefault(segment.shard, []).append(segment)
    return [ShardTask(shard=name, segments=tuple(own)) for name, own in shards.items()]


def test_units_are_consecutive_shards_of_one_source() -> None:
    ten_hours = tasks(10, 50, 8)
    units = units_of(ten_hours, most=2 * 8)
    assert [task.shard for unit in units for task in unit] == [task.shard for task in ten_hours]
    readers = Counter(uri for unit in units for uri in {u for task in unit for u in task.uris})
    assert max(readers.values()) <= 2  # its own unit, and one whose last shard it begins in
    assert sum(readers.values()) / 50 < 2
    # Where there are few shards, balance counts more.
    assert {len(unit) for unit in units_of(tasks(1, 4, 8), most=32 * 8)} == {1}
    first = units_of(ten_hours, most=10**9, ahead=8)[0][0]
    assert first.then == tuple(ten_hours[8].uris[:2])
