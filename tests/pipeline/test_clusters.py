"""What the workers of a cluster know of each other: by small files in the dataset."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from vidact import attempts, cli
from vidact.attempts import temporary_name
from vidact.datasets import status
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import ConfigError
from vidact.machine import child_environment
from vidact.pipeline.labelling.attempts import COMMITTING, ShardOutcome
from vidact.pipeline.labelling.labeller import LabelWork, ShardTask
from vidact.pipeline.labelling.stage_times import StageTimes
from vidact.pipeline.running import shared_run, strikes
from vidact.pipeline.running.cluster_jobs import (
    job_to_submit,
    note_job,
    noted_job,
    wait_for_running,
)
from vidact.pipeline.running.cluster_watch import LOOK_S, ClusterWatch
from vidact.pipeline.running.draining import TERMINATED
from vidact.pipeline.running.shared_run import SharedRun
from vidact.pipeline.running.worker import (
    Worker,
    WorkerSettings,
    own_device,
    require_same_environment,
)

from .conftest import serve

SHARD = "train-00007"


def die_at(dataset: Path, segment: int) -> None:
    """A worker process takes the shard and is killed in a segment."""
    if pid := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        return
    run = SharedRun(Dataset(dataset))
    run.begin(SHARD)
    run.mark_started(SHARD, segment)
    marker = dataset / "_running" / "working" / f"{SHARD}.json"
    marker.with_name(temporary_name(marker.name)).touch()  # it was about to say so once more
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_segment_that_kills_worker_after_worker_is_quarantined(tmp_path: Path) -> None:
    run = SharedRun(Dataset(tmp_path))
    for _ in range(shared_run.MAX_CRASHES):
        assert run.begin(SHARD) == ()  # a living worker has it: its next attempt is no death
        die_at(tmp_path, 3)
    assert run.begin(SHARD) == (3,)
    run.mark_done(SHARD)
    assert run.begin(SHARD) == ()  # it was done, one way or another
    run.clear()
    assert not list(tmp_path.iterdir())


def test_who_dies_in_a_commit_or_is_silent_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SharedRun(Dataset(tmp_path))
    for _ in range(5):
        die_at(tmp_path, COMMITTING)
    assert run.begin(SHARD) == ()
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    other = SharedRun(Dataset(tmp_path))
    for _ in range(5):
        die_at(tmp_path, 2)
        monkeypatch.setattr(socket, "gethostname", lambda: "this-host")
        assert other.begin(SHARD) == ()  # it may be alive
        monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    monkeypatch.setattr(shared_run, "SILENT_S", -1.0)
    for _ in range(shared_run.MAX_CRASHES):
        die_at(tmp_path, 2)
        monkeypatch.setattr(socket, "gethostname", lambda: "this-host")
        found = other.begin(SHARD)
        other.mark_started(SHARD, 2)
        monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    assert found == (2,)


def test_processes_of_another_container_of_this_name_are_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SharedRun(Dataset(tmp_path))
    for _ in range(shared_run.MAX_CRASHES):
        die_at(tmp_path, 2)
        with monkeypatch.context() as patch:  # two containers count processes on their own
            patch.setattr(attempts.os, "readlink", lambda path: "pid:[4026532000]")
            assert run.begin(SHARD) == ()


def test_deaths_of_yesterday_count_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SharedRun(Dataset(tmp_path))
    for _ in range(shared_run.MAX_CRASHES - 1):
        run.begin(SHARD)
        die_at(tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(strikes, "STRIKE_S", -1.0)
        run.begin(SHARD)
    die_at(tmp_path, 3)
    assert run.begin(SHARD) == ()


class Waits:
    """A labeller whose source is away, or that does its work."""

    times = StageTimes()

    def __init__(self, status: str):
        self.status = status
        self.tasks: list[ShardTask] = []

    def label(self, task: ShardTask) -> ShardOutcome:
        self.tasks.append(task)
        return ShardOutcome(task.shard, self.status, "s3://away/a.mp4: is gone")


def cluster_worker(dataset: Path, labeller: Waits) -> Worker:
    worker = object.__new__(Worker)
    worker.settings = WorkerSettings(dataset=Dataset(dataset), idm="", work=LabelWork())
    worker.run = worker.settings.open_run()
    worker.labeller, worker.environment = labeller, {}  # type: ignore[assignment]
    worker._given_up, worker._at, worker._shard = 0, None, ""
    return worker


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    waits = Waits("waiting")
    cluster_worker(tmp_path, waits).label(ShardTask(shard=SHARD))
    assert SharedRun(Dataset(tmp_path)).deferred() == {SHARD: "s3://away/a.mp4: is gone"}
    for _ in range(3):
        die_at(tmp_path, 5)
    cluster_worker(tmp_path, waits).label(ShardTask(shard=SHARD))
    assert waits.tasks[-1].quarantined == (5,)


def test_a_silent_worker_is_told_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = SharedRun(Dataset(tmp_path))
    run.begin(SHARD)
    now = [float(run.markers()[SHARD]["touched_s"])]
    watch = ClusterWatch(run, 900.0, now=lambda: now[0])
    assert watch.look() is None
    for past in (LOOK_S, 1000.0, 2000.0):
        now[0] += past
        assert watch.look() == (1 if past == LOOK_S else 0)
    assert capsys.readouterr().err.count(f"gives no sign of life at {SHARD}, segment -1") == 1


def test_workers_have_the_versions_that_the_job_was_begun_with() -> None:
    wanted = {"torch": "2.9", "python": "3.12", "processor": "Xeon"}
    require_same_environment(wanted, {**wanted, "processor": "EPYC"})
    with pytest.raises(
        ConfigError, match=r"has torch '2\.8', where the job was begun it is '2\.9'"
    ):
        require_same_environment(wanted, {**wanted, "torch": "2.8"})


def test_workers_of_one_machine_share_its_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [own_device("auto", gpus=3) for _ in range(7)] == [
        f"cuda:{number}" for number in (0, 1, 2, 0, 1, 2, 0)
    ]
    assert own_device("auto", gpus=1) == "auto"
    assert own_device("cpu", gpus=3) == "cpu"
    assert own_device("cuda:2", gpus=3) == "cuda:2"


DRAINING = """
import sys, threading, time
from vidact.pipeline.running.draining import DRAIN
DRAIN.exit_on_sigterm(float(sys.argv[1]))
def work():
    with DRAIN.working(lambda: print("given back", flush=True)):
        print("at work", flush=True)
        time.sleep(float(sys.argv[2]))
        print("finished", flush=True)
threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("drain_s", "work_s", "last"), [("30", "0.5", "finished"), ("0.3", "60", "given back")]
)
def test_a_worker_that_is_asked_to_stop(drain_s: str, work_s: str, last: str) -> None:
    command = [sys.executable, "-c", DRAINING, drain_s, work_s]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.terminate()
        assert process.stdout.read() == f"{last}\n"
        assert process.wait(timeout=20) == TERMINATED


def test_own_processes_are_spoken_to_directly() -> None:
    found = child_environment({"http_proxy": "http://proxy:3128", "no_proxy": "example.org"})
    assert found["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    assert found["NO_PROXY"] == "localhost,127.0.0.1,::1"
    assert found["PYTHONSAFEPATH"] == found["OMP_NUM_THREADS"] == "1"
    assert child_environment({"no_proxy": "*"})["no_proxy"] == "*"


@pytest.mark.parametrize("name", ["av", "json", "numpy"])
def test_a_decoder_does_not_import_what_lies_in_the_working_folder(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from fractions import Fraction

    from vidact.datasets.actions.spec import FrameSpec
    from vidact.datasets.video.config import DecoderConfig
    from vidact.datasets.video.sandbox import open_decoder

    (tmp_path / f"{name}.py").write_text('raise SystemExit("mine")')
    monkeypatch.chdir(tmp_path)
    decoder = open_decoder(DecoderConfig(), FrameSpec(16, 16))
    assert decoder.probe(videos / "b.mp4", Fraction(20)).ticks > 0
    decoder.close()


class Flink:
    """The part of Flink's REST interface that is asked; jobs by id, with name and state."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[str, str]] = {}
        self.asked = 0
        flink = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                flink.asked += 1
                jobs = [
                    {"jid": jid, "name": name, "state": state}
                    for jid, (name, state) in flink.jobs.items()
                ]
                self.answer(json.dumps({"jobs": jobs}).encode())

            def do_PATCH(self) -> None:
                jid = self.path.split("/")[2].split("?")[0]
                flink.jobs[jid] = flink.jobs[jid][0], "CANCELED"
                self.answer(b"{}")

            def answer(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                return

        self.server, self.address = serve(Handler)


@pytest.fixture
def flink() -> Iterator[Flink]:
    flink = Flink()
    yield flink
    flink.server.shutdown()


def test_a_rerun_waits_for_the_job_that_runs(tmp_path: Path, flink: Flink) -> None:
    dataset = Dataset(tmp_path / "data")
    assert not wait_for_running(dataset)
    job = job_to_submit(dataset, "FlinkRunner", [f"--flink_master={flink.address}"])
    note_job(dataset, job, None)
    flink.jobs = {"a": (job.name, "RUNNING"), "b": ("another", "RUNNING")}
    timer = threading.Timer(0.5, lambda: flink.jobs.update(a=(job.name, "FINISHED")))
    timer.start()
    assert wait_for_running(dataset, look_s=0.05)
    assert flink.asked > 2
    assert noted_job(dataset) is None
    assert job_to_submit(Dataset(tmp_path / "other" / "data"), "FlinkRunner", []).name != job.name


def test_cancel(tmp_path: Path, flink: Flink, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = Dataset(tmp_path / "data")
    assert cli.run(["cancel", str(dataset)]) == 2
    assert "no job of it is known to run on a cluster" in capsys.readouterr().err
    job = job_to_submit(dataset, "FlinkRunner", [f"--flink_master=http://{flink.address}"])
    check = job_to_submit(dataset, "FlinkRunner", [f"--flink_master={flink.address}"], "verify")
    assert check.name == job.name.replace("vidact-", "vidact-verify-")
    for one in (job, check):
        note_job(dataset, one, None)
    assert status._cluster_jobs(dataset) == {job.name: "FlinkRunner", check.name: "FlinkRunner"}
    flink.jobs = {
        "a": (job.name, "RUNNING"),
        "b": ("another", "RUNNING"),
        "c": (check.name, "RUNNING"),
    }
    assert cli.run(["cancel", str(dataset)]) == 0
    said = capsys.readouterr().err
    assert f"{job.name} cancelled" in said
    assert f"{check.name} cancelled" in said
    assert [state for _, state in flink.jobs.values()] == ["CANCELED", "RUNNING", "CANCELED"]
    assert status._cluster_jobs(dataset) == {}
    assert not (tmp_path / "data" / "_running").exists()
    note_job(dataset, job_to_submit(dataset, "DataflowRunner", ["--job_name=mine"]), None)
    assert cli.run(["cancel", str(dataset)]) == 2
    assert "the job mine runs on DataflowRunner" in capsys.readouterr().err
