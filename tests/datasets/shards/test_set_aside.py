"""Records that were set aside: only those that are there are asked about."""

from __future__ import annotations

from pathlib import Path

import pytest
from vidact import storage
from vidact.datasets.shards.set_aside import SetAside


def test_only_records_that_are_there_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = SetAside(str(tmp_path / "_set_aside"), str(tmp_path / "commits"))
    asked: list[str] = []
    remove = storage.remove

    def counted(uri: str) -> None:
        asked.append(uri)
        remove(uri)

    monkeypatch.setattr(storage, "remove", counted)
    shards = [f"shard-{i:05d}" for i in range(100)]
    aside.forget(shards)
    assert asked == []
    (tmp_path / "_set_aside").mkdir()
    (tmp_path / "_set_aside" / "shard-00007.json").write_text("{}")
    (tmp_path / "_set_aside" / "other.json").write_text("{}")
    aside.forget(shards)
    assert [uri.rsplit("/", 1)[1] for uri in asked] == ["shard-00007.json"]
    assert aside.shards() == ["other"]
