"""A run goes on with the versions of its datasets that it began with."""

from __future__ import annotations

import json
from pathlib import Path

from vidact import storage
from vidact.bc_policy.cloning.data import data_identity, versions_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter


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
