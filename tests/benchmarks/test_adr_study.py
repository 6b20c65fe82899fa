"""The study of randomization: what is frozen, what is not done twice, and how arms are compared."""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.scores.figures import Figures
from vidact.idm.scores.metrics import Labelling, Sums, Truth

ROOT = Path(__file__).parents[2]
SPEC = ActionSpec.load("doom")
YAW = SPEC.axis_names.index("yaw")


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("adr_study")
    monkeypatch.setattr(module, "RESAMPLINGS", 200)
    return module


@pytest.fixture
def tests(study: ModuleType) -> ModuleType:
    return importlib.import_module("adr_tests")


@cache
def sums_of(seed: int, error: float) -> Sums:
    """Of a recording whose yaw is told with this error, and one key in ten wrongly."""
    generator = np.random.default_rng(seed)
    buttons = (generator.random((200, SPEC.num_buttons)) < 0.3).astype(np.uint8)
    camera = generator.normal(0, 5, (200, SPEC.num_axes)).astype(np.float32)
    wrong = generator.random(buttons.shape) < 0.1
    said = camera + error * generator.normal(0, 5, camera.shape)
    truth = Truth(buttons=buttons, camera=camera, valid=generator.random(200) < 0.9)
    labels = Labelling(
        buttons=buttons ^ wrong, buttons_prob=np.full(buttons.shape, 0.5), camera=said
    )
    return Sums.of(labels, truth, SPEC)


def units_of(study: ModuleType, error: float, names: list[str]) -> Any:
    sums = {name: [sums_of(i, error)] for i, name in enumerate(names)}
    return study.Units.of_plain(json.loads(json.dumps(study.Units.of(sums, YAW).to_plain())))


def test_figures_of_what_is_kept_are_those_of_all_sums(study: ModuleType) -> None:
    parts = [sums_of(seed, 0.5) for seed in range(4)]
    kept = study.Units.of({"a": parts[:1], "b": parts[1:3], "c": parts[3:]}, YAW)
    whole = Figures.over(parts, SPEC)
    r2, f1 = kept.figures(np.ones((1, 3)))[:, 0]
    assert r2 == pytest.approx(whole.motion_r2[0, YAW])
    assert f1 == pytest.approx(whole.headline["macro_f1_common"][0])
    again = study.Units.of_plain(json.loads(json.dumps(kept.to_plain())))
    np.testing.assert_allclose(again.figures(np.eye(3)), kept.figures(np.eye(3)), atol=1e-3)


UNDER = {"tests": "f", "core_minutes": "60", "test_every": 30, "delta": 0.2}


def cells_of(
    study: ModuleType, errors: dict[str, float]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    ranges = {name: [-0.1, 0.1] for name in study.StudyPlay(Path("x")).suite.parameters}
    settings = [one.name for one in study.frozen_settings()[:8]]
    cells, units = {}, {}
    for arm, error in errors.items():
        for seed in range(3):
            figures = {test: dict.fromkeys(study.FIGURES, 0.5) for test in study.TESTS}
            cell = {"under": UNDER, "ranges": ranges, "steps": 9, "figures": figures}
            cells[f"{arm}/{seed}"] = cell
            units[f"{arm}/{seed}"] = {
                test: units_of(study, error, settings if test == "T1" else ["a", "b", "c"])
                for test in study.TESTS
            }
    return cells, units


def test_arms_are_compared_on_the_same_play(study: ModuleType) -> None:
    cells, units = cells_of(study, {"none": 0.8, "fixed": 0.4, "adr": 0.4})
    found = study.compared(cells, units)
    assert found["seeds"] == {"none": 3, "fixed": 3, "adr": 3}
    won = found["differences"]["T1 outside"]["adr - none"]["yaw R²"]
    assert won["mean"] == pytest.approx(0.8**2 - 0.4**2, abs=0.05)
    assert won["ci95"][0] > 0.3
    # What is alike on each recording is alike in each resampling.
    assert found["differences"]["people"]["adr - fixed"]["yaw R²"]["ci95"] == [0, 0]
    bars = {name: bar["holds"] for name, bar in found["bars"].items()}
    assert bars["T1 outside: yaw R², ADR less none"]
    assert bars["unmodelled: yaw R², ADR less none, lower end"]
    assert bars["people: yaw R² of ADR"]
    loses = study.compared(*cells_of(study, {"none": 0.4, "fixed": 0.4, "adr": 0.5}))["bars"]
    assert not loses["T0: yaw R², ADR less none"]["holds"]
    assert not study.compared({name: cells[name] for name in ("none/0", "fixed/0")}, units)
    cells["none/1"]["under"] = {"tests": "g"}
    with pytest.raises(SystemExit, match="cells are of different studies"):
        study.compared(cells, units)


def test_outside_is_what_is_jointly_extreme_or_was_never_reached(study: ModuleType) -> None:
    everything = {name: [-1, 1] for name in study.StudyPlay(Path("x")).suite.parameters}
    nothing = {name: [0, 0] for name in everything}
    joint = [one.name for one in study.frozen_settings() if one.extreme > 1]
    assert len(joint) == 50
    assert study.outside([everything, nothing]) == joint
    assert len(study.outside([nothing, nothing])) == 60


def test_what_is_frozen_is_what_the_code_says(tests: ModuleType, tmp_path: Path) -> None:
    play = tests.StudyPlay(tmp_path)
    frozen = json.loads(tests.FROZEN.read_text(encoding="utf-8"))
    described = json.loads(json.dumps(play.described()))
    assert {name: frozen[name] for name in described} == described


def test_other_play_than_what_was_frozen_is_refused(
    tests: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"suite": "s", "recordings": {"test/a": "1", "test/b": "2"}}
    monkeypatch.setattr(tests.StudyPlay, "record", lambda play: None)
    monkeypatch.setattr(tests.StudyPlay, "digests", lambda play: found)
    tiny = tests.StudyPlay(tmp_path, 0.01)
    first = tiny.require_frozen()  # what is tiny is frozen where it is seen first
    assert tiny.require_frozen() == first
    found["recordings"] = {"test/a": "1", "test/b": "3", "test/c": "4"}
    with pytest.raises(SystemExit, match=r"2 parts .*recordings test/b, recordings test/c"):
        tiny.require_frozen()
    del found["recordings"]
    tiny.freeze(found)
    with pytest.raises(SystemExit, match="has no recordings yet"):
        tiny.require_frozen()


def test_a_cell_that_is_there_is_not_made_again_though_work_is_empty(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study.StudyPlay, "require_frozen", lambda play: "f")
    made: list[str] = []
    cells, units = cells_of(study, {"none": 0.8, "fixed": 0.4, "adr": 0.4})

    def measure(one: Any, arm: str, seed: int, frozen: str) -> dict[str, Any]:
        name = f"{arm}/{seed}"
        made.append(name)
        one.keep(name, units[name])
        return cells[name]

    monkeypatch.setattr(study.ADRStudy, "measure", measure)

    def run(work: str, *words: str) -> list[str]:
        made.clear()
        monkeypatch.setattr("sys.argv", ["adr_study", str(tmp_path / work), *words])
        study.main()
        return list(made)

    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(importlib.import_module("agent_study"), "RESULTS", tmp_path / "results")
    assert run("one", "--only", "none/0", "adr/*") == ["none/0", "adr/0", "adr/1", "adr/2"]
    assert run("two", "--seeds", "0", "1") == ["fixed/0", "none/1", "fixed/1"]
    monkeypatch.setattr(study.StudyPlay, "require_frozen", lambda play: pytest.fail("recorded"))
    assert run("three", "--seeds", "0", "1") == []
    monkeypatch.setattr(study.StudyPlay, "require_frozen", lambda play: "of other tests")
    with pytest.raises(SystemExit, match="cells are of different studies"):
        run("four", "--only", "none/2")
    assert not made
    written = json.loads((tmp_path / "results" / "adr_study.json").read_text())
    assert written["seeds"] == {"none": 2, "fixed": 2, "adr": 3}
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    tables = list(importlib.import_module("idm_tables").randomization(written))
    assert [len(rows) for _, rows in tables] == [7, 7, 18, len(written["bars"])]
