"""An error costs its segment and not the job, and a worker is patient with its store."""

from __future__ import annotations

from pathlib import Path

import pytest
from vidact import storage_failures
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import CheckFailed, ConfigError
from vidact.pipeline.label import label
from vidact.pipeline.labelling import labeller
from vidact.pipeline.labelling.attempts import ShardOutcome
from vidact.pipeline.labelling.stage_times import StageTimes
from vidact.pipeline.running import tracker
from vidact.pipeline.running.run_folder import RunFolder
from vidact.pipeline.running.worker import Worker, WorkerSettings

from .conftest import config, contents, run_label


def poison(monkeypatch: pytest.MonkeyPatch, error: Exception, *starts: int) -> None:
    """Labelling raises in the segments of a.mp4 that begin at these ticks."""
    whole = labeller.ShardLabeller._clips

    def clips(self, segment, *rest):  # type: ignore[no-untyped-def]
        if segment.source_uri.endswith("a.mp4") and segment.start_tick in starts:
            raise error
        return whole(self, segment, *rest)

    monkeypatch.setattr(labeller.ShardLabeller, "_clips", clips)


def test_errors_cost_their_segments_within_a_share(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    with monkeypatch.context() as patch:
        poison(patch, ValueError("poison"), 256)
        with pytest.raises(CheckFailed, match=r"1 segments \(.*ValueError: poison"):
            run_label(config(videos, idm, out))
        # All the rest is there, and a larger share allows it.
        assert run_label(config(videos, idm, out, max_failed_share=0.5)) == 0
    letters = [row for row in Dataset(out).dead_letters().to_pylist() if row["reason"] == "error"]
    assert [(row["stage"], row["start_tick"]) for row in letters] == [("label", 256)]
    assert run_label(config(videos, idm, out, retry_dead_letters=("error",))) == 0
    assert contents(out / "shards") == contents(labelled_videos / "shards")
    assert contents(out / "_commits") == contents(labelled_videos / "_commits")


def test_a_job_in_which_too_much_fails_is_stopped(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, ValueError("poison"), 0, 256, 384, 512)
    monkeypatch.setattr(tracker, "FEW_ERRORS", 2)
    tracked = []

    def watching(config, settings, run, tracker):  # type: ignore[no-untyped-def]
        worker = Worker(settings)
        for task in settings.open_tasks():
            worker.label(task)
            tracked.append(tracker.state())
            if error := tracker.too_many_errors(config.max_failed_share, fewest=2):
                raise error

    with pytest.raises(CheckFailed, match="2 segments"):
        label(config(videos, idm, tmp_path / "data"), runner=watching)
    assert len(tracked) < 5


class FlakyLabeller:
    """Fails `times` times with `error`."""

    def __init__(self, times: int, error: Exception):
        self.left, self.error, self.times = times, error, StageTimes()

    def label(self, task: labeller.ShardTask) -> ShardOutcome:
        if self.left:
            self.left -= 1
            raise self.error
        return ShardOutcome(task.shard, "labelled")


def worker_of(flaky: FlakyLabeller, tmp_path: Path) -> Worker:
    worker = object.__new__(Worker)
    worker.run = RunFolder(tmp_path / "run")
    worker.run.clear()
    worker.labeller = flaky  # type: ignore[assignment]
    worker.settings = WorkerSettings(
        dataset=Dataset(tmp_path / "data"), idm="", work=labeller.LabelWork()
    )
    worker.environment = {}
    worker._given_up, worker._at, worker._shard = 0, None, ""
    return worker


def test_a_worker_is_patient_with_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_failures, "PAUSE_S", 0.001)
    task = labeller.ShardTask(shard="train-00000")
    worker = worker_of(FlakyLabeller(4, OSError(5, "EIO")), tmp_path)
    assert worker.label(task).status == "labelled"
    worker = worker_of(FlakyLabeller(1000, TimeoutError("slow")), tmp_path)
    for _ in range(2):  # others may do better: the shard waits
        assert worker.label(task).status == "waiting"
    assert "TimeoutError" in worker.run.deferred()["train-00000"]  # type: ignore[union-attr]
    with pytest.raises(TimeoutError):  # three in a row: it is not the shard
        worker.label(task)
    refused = PermissionError("Access Denied")
    refused.__cause__ = type("E", (Exception,), {"response": {"Error": {"Code": "AccessDenied"}}})()
    with pytest.raises(ConfigError, match="AccessDenied: Access Denied"):
        worker_of(FlakyLabeller(1, refused), tmp_path).label(task)
