"""A run goes on with the versions of its datasets that it began with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vidact import storage
from vidact.bc_policy.clone import clone
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.cloning.data import data_identity, versions_of
from vidact.bc_policy.policy.config import PolicyConfig
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter, take_down
from vidact.errors import Interrupted, ShardError
from vidact.training.run import TrainingRun

from ..toy_data import DATA_SPEC, lights_clip, lights_dataset

NETWORK = PolicyConfig(
    width=16, heads=2, blocks=1, memory=8, channels=(4,), residual_blocks=1, dense=16
)


def snapshot(out: Path, step: int, text: str) -> None:
    folder = out / "snapshots" / f"state-{step:09d}"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(text)


def test_a_stopped_run_keeps_its_versions(tmp_path: Path) -> None:
    dataset, spec = Dataset(tmp_path / "data"), ActionSpec.load("doom")
    info = DatasetInfo(name="Nothing", spec=spec)
    out, data = str(tmp_path / "out"), (str(dataset),)
    first = dataset.compact(info)["version"]
    begun = data_identity(out, data)
    assert versions_of(begun) == [first]
    snapshot(tmp_path / "out", 1, json.dumps({"run": {"data": begun}}))
    snapshot(tmp_path / "out", 2, "half")
    with ShardWriter(dataset, "train-00000", spec) as writer:
        writer.commit()
    assert dataset.compact(info)["version"] != first
    assert data_identity(out, data) == begun
    assert data_identity(str(tmp_path / "other"), data) != begun


def test_a_dataset_that_was_upgraded_is_the_same(tmp_path: Path) -> None:
    dataset, spec = Dataset(tmp_path / "data"), ActionSpec.load("doom")
    info = DatasetInfo(name="Nothing", spec=spec)
    dataset.compact(info)
    content = dataset.content()
    del content["version"]
    storage.write_atomic(dataset.content_uri, json.dumps(content).encode())
    out, data = tmp_path / "out", (str(dataset),)
    begun = data_identity(str(out), data)
    assert versions_of(begun) == [""]
    assert begun[0].keys() == {"uri", "manifest_sha256"}
    snapshot(out, 1, json.dumps({"run": {"data": begun}}))
    dataset.compact(info)
    assert data_identity(str(out), data) == begun


def settings(data: str, out: Path, **changes: object) -> CloneConfig:
    own = {"network": NETWORK, "steps": 12, "batch_size": 2, "ticks": 32, "threads": 1, **changes}
    return CloneConfig(data=(data,), out=str(out), eval_batches=1, loader_threads=1, **own)


def rows_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_run_resumes_after_growth_and_a_takedown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lights_dataset(str(tmp_path / "data"), sources=4)
    dataset, config = Dataset(data), settings(data, tmp_path / "out")

    def stop(self: TrainingRun, **counters: object) -> None:
        if self.step == 3:
            self.save(**counters)
            raise Interrupted("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save_if_due", stop)
        with pytest.raises(Interrupted):
            clone(config)
    version = dataset.content()["version"]
    gone = f"{0:012x}".ljust(64, "0")
    dataset.bury([gone])
    take_down(dataset, "train-00000", [gone], DATA_SPEC)
    with ShardWriter(dataset, "train-00009", DATA_SPEC) as writer:
        writer.add(lights_clip(9, 0, 32, "train"))
        writer.commit()
    assert dataset.compact(DatasetInfo(name="lights", spec=DATA_SPEC))["version"] != version
    assert clone(config) == 0
    last = rows_of(tmp_path / "out")[-1]
    assert (last["steps"], last["removed_clips"]) == (12, 2)
    written = json.loads((tmp_path / "out" / "config.json").read_bytes())
    assert written["data"] == [{"uri": data, "version": version}]


def test_bad_clips_are_left_out_within_the_budget_of_a_run(tmp_path: Path) -> None:
    data = lights_dataset(str(tmp_path / "data"), sources=4)
    (row, _) = Dataset(data).read_commit("train-00001").rows
    uri = Dataset(data).shard_uri("train-00001")
    content = bytearray(storage.read_bytes(uri))
    content[row["offset_bytes"] + 600] ^= 4
    storage.write_atomic(uri, bytes(content))
    with pytest.raises(ShardError, match="checksum"):
        clone(settings(data, tmp_path / "strict"))
    # The same run with a budget; the clip is met in each of its epochs.
    out = tmp_path / "strict"
    assert clone(settings(data, out, max_bad_clips=1)) == 0
    assert rows_of(out)[-1]["bad_clips"] == 1
    assert json.loads((out / "config.json").read_bytes())["metrics"]["bad_clips"] == 1
