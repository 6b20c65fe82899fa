"""Plans of libraries that grow, move, and get their details later."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import fsspec
import pytest
from vidact import storage
from vidact.datasets.shards.dataset import Dataset
from vidact.errors import ConfigError
from vidact.pipeline import plan as plan_module
from vidact.pipeline.config import LayoutConfig, RelocateConfig
from vidact.pipeline.plan import make_plan
from vidact.pipeline.planning import marks
from vidact.pipeline.planning.layout import Planned, lay_out
from vidact.pipeline.planning.plan import Plan, read_open_shards, read_plan, write_plan
from vidact.pipeline.relocate import relocate

from .stub_prober import StubProber

HZ = Fraction(10)
LAYOUT = LayoutConfig(val_fraction=0.0, min_shards=1, near_duplicates=False)
HOUR_TICKS = 63_000


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plan_module, "_prober_class", lambda: StubProber)
    monkeypatch.setattr(StubProber, "meanwhile", None)
    return tmp_path


def plan_of(place: Path, *names: str) -> Plan:
    return make_plan(list(names), Dataset(place / "data"), tick_hz=HZ, layout=LAYOUT, workers=1)


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize("workers", [1, 256])
def test_hours_that_are_added_make_no_dust(workers: int) -> None:
    layout = LayoutConfig()

    def hour(number: int) -> list[Planned]:
        return [
            Planned(uri=f"{number}-{i}", sha256=f"{(number * 10 + i) ** 5:064x}", ticks=6_300)
            for i in range(10)
        ]

    segments = lay_out(hour(0), layout, workers=workers)
    for number in range(1, 25):
        first: dict[str, int] = {}
        for segment in segments:
            first[segment.split] = max(first.get(segment.split, 0), int(segment.shard[-5:]) + 1)
        added = lay_out(hour(number), layout, workers=workers, first_shard=first)
        ticks = Counter[str]()
        for segment in added:
            ticks[segment.shard] += segment.ticks
        assert sum(ticks.values()) == HOUR_TICKS
        assert sum(count < layout.shard_ticks / 2 for count in ticks.values()) <= 2
        assert max(ticks.values()) <= layout.shard_ticks + layout.segment_ticks
        segments = segments + added
    many = lay_out(hour(99) * 10, layout, workers=workers, first_shard={"train": 1})
    assert len({s.shard for s in many}) >= 14  # ten hours keep many workers busy


def test_of_shards_that_are_done_a_worker_reads_no_segments(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    assert read_open_shards(dataset, ()) is None
    videos = [Planned(uri=f"{i}", sha256=f"{i:064x}", ticks=1_000) for i in range(40)]
    segments = lay_out(videos, LayoutConfig(shard_ticks=4_000), workers=1)
    plan = write_plan(Plan(HZ, (), tuple(segments)), dataset)
    done = list(plan.shards)[1::2]
    found = read_open_shards(dataset, done)
    assert found is not None
    assert list(found) == list(plan.shards)  # in order, which parts of a plan depend on
    assert found == plan.shards | dict.fromkeys(done, ())


def test_listings_tell_what_is_known(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    for number in range(300):
        fs.pipe_file(f"/library/{number:03d}.mp4", b"%d" % number)
    plan_of(place, "memory://library/")
    asked: list[str] = []
    monkeypatch.setattr(marks, "fingerprint", asked.append)
    monkeypatch.setattr(plan_module, "marks_of", marks.marks_of)
    again = plan_of(place, "memory://library/")
    assert len(again.sources) == 300
    assert asked == []
    monkeypatch.undo()
    monkeypatch.setattr(plan_module, "_prober_class", lambda: StubProber)
    fs.pipe_file("/library/007.mp4", b"another")
    changed = plan_of(place, "memory://library/")
    assert {s.source_uri for s in changed.segments[len(again.segments) :]} == {
        "memory://library/007.mp4"
    }
    fs.rm("/library", recursive=True)


def test_a_library_that_was_moved_is_labelled_from_its_new_place(place: Path) -> None:
    old = files(place / "old", "a.mp4", "b.mp4", "c.mp4")
    first = plan_of(place, str(old))
    old.rename(place / "new")
    second = plan_of(place, str(place / "new"))
    assert [s.key for s in second.segments] == [s.key for s in first.segments]
    assert {s.source_uri for s in second.segments} == {
        str(place / "new" / name) for name in ("a.mp4", "b.mp4", "c.mp4")
    }
    assert {(r.uri, r.status) for r in second.sources} == {
        (str(place / "new" / name), "planned") for name in ("a.mp4", "b.mp4", "c.mp4")
    }
    assert plan_of(place, str(place / "new")) == second == read_plan(Dataset(place / "data"))


def test_relocate_gives_new_addresses(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = files(place / "old", "a.mp4", "b.mp4")
    first = plan_of(place, str(old), str(files(place / "elsewhere", "c.mp4")))
    new = place / "new"
    old.rename(new)
    (new / "b.mp4").write_bytes(b"of another size")
    dataset = str(place / "data")
    with pytest.raises(ConfigError, match=r"no source of .* lies at .*/ol"):
        relocate(RelocateConfig(dataset=dataset, old=str(place / "ol"), new=str(new)))
    with pytest.raises(ConfigError, match="nothing that lay at"):
        relocate(RelocateConfig(dataset=dataset, old=str(old), new=str(place / "nowhere")))
    assert relocate(RelocateConfig(dataset=dataset, old=f"{old}/", new=str(new))) == 0
    plan = read_plan(Dataset(dataset))
    assert plan is not None
    assert [s.key for s in plan.segments] == [s.key for s in first.segments]
    expected = {str(new / "a.mp4"), str(old / "b.mp4"), str(place / "elsewhere" / "c.mp4")}
    assert {s.source_uri for s in plan.segments} == {r.uri for r in plan.sources} == expected
    assert f"1 were not found there, or have another size, and stay as they were: {old}/b.mp4" in (
        capsys.readouterr().err
    )
    (new / "b.mp4").unlink()
    assert plan_of(place, str(new)) == plan  # nothing is new there


def test_a_copy_takes_the_place_of_what_is_gone(place: Path) -> None:
    videos = files(place / "videos", "a.mp4", "b.mp4")
    (videos / "copy of a.mp4").write_bytes(b"a.mp4")
    first = plan_of(place, str(videos))
    assert {Path(s.source_uri).name for s in first.segments} == {"a.mp4", "b.mp4"}
    (videos / "a.mp4").unlink()
    second = plan_of(place, str(videos))
    assert {Path(s.source_uri).name for s in second.segments} == {"copy of a.mp4", "b.mp4"}
    assert [s.key for s in second.segments] == [s.key for s in first.segments]


def test_a_licence_and_a_group_that_come_later(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = files(place / "videos", "a.mp4", "b.mp4")
    first = plan_of(place, str(videos))
    done = next(s.shard for s in first.segments if s.source_uri.endswith("a.mp4"))
    storage.write_atomic(Dataset(place / "data").commit_uri(done), b"{}")
    table = place / "list.csv"
    table.write_text(f"uri,group,licence\n{videos}/a.mp4,one,CC0-1.0\n{videos}/b.mp4,two,\n")
    plan = plan_of(place, str(table))
    assert {(r.group, r.licence) for r in plan.sources} == {("one", "CC0-1.0"), ("two", "")}
    for segment in plan.segments:
        late = {"a.mp4": ("one", "CC0-1.0"), "b.mp4": ("two", "")}[Path(segment.source_uri).name]
        expected = ("", "") if segment.shard == done else late
        assert (segment.group, segment.licence) == expected
    assert [s.key for s in plan.segments] == [s.key for s in first.segments]
    said = capsys.readouterr().err
    assert "2 known sources have another group or licence now" in said
    assert "labelled, wholly or in part" in said
    assert "stays in its split" in said
    assert plan_of(place, str(table)) == plan
    assert "known sources" not in capsys.readouterr().err
