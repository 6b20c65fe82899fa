"""Odd sources are told from usual ones by their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.commits import CommitRecord
from vidact.datasets.shards.dataset import Dataset
from vidact.pipeline.labelling.source_statistics import (
    Reference,
    flagged_lines,
    source_statistics,
    total_degrees,
    write_source_statistics,
)

HOUR = 63_000


def _row(
    spec: ActionSpec,
    name: str,
    presses: dict[str, int],
    *,
    confidence: float = 0.8,
    null: float = 0.2,
) -> dict[str, Any]:
    return {
        "source_uri": f"{name}.mp4",
        "source_sha256": name,
        "frames": HOUR,
        "presses": {button: presses.get(button, 0) for button in spec.button_names},
        "mean_confidence": confidence,
        "null_fraction": null,
    }


def _record(rows: list[dict[str, Any]], degrees: dict[str, list[float]]) -> CommitRecord:
    return CommitRecord(
        shard="train-00000",
        spec={},
        tar=None,
        rows=tuple(rows),
        statistics={},
        extra={"degrees": degrees},
    )


def test_what_is_odd(tmp_path: Any) -> None:
    spec = ActionSpec.load("doom")
    usual = {"forward": 1000, "left": 300, "right": 300, "attack": 400}
    rows = [_row(spec, f"usual-{i}", usual, confidence=0.8 + 0.01 * i) for i in range(5)]
    rows += [
        _row(spec, "other-game", {"weapon.1": 900, "use": 1100}, confidence=0.4),
        _row(spec, "other-mouse", usual),
        _row(spec, "menu", {"use": 3}, null=0.99),
    ]
    degrees = {row["source_sha256"]: [7200.0, 36000.0] for row in rows}
    degrees["other-mouse"] = [7200.0, 360000.0]
    found = source_statistics([_record(rows, degrees)], spec, Reference())
    flags = {row["source_uri"]: row["flags"] for row in found}
    assert flags["other-game.mp4"] == ["odd_buttons", "low_confidence"]
    assert flags["other-mouse.mp4"] == ["odd_turns"]
    assert flags["menu.mp4"] == ["too_few_presses", "inactive"]
    assert all(not flags[f"usual-{i}.mp4"] for i in range(5))
    assert [row["rank"] for row in found] == list(range(1, 9))
    assert found[0]["source_uri"] == "other-game.mp4"
    usual_row = next(row for row in found if row["source_uri"] == "usual-0.mp4")
    assert usual_row["hours"] == 1.0
    assert usual_row["presses_a_minute"] == 33.333
    assert usual_row["degrees_a_s"] == {"pitch": 2.0, "yaw": 10.0}
    lines = flagged_lines(found)
    assert lines[0].startswith("3 of 8 sources look odd")
    assert (
        "other-game.mp4: odd_buttons, low_confidence (confidence 0.40, 33 presses a minute"
        in lines[1]
    )
    write_source_statistics(Dataset(tmp_path), found, spec)
    assert pq.read_table(tmp_path / "source_statistics.parquet").to_pylist() == found


def test_a_short_source_is_no_measure_of_how_often_a_button_is_pressed() -> None:
    spec = ActionSpec.load("doom")
    rows = [_row(spec, f"usual-{i}", {"forward": 1000}) for i in range(3)]
    still = {"presses": dict.fromkeys(spec.button_names, 0), "null_fraction": 0.99}
    rows += [
        {**_row(spec, f"{seconds}-seconds", {}), **still, "frames": int(17.5 * seconds)}
        for seconds in (30, 90)
    ]
    degrees = {row["source_sha256"]: [7200.0, 36000.0] for row in rows[:3]}
    flags = {
        row["source_uri"]: row["flags"]
        for row in source_statistics([_record(rows, degrees)], spec, Reference())
    }
    assert flags["30-seconds.mp4"] == ["inactive"]
    assert flags["90-seconds.mp4"] == ["too_few_presses", "odd_turns", "inactive"]


def test_the_training_set_is_the_measure_where_it_is_known() -> None:
    spec = ActionSpec.load("doom")
    k = spec.num_buttons
    held = [[10] * 100 if name == "forward" else [] for name in spec.button_names]
    released = [[90] * 100 if name == "forward" else [10_000] for name in spec.button_names]
    reference = Reference.of_checkpoint(
        {"baselines": {"rates": {"held": held, "released": released}}}, spec
    )
    assert reference.presses_a_tick is not None
    assert abs(reference.presses_a_tick - 0.01) < 1e-6
    assert reference.shares is not None
    assert len(reference.shares) == k
    use = spec.button_names.index("use")
    held[use], released[use] = [5] * 100, [9_995] * 100  # as many lengths are kept of a rare button
    with_use = Reference.of_checkpoint(
        {"baselines": {"rates": {"held": held, "released": released}}}, spec
    )
    assert with_use.presses_a_tick == pytest.approx(0.01 + 0.0001)
    assert with_use.shares is not None
    assert with_use.shares[use] == pytest.approx(0.01, rel=0.05)
    rows = [_row(spec, "a", {"attack": 630}), _row(spec, "b", {"attack": 630})]
    found = source_statistics([_record(rows, {})], spec, reference)
    assert all(
        row["flags"] == ["odd_buttons"] for row in found
    )  # the same rate, but all sources press another button
    assert Reference.of_checkpoint({}, spec) == Reference()
    assert source_statistics([], spec, reference) == []
    assert flagged_lines([]) == []


def test_degrees() -> None:
    assert total_degrees(np.array([[1, -2], [-0.5, 3]], np.float32)).tolist() == [1.5, 5.0]
