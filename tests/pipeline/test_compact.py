"""`vidact compact`, and the compaction that a job does by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from vidact.cli import run
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.commits import DeadLetter
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter
from vidact.pipeline import compact as compact_module
from vidact.pipeline.compact import compacted_meanwhile, info_of
from vidact.pipeline.labelling.relabeller import RelabelWork


def add_shard(dataset: Dataset, number: int, spec: ActionSpec) -> None:
    with ShardWriter(dataset, f"train-{number:05d}", spec) as writer:
        writer.drop("menu", 5)
        writer.commit()


def wait_for(shards: int, dataset: Dataset) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if dataset.has_tables() and dataset.content()["counts"]["shards"] == shards:
            return
        time.sleep(0.02)
    raise AssertionError(f"no table of {shards} shards came")


def test_tables_come_while_a_job_runs(
    tmp_path: Path, spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(tmp_path / "data")
    info = DatasetInfo(name="Growing", spec=spec)
    compact, failures = Dataset.compact, [OSError("503 Slow Down")]

    def failing(self: Dataset, *arguments: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return compact(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Dataset, "compact", failing)
    monkeypatch.setattr(compact_module, "SPENT", 100.0)  # no pause for a first, slow turn
    with compacted_meanwhile(dataset, info, every_s=0.02):
        add_shard(dataset, 0, spec)
        wait_for(1, dataset)  # in spite of the failure
        add_shard(dataset, 1, spec)
        wait_for(2, dataset)
    version = dataset.content()["version"]
    add_shard(dataset, 2, spec)
    time.sleep(0.1)
    assert dataset.content()["version"] == version  # it ends with the job


def test_of_jobs_beside_each_other_one_compacts(
    tmp_path: Path, spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(tmp_path / "data")
    info = DatasetInfo(name="Parts", spec=spec)
    add_shard(dataset, 0, spec)
    turns, compacted = [0], list[int]()
    written_s = compact_module._written_s

    def look(of: Dataset) -> float:
        turns[0] += 1
        if turns[0] == 2:  # another part compacts before our first turn
            dataset.compact(info)
        return written_s(of)

    monkeypatch.setattr(compact_module, "_written_s", look)
    compact = Dataset.compact
    monkeypatch.setattr(
        Dataset, "compact", lambda *a, **o: compacted.append(turns[0]) or compact(*a, **o)
    )
    with compacted_meanwhile(dataset, info, every_s=0.02):
        wait_for(1, dataset)
        add_shard(dataset, 1, spec)
        wait_for(2, dataset)
    assert compacted[0] == 2
    assert compacted[1] > 2


def test_the_verb_keeps_what_records_do_not_know(
    tmp_path: Path, spec: ActionSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = Dataset(tmp_path / "data")
    assert run(["compact", str(dataset)]) == 2  # no job has begun there
    unread = DeadLetter(source_uri="a.mp4", stage="probe", reason="no_video_stream")
    info = DatasetInfo(
        name="Named",
        spec=spec,
        license="cc0-1.0",
        options={"chroma": "420"},
        environment={"python": "3"},
        dead_letters=(unread,),
        duplicates={"duplicate": 2},
    )
    add_shard(dataset, 0, spec)
    first = dataset.compact(info)["version"]
    assert info_of(dataset) == info
    add_shard(dataset, 1, spec)
    assert run(["compact", str(dataset), "--pin", "newest", "--keep-versions", "0"]) == 0
    content = dataset.content()
    assert content["version"] != first
    assert dataset.versions.all() == dataset.versions.pinned() == [content["version"]]
    assert (content["name"], content["counts"]["shards"]) == ("Named", 2)
    assert content["counts"]["dead_letters"] == 1
    assert f"{content['version']} is kept for good" in capsys.readouterr().err
    assert run(["compact", str(dataset), "--unpin", content["version"][:6]]) == 0
    assert dataset.versions.pinned() == []


def test_a_growing_dataset_is_relabelled_as_far_as_its_tables_go(
    tmp_path: Path, spec: ActionSpec
) -> None:
    dataset = Dataset(tmp_path / "data")
    add_shard(dataset, 0, spec)
    dataset.compact(DatasetInfo(name="Growing", spec=spec))
    work = RelabelWork(source=dataset)
    identity = work.identity
    add_shard(dataset, 1, spec)
    tasks = work.open_tasks(Dataset(tmp_path / "new"), {})
    assert [task.shard for task in tasks] == ["train-00000"]
    assert work.identity == identity
