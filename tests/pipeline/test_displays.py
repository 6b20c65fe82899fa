"""The numbers of a job: how they are counted, and how each display says them."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from vidact import storage
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards import summary_reader
from vidact.datasets.shards.commits import DeadLetter
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.inventory import Inventory
from vidact.datasets.shards.summary_reader import SummaryReader
from vidact.datasets.shards.writer import ShardWriter
from vidact.errors import ConfigError
from vidact.pipeline.planning.layout import Segment
from vidact.pipeline.planning.plan import Plan
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.running.display import Display
from vidact.pipeline.running.prometheus import MetricsServer, registry_of
from vidact.pipeline.running.tracker import Tracker

HOUR = 63_000  # ticks at 17.5 Hz


def _plan(shards: int) -> Plan:
    segments = tuple(
        Segment(
            shard=f"train-{i:05d}",
            segment=0,
            split="train",
            source_uri="v.mp4",
            source_sha256="0" * 64,
            episode_id="0" * 12,
            start_tick=i * HOUR,
            end_tick=(i + 1) * HOUR,
            source_ticks=shards * HOUR,
        )
        for i in range(shards)
    )
    bad = SourceRecord(uri="bad.mp4", status="unreadable", reason="not_a_video")
    return Plan(Fraction(35, 2), (bad,), segments)


def _commit(dataset: Path, shard: str, spec: ActionSpec) -> None:
    with ShardWriter(str(dataset), shard, spec) as writer:
        writer.drop("frozen", HOUR // 2)
        writer.dead_letter(DeadLetter(source_uri="v.mp4", stage="decode", reason="damaged"))
        writer.commit()


def test_states_of_a_job(
    tmp_path: Path, spec: ActionSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    _commit(tmp_path, "train-00000", spec)
    _commit(tmp_path, "train-00009", spec)  # of no plan: not counted
    tracker = Tracker.of_plan(Inventory(Dataset(tmp_path)), _plan(4))
    state = tracker.state()
    assert (state.hours_done, state.hours_total, state.shards_done, state.shards_total) == (
        1.0,
        4.0,
        1,
        4,
    )
    assert state.video_hours_per_hour is None  # nothing was done in this run yet
    assert state.drops_hours == {"frozen": 0.5}
    assert state.dead_letters == {"damaged": 1, "not_a_video": 1}
    _commit(tmp_path, "train-00001", spec)
    state = tracker.state(workers=2)
    assert state.hours_done == 2.0
    assert state.video_hours_per_hour is not None
    assert state.eta_s is not None
    line = state.line()
    assert line.startswith("2.00/4.00 h of video, 2/4 shards, 0 clips")
    assert line.endswith("2 working, frozen 1.00 h, damaged x2, not_a_video x1")
    with Display(tracker, json_lines=True):
        pass
    printed = json.loads(capsys.readouterr().out)
    assert (printed["hours_done"], printed["dead_letters"]) == (
        2.0,
        {"damaged": 2, "not_a_video": 1},
    )


def test_a_restart_reads_no_record(
    tmp_path: Path, spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        _commit(tmp_path, f"train-0000{number}", spec)
    old = Dataset(tmp_path)
    old.summaries.forget(["train-00002"])  # as in a dataset of before
    read: list[str] = []
    whole = Dataset.read_commit
    monkeypatch.setattr(
        Dataset, "read_commit", lambda self, shard: read.append(shard) or whole(self, shard)
    )
    state = Tracker.of_plan(Inventory(old), _plan(4)).state()
    assert (state.shards_done, state.drops_hours, state.dead_letters["damaged"]) == (
        3,
        {"frozen": 1.5},
        3,
    )
    assert read == ["train-00002"]


def test_summaries_are_read_many_at_a_time(
    tmp_path: Path, spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        _commit(tmp_path, f"train-{number:05d}", spec)
    whole = storage.read_bytes
    now, most = [0], [0]
    lock = threading.Lock()

    def slow(uri: storage.Uri) -> bytes:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return whole(uri)

    monkeypatch.setattr(storage, "read_bytes", slow)
    assert Tracker.of_plan(Inventory(Dataset(tmp_path)), _plan(40)).state().shards_done == 40
    assert most[0] > 8


def test_a_restart_reads_one_file_for_many_summaries(
    tmp_path: Path, spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary_reader, "MERGED_EACH", 3)
    dataset = Dataset(tmp_path)
    names = [f"train-{number:05d}" for number in range(4)]
    for name in names[:3]:
        _commit(tmp_path, name, spec)
    first = SummaryReader(dataset).read(names[:3])
    _commit(tmp_path, names[3], spec)
    dataset.write_commit(replace(dataset.read_commit(names[0]), drops={"menu": 7}))
    (again,) = (tmp_path / "_summaries").glob(f"{names[0]}.*")
    os.utime(again, (0, 0))  # another moment, also where a disk tells whole seconds
    read: list[str] = []
    whole = storage.read_bytes
    monkeypatch.setattr(
        storage, "read_bytes", lambda uri: read.append(str(uri).rsplit("/", 1)[1]) or whole(uri)
    )
    found = dict(SummaryReader(dataset).read(names))
    assert sorted(name.split(".")[0] for name in read) == ["merged", names[0], names[3]]
    assert found[names[0]]["drops"] == {"menu": 7}
    assert [found[name] for name in names[1:3]] == [summary for _, summary in first[1:]]


def test_prometheus(tmp_path: Path, spec: ActionSpec) -> None:
    _commit(tmp_path, "train-00000", spec)
    tracker = Tracker.of_plan(Inventory(Dataset(tmp_path)), _plan(2))
    state = tracker.state()
    text = generate_latest(registry_of(lambda: state)).decode()
    assert "# TYPE vidact_label_hours_done gauge\nvidact_label_hours_done 1.0\n" in text
    assert 'vidact_label_drops_hours{reason="frozen"} 0.5\n' in text
    assert "eta_s" not in text
    with MetricsServer(0, tracker.state) as server:
        assert (
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics").read().decode()
            == text
        )
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/")
        with pytest.raises(ConfigError, match="metrics_port"):
            MetricsServer(server.port, tracker.state)
