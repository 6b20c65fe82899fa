"""What a job looks at when it starts and when it ends, and what others do meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vidact import storage
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import Interrupted
from vidact.pipeline.label import label

from .conftest import config, contents, copied, plain_loop, run_label


def test_a_start_lists_the_records_once_for_all_its_steps(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    copied(labelled_videos, out)
    Dataset(out).forget_commits(["train-00001"])
    listed = Counter[str]()
    whole, whole_times = storage.list_files, storage.modified_times

    def list_files(uri: storage.Uri, *how: Any, **also: Any) -> list[str]:
        listed[Path(uri).name] += 1
        return whole(uri, *how, **also)

    def modified_times(uri: storage.Uri, *how: Any) -> dict[str, float]:
        listed[Path(uri).name] += 1
        return whole_times(uri, *how)

    def begin(config, settings, run, tracker):  # type: ignore[no-untyped-def]
        assert tracker.missing() == ["train-00001"]
        assert tracker.count_done() == tracker.state().shards_done == 4
        assert {name: listed[name] for name in ("_commits", "_summaries", "shards")} == {
            "_commits": 1,
            "_summaries": 1,
            "shards": 1,
        }
        plain_loop(config, settings, run, tracker)

    monkeypatch.setattr(storage, "list_files", list_files)
    monkeypatch.setattr(storage, "modified_times", modified_times)
    assert label(config(videos, idm, out), runner=begin) == 0


def test_what_another_plan_puts_under_a_planned_name_meanwhile_is_made_again(
    videos: Path, idm: str, labelled_videos: Path, tmp_path: Path
) -> None:
    """Of a worker that began before a takedown and a new plan gave its shard's name away."""
    out = tmp_path / "data"

    def overtaken(config, settings, run, tracker):  # type: ignore[no-untyped-def]
        (first, *_) = settings.open_tasks()
        other = replace(first.segments[0], source_sha256="f" * 64)
        plain_loop(config, settings, run, tracker)
        record = Dataset(out).read_commit(first.shard)
        Dataset(out).write_commit(replace(record, segments=(other.key,)))

    with pytest.raises(Interrupted, match="1 shards are still to be done"):
        label(config(videos, idm, out), runner=overtaken)
    assert run_label(config(videos, idm, out)) == 0
    assert contents(out) == contents(labelled_videos)
