"""Probing and planning real files."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import DatasetError
from vidact.pipeline.config import LayoutConfig, PlanConfig
from vidact.pipeline.plan import plan
from vidact.pipeline.planning.plan import (
    Plan,
    describe,
    licence_of,
    plan_dead_letters,
    read_plan,
)

from .conftest import moving_picture, plan_here, write_video

LAYOUT = LayoutConfig(val_fraction=0.0)


def _plan(sources: Path, out: Path) -> Plan:
    return plan_here(sources, out, layout=LAYOUT, workers=2)


def test_plan_of_a_folder(videos: Path, tmp_path: Path) -> None:
    plan = _plan(videos, tmp_path / "data")
    by_name = {Path(record.uri).name: record for record in plan.sources}
    assert {name: record.status for name, record in by_name.items()} == {
        "a.mp4": "planned",
        "b.mp4": "planned",
        "copy-of-a.mp4": "duplicate",
        "garbage.mp4": "unreadable",
    }
    assert by_name["a.mp4"].ticks == 700  # 40 s at 17.5 Hz
    assert by_name["b.mp4"].ticks == 455
    assert by_name["copy-of-a.mp4"].detail == by_name["a.mp4"].uri
    assert sum(segment.ticks for segment in plan.segments) == 1155
    assert [letter.reason for letter in plan_dead_letters(plan)] == ["not_a_video"]
    assert read_plan(Dataset(tmp_path / "data")) == plan
    assert "1 duplicate (same_content)" in describe(plan)


def test_planning_again_changes_nothing_and_new_files_only_add(
    videos: Path, tmp_path: Path
) -> None:
    sources = tmp_path / "videos"
    shutil.copytree(videos, sources)
    first = _plan(sources, tmp_path / "data")
    bytes_before = (tmp_path / "data" / "plan.parquet").read_bytes()
    assert _plan(sources, tmp_path / "data") == first
    assert (tmp_path / "data" / "plan.parquet").read_bytes() == bytes_before
    write_video(sources / "0-new.mp4", moving_picture(300, seed=9))
    os.remove(sources / "b.mp4")  # gone from disk, not from the plan
    second = _plan(sources, tmp_path / "data")
    assert second.segments[: len(first.segments)] == first.segments
    added = second.segments[len(first.segments) :]
    assert {Path(segment.source_uri).name for segment in added} == {"0-new.mp4"}
    assert not {segment.shard for segment in added} & {segment.shard for segment in first.segments}


def test_a_renamed_file_is_known_by_its_content(videos: Path, tmp_path: Path) -> None:
    sources = tmp_path / "videos"
    shutil.copytree(videos, sources)
    first = _plan(sources, tmp_path / "data")
    os.rename(sources / "b.mp4", sources / "bb.mp4")
    second = _plan(sources, tmp_path / "data")
    assert [s.key for s in second.segments] == [s.key for s in first.segments]
    # It is gone from its old place, so it is labelled from the new one.
    statuses = {r.uri.rsplit("/", 1)[1]: r.status for r in second.sources}
    assert (statuses["bb.mp4"], "b.mp4" in statuses) == ("planned", False)
    assert not [s for s in second.segments if s.source_uri.endswith("/b.mp4")]


def test_truncated_video_is_planned_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", moving_picture(600, seed=3))
    import av

    cut = tmp_path / "sources" / "cut.mp4"
    cut.parent.mkdir()
    with (
        av.open(str(whole)) as source,
        av.open(str(cut), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    plan = _plan(cut.parent, tmp_path / "data")
    (record,) = plan.sources
    assert (record.status, record.reason) == ("planned", "truncated")
    assert (
        348 <= record.ticks + record.lost_ticks <= 352
    )  # the last frames before the cut are out of order
    assert 100 < record.ticks < 300
    (letter,) = plan_dead_letters(plan)
    assert (letter.start_tick, letter.end_tick, letter.reason) == (
        record.ticks,
        record.ticks + record.lost_ticks,
        "truncated",
    )


def test_another_tick_rate_is_refused(videos: Path, tmp_path: Path) -> None:
    _plan(videos, tmp_path / "data")
    with pytest.raises(DatasetError, match="planned at 35/2 ticks a second, but now asked for 20"):
        plan_here(videos, tmp_path / "data", tick_hz=Fraction(20), layout=LAYOUT)


def test_the_verb(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(PlanConfig(sources=(str(videos),), out=str(tmp_path / "data"))) == 0
    assert (
        "Plan: 1.1 minutes in 5 segments and 5 shards; about 2 MB, and " in capsys.readouterr().err
    )


def test_licence_of_the_whole(videos: Path, tmp_path: Path) -> None:
    def planned(*rows: str) -> str:
        table = tmp_path / "list.csv"
        table.write_text("\n".join(["uri,licence", *rows]) + "\n")
        out = tmp_path / f"data-{len(list(tmp_path.iterdir()))}"
        return licence_of(plan_here(table, out, layout=LAYOUT))

    assert planned(f"{videos}/a.mp4,", f"{videos}/b.mp4,") == "other"
    assert planned(f"{videos}/a.mp4,CC0-1.0") == "CC0-1.0"
    assert planned(f"{videos}/a.mp4,CC0-1.0", f"{videos}/b.mp4,") == "other"
