"""Recordings that go on between two runs, and files of several tracks: what the plan makes of
them.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.tracks import read_tracks
from vidact.datasets.status import dataset_status
from vidact.datasets.texts.filling import fill_in
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.pipeline.planning.plan import Plan, describe, read_plan, write_plan
from vidact.pipeline.planning.probe import probe_source
from vidact.pipeline.planning.sources import Source

from ..datasets.video.test_odd_recorders import write_tracks
from .conftest import config, members, moving_picture, run_label, write_video


def remux(source: Path, path: Path, **options: str) -> bytes:
    """The packets of a video in another file; a live one is one that is still being written."""
    with av.open(str(source)) as box, av.open(str(path), "w", options=options) as new:
        stream = new.add_stream_from_template(box.streams.video[0])
        for packet in box.demux(box.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return path.read_bytes()


def test_a_recording_that_goes_on_replaces_what_it_was(
    idm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "video.mp4", moving_picture(360, seed=3))
    live = remux(video, tmp_path / "live.mkv", live="1")
    finished = remux(video, tmp_path / "finished.mkv")  # its header is another now
    today = tmp_path / "pile" / "today.mkv"
    today.parent.mkdir()
    today.write_bytes(live[: len(live) * 6 // 10])
    write_video(today.with_name("other.mp4"), moving_picture(120, seed=4))
    out = tmp_path / "data"
    assert run_label(config(today.parent, idm, out)) == 0
    first = read_plan(Dataset(out))
    assert first is not None
    before = {segment.source_sha256 for segment in first.segments}
    today.write_bytes(finished)
    capsys.readouterr()
    assert run_label(config(today.parent, idm, out, strict=True)) == 0
    assert f"{today} has grown since it was planned" in capsys.readouterr().err
    stamps: dict[str, list[int]] = {}
    for name, data in members(out).items():
        if name.endswith(".json"):
            clip = json.loads(data)
            stamps.setdefault(clip["source_uri"], []).extend(clip["pts_ns"])
    assert len(stamps[str(today)]) == len(set(stamps[str(today)])) == 210
    assert len(stamps[str(today.with_name("other.mp4"))]) == 70
    plan = read_plan(Dataset(out))
    assert plan is not None
    now = {segment.source_sha256 for segment in plan.segments}
    assert len(now & before) == len(before - now) == len(now - before) == 1
    splits = {s.split for s in (*first.segments, *plan.segments) if s.source_uri == str(today)}
    assert len(splits) == 1
    assert Dataset(out).tombstones() == before - now


def test_another_file_under_the_same_name_does_not_count_as_grown(tmp_path: Path) -> None:
    source = Source(uri=str(tmp_path / "a.mp4"))
    records = []
    for frames, seed in ((90, 1), (120, 1), (120, 2)):
        write_video(tmp_path / "a.mp4", moving_picture(120, seed=seed)[:frames])
        records.append(probe_source(source, Fraction(20), InProcessDecoder()))
    short, long, other = records
    assert long.is_grown(short)
    assert not short.is_grown(long)
    assert not long.is_grown(long)
    assert not other.is_grown(short)


def test_the_track_that_is_read_is_named(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "two.mkv", [(64, 48), (192, 108)], default=1)
    one = write_tracks(tmp_path / "one.mkv", [(64, 48)], default=0)
    records = tuple(
        probe_source(Source(uri=str(uri)), Fraction(20), InProcessDecoder()) for uri in (one, path)
    )
    words = "video track 2 of 2, 192x108, flagged as default; not read: 64x48"
    plan = Plan(Fraction(20), records)
    assert f"{path}: {words}.\n" in describe(plan)
    assert str(one) not in describe(plan)
    dataset = Dataset(tmp_path / "data")
    write_plan(plan, dataset)
    assert read_tracks(dataset) == {str(path): words}
    assert f"{path}: {words}" in fill_in("status.txt", **dataset_status(dataset))
