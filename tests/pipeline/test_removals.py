"""Sources are taken out for good, at any moment, and nothing of them comes back."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import pytest
from vidact import storage
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.errors import ConfigError
from vidact.pipeline import remove as remove_module
from vidact.pipeline.config import RemoveConfig
from vidact.pipeline.labelling import labeller
from vidact.pipeline.labelling.labeller import ShardOutcome, ShardTask
from vidact.pipeline.planning.plan import Plan, without
from vidact.pipeline.planning.probe import SourceRecord
from vidact.pipeline.remove import remove
from vidact.pipeline.running import takedown
from vidact.pipeline.running.worker import Worker

from ..bc_policy.toy_data import lights_dataset
from .conftest import copied, label_videos, members


def test_removed_sources_are_gone_and_stay_gone(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    rows = Dataset(out).manifest().to_pylist()
    (sha,) = {row["source_sha256"] for row in rows if row["source_uri"].endswith("a.mp4")}
    kept = {
        name: data
        for name, data in members(out).items()
        if not name.split("/")[1].startswith(sha[:12])
    }
    assert remove(RemoveConfig(dataset=str(out), source=(sha[:10],))) == 0
    assert members(out) == kept
    assert check_dataset(Dataset(out)).problems == []
    everything = b"".join(
        path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix != ".parquet"
    )
    assert b"a.mp4" not in everything
    sources = {record["source_uri"] for record in Dataset(out).manifest().to_pylist()}
    assert sources == {str(videos / "b.mp4")}
    stones = [
        letter for letter in Dataset(out).dead_letters().to_pylist() if letter["stage"] == "remove"
    ]
    assert [(stone["source_sha256"], stone["source_uri"]) for stone in stones] == [(sha, "")]
    assert (
        remove(RemoveConfig(dataset=str(out), source=(sha[:10],))) == 0
    )  # once more: nothing is left to do
    label_videos(videos, idm, out)  # a.mp4 is still in the folder, and so is its copy
    assert members(out) == kept
    assert {record["source_uri"] for record in Dataset(out).manifest().to_pylist()} == sources
    with pytest.raises(ConfigError, match="no source of this name"):
        remove(RemoveConfig(dataset=str(out), source=("c.mp4",)))


def test_nothing_of_a_removed_source_is_left_in_previews(
    videos: Path, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    rows = Dataset(out).manifest().to_pylist()
    for row in rows:
        storage.write_atomic(Dataset(out).preview_uri(row["key"]), b"a picture")
    remove(RemoveConfig(dataset=str(out), source=(str(videos / "a.mp4"),)))
    left = {path.stem for path in (out / "previews").iterdir()}
    assert left == {row["key"] for row in rows if row["source_uri"].endswith("b.mp4")}


def test_what_could_not_be_read_can_be_removed_too(
    videos: Path, labelled_videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    assert remove(RemoveConfig(dataset=str(out), source=(str(videos / "garbage.mp4"),))) == 0
    assert Dataset(out).dead_letters().num_rows == 0
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"garbage.mp4" not in everything
    assert check_dataset(Dataset(out)).problems == []


def test_new_sources_never_take_a_removed_shard_s_name(
    videos: Path, idm: str, tmp_path: Path
) -> None:
    out, sources = tmp_path / "data", tmp_path / "videos"
    sources.mkdir()
    (sources / "a.mp4").write_bytes((videos / "a.mp4").read_bytes())
    label_videos(sources, idm, out)
    remove(RemoveConfig(dataset=str(out), source=(str(sources / "a.mp4"),)))
    assert Dataset(out).manifest().num_rows == 0
    (sources / "b.mp4").write_bytes((videos / "b.mp4").read_bytes())
    label_videos(sources, idm, out)
    assert sum(row["frames"] for row in Dataset(out).manifest().to_pylist()) == 455


def test_an_interrupted_removal_goes_on(
    labelled_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    sha = Dataset(out).manifest().to_pylist()[0]["source_sha256"]
    whole = Dataset.write_commit

    def stop(*args: object) -> None:
        raise KeyboardInterrupt  # the tar is in its place, the record is not

    monkeypatch.setattr(Dataset, "write_commit", stop)
    with pytest.raises(KeyboardInterrupt):
        remove(RemoveConfig(dataset=str(out), source=(sha,)))
    monkeypatch.setattr(Dataset, "write_commit", whole)
    assert remove(RemoveConfig(dataset=str(out), source=(sha,))) == 0
    assert check_dataset(Dataset(out)).problems == []
    assert sha not in {row["source_sha256"] for row in Dataset(out).manifest().to_pylist()}


def test_a_removal_that_was_interrupted_late_goes_on(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    uri = str(videos / "a.mp4")

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "compact", stop)
        with pytest.raises(KeyboardInterrupt):
            remove(RemoveConfig(dataset=str(out), source=(uri,)))
    assert remove(RemoveConfig(dataset=str(out), source=(uri,))) == 0
    assert check_dataset(Dataset(out)).problems == []
    (out / "sources.parquet").unlink()  # what was removed is known without it
    label_videos(videos, idm, out)
    assert {row["source_uri"] for row in Dataset(out).manifest().to_pylist()} == {
        str(videos / "b.mp4")
    }


def test_copies_of_copies_are_removed_too() -> None:
    def source(name: str, sha: str, status: str = "planned", like: str = "") -> SourceRecord:
        return SourceRecord(uri=name, status=status, sha256=sha, detail=like)

    sources = (
        source("c", "c" * 64),
        source("a", "a" * 64, "near_duplicate", "c"),
        source("b", "a" * 64, "duplicate", "a"),
        source("other", "d" * 64),
    )
    left = without(Plan(Fraction(10), sources), {"c" * 64})
    assert {record.uri for record in left.sources} == {
        "other",
        f"removed:{'a' * 64}",
        f"removed:{'c' * 64}",
    }


def test_a_takedown_before_the_first_job_has_ended(
    videos: Path, idm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a worker is at a shard, and another shard is committed already."""
    out = tmp_path / "data"
    gone = hashlib.sha256((videos / "a.mp4").read_bytes()).hexdigest()
    whole, labelled = Worker.label, []

    def remove_meanwhile(self: Worker, task: ShardTask) -> ShardOutcome:
        labelled.append(task.shard)
        if len(labelled) == 2:
            writer = labeller.ShardWriter

            class SlowWriter(writer):  # type: ignore[misc, valid-type]
                def commit(self, *args: object, **options: object) -> object:
                    monkeypatch.setattr(labeller, "ShardWriter", writer)
                    assert not Dataset(out).has_tables()
                    assert remove(RemoveConfig(dataset=str(out), source=(gone[:12],))) == 0
                    return super().commit(*args, **options)

            monkeypatch.setattr(labeller, "ShardWriter", SlowWriter)
        return whole(self, task)

    monkeypatch.setattr(Worker, "label", remove_meanwhile)
    label_videos(videos, idm, out)
    assert len(labelled) == 5
    assert {row["source_uri"] for row in Dataset(out).manifest().to_pylist()} == {
        str(videos / "b.mp4")
    }
    assert gone[:12] not in str(members(out).keys())
    assert check_dataset(Dataset(out)).problems == []
    everything = b"".join(path.read_bytes() for path in out.rglob("*.json"))
    assert b"a.mp4" not in everything
    label_videos(videos, idm, out)
    assert check_dataset(Dataset(out)).problems == []
    assert Dataset(out).manifest().num_rows == len(members(out)) // 3


def test_verify_names_what_was_taken_down_and_compaction_leaves_it_out(
    videos: Path, labelled_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a removal was killed right after its tombstone."""
    out = Dataset(tmp_path / "data")
    copied(labelled_videos, tmp_path / "data")
    gone = hashlib.sha256((videos / "a.mp4").read_bytes()).hexdigest()
    whole, calls = Dataset.tombstones, []

    def taken_down_meanwhile(self: Dataset) -> frozenset[str]:
        calls.append(1)
        if len(calls) == 2:  # when compaction looks again
            monkeypatch.setattr(Dataset, "tombstones", whole)
            self.bury([gone])
        return whole(self)

    info = remove_module._info(out.content(), None, out.spec(), [])
    monkeypatch.setattr(Dataset, "tombstones", taken_down_meanwhile)
    out.compact(info)
    assert {row["source_sha256"] for row in out.manifest().to_pylist()}.isdisjoint({gone})
    problems = check_dataset(out, decode=False).problems
    assert any(f"holds something of {gone[:12]}, which was taken down" in one for one in problems)
    assert remove(RemoveConfig(dataset=str(out), source=(gone,))) == 0
    assert check_dataset(out).problems == []


def test_records_of_other_shards_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lights_dataset(str(tmp_path / "data"), sources=4)
    gone = f"{2:012x}".ljust(64, "0")
    rewritten: list[str] = []
    original = takedown.take_down

    def noted(dataset: Dataset, shard: str, *arguments: object, **options: object) -> object:
        rewritten.append(shard)
        return original(dataset, shard, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(takedown, "take_down", noted)
    whole = Dataset.commits
    asked: list[object] = []
    monkeypatch.setattr(
        Dataset, "commits", lambda self, shards=None: asked.append(shards) or whole(self, shards)
    )
    assert remove(RemoveConfig(dataset=data, source=("video2.mp4",))) == 0
    assert (rewritten, asked) == (["train-00002"], [[]])
    assert Dataset(data).removed_sources() == [gone]
    assert check_dataset(Dataset(data)).problems == []
