"""Studies of agents: figures as they come, bars, and tables of what is not whole yet."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from vidact.games.task import ACHIEVEMENTS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    for folder in ("benchmarks", "docs"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    names = ("agent_study", "clone_targets", "hard_tasks", "agent_tables")
    return {name: importlib.import_module(name) for name in names}


def cell(*scores: float, **more: Any) -> dict[str, Any]:
    mean = sum(scores) / len(scores)
    return {"scores": list(scores), "mean": mean, "ci95": [mean - 1, mean + 1], **more}


def test_a_step_and_a_cell_are_not_done_twice(
    studies: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_study, ran = studies["agent_study"], []
    codes = iter([75, 0, 0])  # the first step is stopped after its time, and gone on with
    monkeypatch.setattr(
        agent_study, "_run", lambda words, seconds: ran.append(words) or next(codes)
    )
    study = agent_study.Study("toy", tmp_path, only=("maze/*",), scale=0.1)
    assert study.step("a/b", "label", tmp_path) == tmp_path / "a/b"
    study.step("a/b", "label", tmp_path)
    assert ran == [["label", str(tmp_path)]] * 2
    with pytest.raises(SystemExit, match="give another WORK"):
        study.step("a/b", "label", "elsewhere")
    assert study.cell("maze/x/0", lambda: cell(1, 3))
    assert not study.cell("maze/x/0", lambda: pytest.fail("done already"))
    assert not study.cell("doom/x/0", lambda: pytest.fail("not asked for"))
    written = json.loads((tmp_path / "toy.json").read_text())
    assert written["pooled"]["maze/x"]["mean"] == 2
    study.until = 0.0
    with pytest.raises(SystemExit) as left:
        study.step("c", "label")
    assert left.value.code == 75


def test_bars_are_judged_by_what_is_there(studies: dict[str, ModuleType]) -> None:
    targets = studies["clone_targets"]
    bar, judged = targets.Bar, targets.judged
    cells = {
        "maze/idm/0": cell(8, 10),
        "maze/idm/1": cell(9, 9),
        "maze/true/0": cell(10, 10),
        "maze/blind/0": cell(3, 4),
    }
    assert judged(cells, "maze", bar("small", "mean", 1)) is None
    assert judged(cells, "maze", bar("idm", "above small")) is None
    assert judged(cells, "maze", bar("idm", "mean", 9))["holds"]
    assert not judged(cells, "maze", bar("idm", "low", 8.5))["holds"]
    assert judged(cells, "maze", bar("idm", "above blind"))["found"] > 3
    ratio = judged(cells, "maze", bar("idm", "ratio to true", 0.85))
    assert (ratio["found"], ratio["holds"]) == (pytest.approx(0.9), True)
    assert not judged(cells, "maze", bar("idm", "ratio to true, low", 0.9))["holds"]
    gain = judged(cells, "maze", bar("idm", "gain over blind"))
    assert 4 < gain["found"] < 6


def test_hard_bars_and_tables_show_what_is_there(studies: dict[str, ModuleType]) -> None:
    hard, tables, study = studies["hard_tasks"], studies["agent_tables"], studies["agent_study"]
    assert hard.judged({}) == {}
    one = 1 << ACHIEVEMENTS.index("make_iron_pickaxe")
    cells = {
        "my_way_home_far/finetuned/0": cell(*[1.0] * 20),
        "my_way_home_far/scratch/0": cell(*[0.0] * 20),
        "crafter_full/finetuned/0": cell(1, 0, achieved=[one, 0]),
        "crafter_full/finetuned/1": cell(1, 1, achieved=[one, one]),
    }
    bars = hard.judged(cells)
    assert bars["maze: fine-tuned"]["holds"]
    # Wilson: 20 of 20 may be 84 % of all, 0 of 20 may be 16 %.
    assert bars["maze: above scratch"]["mean"] == pytest.approx(0.839 - 0.161, abs=1e-3)
    pooled = study.summary(cells)
    assert pooled["crafter_full/finetuned"]["make_iron_pickaxe"]["mean"] == 0.75
    # 75 % of one achievement: (1 + 75)^(1/22) - 1.
    score = pooled["crafter_full/finetuned"]["crafter_score"]["mean"]
    assert score == pytest.approx(76 ** (1 / 22) - 1)
    content = {"cells": cells, "pooled": pooled, "bars": bars}
    found = list(tables.arms_by_task(content))
    assert [header[0] for header, _ in found] == ["my_way_home_far", "crafter_full", "bar"]
    curves = {"pooled": study.summary({"maze/idm-10/0": cell(1, 2), "maze/direct-3/0": cell(3, 4)})}
    ((header, rows),) = tables.arms_by_task(curves)
    assert header == ("maze, minutes of labelled play", "idm", "direct")
    assert [row[0] for row in rows] == [3, 10]
    assert rows[0][1] == "–"


def test_success_over_training_is_of_all_its_episodes(studies: dict[str, ModuleType]) -> None:
    rows = [
        {"env_steps": 8, "elapsed_s": 1.0, "scores": [1.0], "achieved": {"wake_up": 1}},
        {"env_steps": 16, "elapsed_s": 2.4, "scores": [0.0]},
    ]
    told = studies["hard_tasks"].of_training(rows)
    assert told["crafter_score"] == pytest.approx(51 ** (1 / 22) - 1)
    assert (told["env_steps"], told["episodes"], told["mean"]) == (16, 2, 0.5)
