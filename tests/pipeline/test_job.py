"""The whole verb on the real engine, against a plain loop over the same plan."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any
from unittest.mock import Mock

import pytest
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import VerifyReport, check_dataset
from vidact.datasets.shards.stats import STAGES, read_stats
from vidact.datasets.status import dataset_status
from vidact.datasets.texts.filling import fill_in
from vidact.errors import CheckFailed, ConfigError, DatasetError, Interrupted
from vidact.pipeline.config import (
    DecoderConfig,
    FilterConfig,
    LayoutConfig,
    RemoveConfig,
)
from vidact.pipeline.label import label
from vidact.pipeline.labelling import labeller
from vidact.pipeline.labelling.source_files import SourceFile
from vidact.pipeline.planning.layout import Segment
from vidact.pipeline.remove import remove
from vidact.pipeline.running import engine, job, supervisor
from vidact.pipeline.running.run_folder import Marker, RunFolder
from vidact.pipeline.running.unverified import forget_unverified, note_unverified, unverified
from vidact.pipeline.running.worker import Worker, WorkerSettings

from ..forked import Forked
from .conftest import config, contents, copied, plan_here, run_label


def test_beam_with_two_workers_one_of_them_killed(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    """Two workers of a Python in a folder with a blank, behind a proxy that is not there, in a
    working folder with files that are named like modules.
    """
    out = tmp_path / "beam" / "data"
    (tmp_path / "my venv").symlink_to(Path(sys.executable).parents[1])
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("av", "random", "types", "numpy"):
        (mine / f"{name}.py").write_text('raise SystemExit("the user\'s own file")')
    proxy = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    command = [
        str(tmp_path / "my venv" / "bin" / Path(sys.executable).name),
        "-P",
        "-m",
        "vidact.cli",
        "label",
        str(videos),
        "--idm",
        idm,
        "--out",
        str(out),
    ]
    command += ["--workers", "2", "--device", "cpu", "--layout.val-fraction", "0"]
    command += ["--layout.segment-ticks", "256", "--layout.shard-ticks", "256"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=mine,
        env=os.environ | proxy | {"no_proxy": "example.org"},
    )
    run = RunFolder.of(str(out))
    deadline = time.monotonic() + 120
    while not run.markers() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    victims = run.markers()
    assert victims, process.communicate()[1]
    assert victims[0].pid != process.pid
    os.kill(victims[0].pid, signal.SIGKILL)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "a worker process died; starting again" in said
    assert not run.path.exists()
    assert contents(out) == contents(labelled_videos)


def test_what_comes_out(videos: Path, idm: str, labelled_videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    assert sorted(p.name for p in out.iterdir()) == [
        "README.md",
        "_commits",
        "_stats",
        "_summaries",
        "dataset.json",
        "dead_letters.parquet",
        "label.json",
        "manifest.parquet",
        "manifests",
        "plan.parquet",
        "shards",
        "source_statistics.parquet",
        "sources.parquet",
    ]
    rows = Dataset(out).manifest().to_pylist()
    assert sum(row["frames"] for row in rows) == 1155
    (letter,) = Dataset(out).dead_letters().to_pylist()
    assert (letter["source_uri"], letter["reason"]) == (str(videos / "garbage.mp4"), "not_a_video")
    content = json.loads((out / "dataset.json").read_bytes())
    assert content["options"]["filter"]["frozen_ticks"] == 64
    assert content["environment"]["environments"][0]["threads_a_worker"] == 1
    # A second run finds nothing to do and changes nothing.
    before = contents(out)
    assert run_label(config(videos, idm, out)) == 0
    assert contents(out) == before
    with pytest.raises(CheckFailed, match="1 dead letters"):
        run_label(config(videos, idm, out, strict=True))


def test_a_run_that_was_stopped_goes_on(
    videos: Path,
    idm: str,
    labelled_videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "a" / "data"
    whole = Worker.label
    labelled: list[str] = []

    def stop_after_two(self: Worker, task):  # type: ignore[no-untyped-def]
        if len(labelled) == 2:
            raise KeyboardInterrupt
        labelled.append(task.shard)
        return whole(self, task)

    monkeypatch.setattr(Worker, "label", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        run_label(config(videos, idm, out))
    assert len(Dataset(out).committed_shards()) == 2
    monkeypatch.setattr(Worker, "label", whole)
    assert run_label(config(videos, idm, out)) == 0
    assert contents(out) == contents(labelled_videos)


def test_left_overs_of_killed_workers_are_swept(videos: Path, idm: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    for name in (
        "_spool/train-00000.host.1.0123abcd.tar",
        "shards/.train-00000.tar.host-1-0123abcd.tmp",
        ".plan.parquet.host-1-0123abcd.tmp",
    ):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"half")
        os.utime(out / name, (time.time() - 2 * 24 * 3600,) * 2)
    assert run_label(config(videos / "b.mp4", idm, out)) == 0
    assert not [name for name in contents(out) if "host" in name]


def test_a_shard_whose_tar_is_gone_is_made_again(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    whole = contents(out)
    (out / "shards" / "train-00001.tar").unlink()
    assert run_label(config(videos, idm, out)) == 0
    assert contents(out) == whole


@pytest.mark.parametrize("name", ["plan.parquet", "sources.parquet", "label.json"])
def test_what_it_goes_on_from_must_be_whole(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    commits = Dataset(out).committed_shards()
    (out / name).write_bytes(b"{")
    with pytest.raises(DatasetError, match=rf"data/{name}: is damaged"):
        run_label(config(videos, idm, out))
    if name == "plan.parquet":
        (out / name).unlink()
        with pytest.raises(DatasetError, match=r"has shards, but plan\.parquet is gone"):
            run_label(config(videos, idm, out))
    assert Dataset(out).committed_shards() == commits


def test_a_gpu_that_is_not_there(videos: Path, idm: str, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match="torch finds none here"):
        run_label(config(videos, idm, tmp_path / "data", device="cuda"))
    assert not (tmp_path / "data").exists()


def test_going_on_in_another_way_is_refused(
    videos: Path,
    idm: str,
    labelled_videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    with pytest.raises(DatasetError, match=r"begun with filter\.frozen_ticks 64, now it is 32"):
        run_label(config(videos, idm, out, filter=FilterConfig(frozen_ticks=32)))
    with pytest.raises(DatasetError, match="begun with chroma '420', now it is '444'"):
        run_label(config(videos, idm, out, chroma="444"))
    monkeypatch.setattr(job, "environment", lambda device: {"torch": "0.1", "threads_a_worker": 1})
    with pytest.raises(ConfigError, match="--allow-other-environment"):
        run_label(config(videos, idm, out))
    assert run_label(config(videos, idm, out, allow_other_environment=True)) == 0
    environments = json.loads((out / "dataset.json").read_bytes())["environment"]["environments"]
    assert [one["threads_a_worker"] for one in environments] == [1, 1]
    assert environments[1]["torch"] == "0.1"


def test_a_source_that_is_gone_is_waited_for(videos: Path, idm: str, tmp_path: Path) -> None:
    sources, out = tmp_path / "videos", tmp_path / "data"
    sources.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (sources / name).write_bytes((videos / name).read_bytes())
    from vidact.pipeline.planning.plan import read_plan

    assert run_label(config(sources / "b.mp4", idm, out)) == 0
    plan = read_plan(Dataset(out))
    assert plan is not None
    plan_here(sources, out, tick_hz=plan.tick_hz)
    (sources / "a.mp4").rename(tmp_path / "away.mp4")
    with pytest.raises(Interrupted, match="Put the sources back and run again"):
        run_label(config(sources, idm, out))
    (tmp_path / "away.mp4").rename(sources / "a.mp4")
    assert run_label(config(sources, idm, out)) == 0
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 1155


def test_a_source_that_changes_while_it_is_read_waits(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(SourceFile, "has_changed", lambda file: True)
        with pytest.raises(Interrupted, match="changed while it was read"):
            run_label(config(videos / "b.mp4", idm, out, drop_missing=True))
    assert run_label(config(videos / "b.mp4", idm, out, drop_missing=True)) == 0
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 455


def test_strikes_end_with_their_dataset(videos: Path, idm: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run = RunFolder.of(str(out))
    run.lock()
    for _ in range(2):  # a worker died twice in the first segment of what lay here before
        run.record_crash(Marker("train-00000", 1, 0, 0.0))
    run.release(done=False)
    assert run_label(config(videos / "b.mp4", idm, out)) == 0
    assert Dataset(out).dead_letters().num_rows == 0


def test_decoding_in_the_child_gives_the_same_bytes(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    run_label(config(videos, idm, tmp_path / "data", decoder=DecoderConfig(child=True)))
    assert contents(tmp_path / "data") == contents(labelled_videos)


def lethal_driver(run: str) -> None:
    """Labels by itself, in a process of its own, and dies at the segment of a.mp4 from tick 256."""
    whole = labeller.ShardLabeller._clips

    def clips(self: labeller.ShardLabeller, segment: Segment, *rest: Any) -> Any:
        if segment.source_uri.endswith("a.mp4") and segment.start_tick == 256:
            os.kill(os.getpid(), signal.SIGSEGV)
        return whole(self, segment, *rest)

    labeller.ShardLabeller._clips = clips  # type: ignore[method-assign]
    settings = WorkerSettings.from_json(RunFolder(Path(run)).settings.read_text())
    worker = Worker(settings)
    for task in settings.open_tasks():
        worker.label(task)
    worker.close()


def test_a_segment_that_kills_its_worker_twice_is_quarantined(
    videos: Path,
    idm: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def lethal(run: RunFolder, *rest: object) -> list[str]:
        return [str(run.path)]

    def forked(words: list[str], *, stdout: IO[bytes], **rest: object) -> Forked:
        log = stdout.name
        return Forked(lethal_driver, *words, said=log, printed=log, own_group=True)

    monkeypatch.setattr(engine, "driver_command", lethal)
    monkeypatch.setattr(supervisor, "subprocess", Mock(wraps=subprocess, Popen=forked))
    out = tmp_path / "data"
    layout = LayoutConfig(val_fraction=0.0, segment_ticks=256, shard_ticks=1024, min_shards=1)
    assert label(config(videos, idm, out, layout=layout)) == 0
    assert capsys.readouterr().err.count("the driver was killed (SIGSEGV); starting again") == 2
    letters = [
        letter for letter in Dataset(out).dead_letters().to_pylist() if letter["stage"] == "label"
    ]
    assert [(letter["start_tick"], letter["end_tick"], letter["reason"]) for letter in letters] == [
        (256, 512, "killed_worker")
    ]
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 1155 - 256
    assert run_label(config(videos, idm, out, layout=layout)) == 0  # quarantine holds
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 1155 - 256
    assert (
        run_label(config(videos, idm, out, layout=layout, retry_dead_letters=("killed_worker",)))
        == 0
    )
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 1155


def test_licences_go_from_the_table_to_manifest_and_card(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    table, out = tmp_path / "list.csv", tmp_path / "data"
    table.write_text(f"uri,licence\n{videos}/a.mp4,CC-BY-4.0\n{videos}/b.mp4,\n")
    assert run_label(config(table, idm, out)) == 0
    found = {
        (Path(row["source_uri"]).name, row["licence"])
        for row in Dataset(out).manifest().to_pylist()
    }
    assert found == {("a.mp4", "CC-BY-4.0"), ("b.mp4", None)}
    licences = json.loads((out / "dataset.json").read_bytes())["licences"]
    assert {name: one["sources"] for name, one in licences.items()} == {"": 1, "CC-BY-4.0": 1}
    assert "| CC-BY-4.0 | 1 |" in (out / "README.md").read_text()
    assert remove(RemoveConfig(dataset=str(out), source=(f"{videos}/b.mp4",))) == 0
    assert "license: CC-BY-4.0" in (out / "README.md").read_text()
    assert check_dataset(Dataset(out)).problems == []


def test_parts_of_a_plan_are_the_whole(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "parts" / "data"
    with pytest.raises(DatasetError, match="run `vidact plan` with the same sources first"):
        run_label(config(videos, idm, out, part="1/2"))
    plan_here(videos, out)
    assert run_label(config(videos, idm, out, part="2/2")) == 0
    some = Dataset(out).committed_shards()
    assert 0 < len(some) < 5
    assert not Dataset(out).has_tables()
    assert run_label(config(videos, idm, out, part="1/2")) == 0
    assert run_label(config(videos, idm, out, part="1/2")) == 0  # nothing is left to do
    assert len(Dataset(out).committed_shards()) == 5
    assert run_label(config(videos, idm, out)) == 0
    assert contents(out) == contents(labelled_videos)
    with pytest.raises(ConfigError, match=r"part must be I/N with I from 1 to N, such as 3/64"):
        config(videos, idm, out, part="0/2")


def test_shards_of_an_interrupted_run_are_verified_by_the_next(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    verified: list[list[str]] = []
    whole = job.check_dataset

    def check(dataset: Dataset, **how: Any) -> VerifyReport:
        verified.append(sorted(how["shards"]))
        return whole(dataset, **how)

    def preempted(config, settings, run, tracker):  # type: ignore[no-untyped-def]
        worker = Worker(settings)
        worker.label(next(iter(settings.open_tasks())))
        worker.close()
        raise Interrupted("preempted")

    monkeypatch.setattr(job, "check_dataset", check)
    with pytest.raises(Interrupted, match="preempted"):
        label(config(videos, idm, out), runner=preempted)
    assert run_label(config(videos, idm, out)) == 0
    assert verified == [Dataset(out).committed_shards()]
    assert run_label(config(videos, idm, out)) == 0
    assert len(verified) == 1  # nothing is new
    assert not (out / "_unverified").exists()


def test_jobs_beside_each_other_verify_what_each_made(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    plan_here(videos, out)
    of_another_job = ["train-00001", "train-00900"]  # which has not made the second one yet
    note_unverified(Dataset(out), of_another_job)
    assert run_label(config(videos, idm, out)) == 0
    assert unverified(Dataset(out)) == ["train-00900"]
    forget_unverified(Dataset(out), ["train-00900"])
    assert not (out / "_unverified").exists()


def test_stats_say_how_shards_were_made(labelled_videos: Path) -> None:
    out = labelled_videos
    found = dict(read_stats(out))
    assert sorted(found) == Dataset(out).committed_shards()
    one = found["train-00000"]
    assert list(one["seconds"]) == sorted(STAGES)
    assert 0 < sum(one["seconds"].values()) <= one["wall_s"]
    assert one["worker"]["pid"] == os.getpid()
    assert one["environment"]["threads_a_worker"] == 1
    status = dataset_status(Dataset(out))
    assert list(status["stage_seconds"]) == list(STAGES)
    assert list(status["hosts"].values()) == [5]
    assert "made by        1 hosts" in fill_in("status.txt", **status)
