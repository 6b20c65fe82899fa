"""Two who plan at a time: nothing is lost, nothing is planned twice, nothing comes back."""

from __future__ import annotations

import hashlib
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from vidact import storage
from vidact.datasets.shards.dataset import Dataset
from vidact.pipeline import plan as plan_module
from vidact.pipeline.config import LayoutConfig, RemoveConfig
from vidact.pipeline.plan import make_plan
from vidact.pipeline.planning.plan import Plan, read_plan
from vidact.pipeline.remove import remove

from .stub_prober import TICKS, StubProber

HZ = Fraction(10)
X = hashlib.sha256(b"x.mp4").hexdigest()
LAYOUT = LayoutConfig(val_fraction=0.0, min_shards=1, near_duplicates=False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plan_module, "_prober_class", lambda: StubProber)
    monkeypatch.setattr(StubProber, "meanwhile", None)
    for name in ("x.mp4", "y.mp4", "z.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def plan_of(place: Path, *names: str) -> Plan:
    sources = [str(place / name) for name in names]
    return make_plan(sources, Dataset(place / "data"), tick_hz=HZ, layout=LAYOUT, workers=1)


def planned(place: Path) -> dict[str, int]:
    """How often the ticks of each source are planned."""
    plan = read_plan(Dataset(place / "data"))
    assert plan is not None
    assert len({(s.shard, s.segment) for s in plan.segments}) == len(plan.segments)
    ticks = Counter[str]()
    for segment in plan.segments:
        ticks[Path(segment.source_uri).name] += segment.ticks
    return {name: count // TICKS for name, count in ticks.items()}


def test_what_another_planned_meanwhile_is_kept(place: Path) -> None:
    StubProber.meanwhile = lambda: plan_of(place, "x.mp4")
    new = plan_of(place, "y.mp4")
    assert planned(place) == {"x.mp4": 1, "y.mp4": 1}
    assert new == read_plan(Dataset(place / "data"))
    assert {Path(record.uri).name for record in new.sources} == {"x.mp4", "y.mp4"}


def test_what_both_planned_is_planned_once(place: Path) -> None:
    plan_of(place, "z.mp4")
    StubProber.meanwhile = lambda: plan_of(place, "x.mp4", "y.mp4")
    plan_of(place, "x.mp4")
    assert planned(place) == {"x.mp4": 1, "y.mp4": 1, "z.mp4": 1}


def test_a_table_of_sources_that_comes_late_takes_nothing_away(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a plan's two tables another plan writes both of its own."""
    from vidact.pipeline.planning import plan as tables

    whole = tables.replace_if
    late = [True]

    def write(uri: str, *args: object) -> str:
        if uri.endswith("sources.parquet") and late:
            late.clear()
            plan_of(place, "y.mp4")
        return whole(uri, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(tables, "replace_if", write)
    plan_of(place, "x.mp4")
    sources = read_plan(Dataset(place / "data")).sources  # type: ignore[union-attr]
    assert {Path(record.uri).name for record in sources} == {"x.mp4", "y.mp4"}
    assert planned(place) == {"x.mp4": 1, "y.mp4": 1}


@pytest.mark.parametrize("known", [False, True])
def test_what_is_taken_down_while_it_is_planned_stays_out(place: Path, known: bool) -> None:
    if known:
        plan_of(place, "x.mp4", "z.mp4")
    name = str(place / "x.mp4") if known else X
    out = place / "data"
    out.mkdir(exist_ok=True)
    StubProber.meanwhile = lambda: remove(RemoveConfig(dataset=str(out), source=(name,)))
    plan = plan_of(place, "x.mp4", "y.mp4")
    assert "x.mp4" not in planned(place)
    assert planned(place)["y.mp4"] == 1
    assert plan.removed == {X}
    assert b"x.mp4" not in b"".join(path.read_bytes() for path in out.iterdir() if path.is_file())
    read = read_plan(Dataset(out))
    assert read is not None
    assert not any("x.mp4" in record.uri for record in read.sources)
    plan_of(place, "x.mp4", "y.mp4")
    assert "x.mp4" not in planned(place)


def test_a_takedown_between_the_last_look_and_the_write(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planner looks at tombstones again after its write."""
    whole = plan_module.write_plan
    first = [True]

    def write(plan: Plan, dataset: Dataset, old: Plan | None) -> Plan:
        if first:
            first.clear()
            dataset.bury([X])
        return whole(plan, dataset, old)

    monkeypatch.setattr(plan_module, "write_plan", write)
    plan_of(place, "x.mp4", "y.mp4")
    assert planned(place) == {"y.mp4": 1}
    assert storage.exists(str(place / "data" / "_tombstones" / X))
