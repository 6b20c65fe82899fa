"""`vidact robustness` and `vidact adr show`: curves, ranges of a frozen model, pages, resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from vidact.errors import ConfigError
from vidact.idm import robustness as verb
from vidact.idm.config import RobustnessConfig
from vidact.idm.robustness import places_of, robustness
from vidact.randomize.adr_show import adr_show
from vidact.randomize.config import ADRConfig, AdrShowConfig
from vidact.training.resume import claim

SUITE = """
name: toy
parameters:
  exposure: {where: pixels, nominal: 1, limits: [0.9, 1.1], scale: log}
  boxes: {where: pixels, nominal: 0, limits: [0, 0.9]}
"""


HAZE = {"where": "pixels", "nominal": 0, "limits": [0, 0.5]}


@pytest.fixture
def config(trained: Path, toy_folder: Path, tmp_path: Path) -> RobustnessConfig:
    (tmp_path / "suite.yaml").write_text(SUITE)
    return RobustnessConfig(
        checkpoint=str(trained),
        suite=str(tmp_path / "suite.yaml"),
        out=str(tmp_path / "out"),
        data=(str(toy_folder),),
        clips=4,
        points=1,
        ticks=24,
        max_tests=12,
        adr=ADRConfig(samples=3, delta=0.5, margin=0.0),
    )


def test_points_lie_evenly_up_to_the_limits_that_there_are() -> None:
    assert places_of((-1.0, 1.0), 2) == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert places_of((0.0, 1.0), 2) == [0.0, 0.5, 1.0]


def test_a_measurement_is_whole_and_one_that_was_killed_goes_on(
    config: RobustnessConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert robustness(config) == 0
    out = Path(config.out)
    result = json.loads((out / "robustness.json").read_text())
    curve = {(p["parameter"], p["lambda"]): p["score"] for p in result["curves"]}
    assert sorted(curve) == [
        ("boxes", 0),
        ("boxes", 1),
        ("exposure", -1),
        ("exposure", 0),
        ("exposure", 1),
    ]
    # Nine tenths of the picture are hidden; a tenth of the light is nothing.
    assert curve["boxes", 1] < 0.8 * curve["boxes", 0]
    assert curve["exposure", 1] > 0.8 * curve["exposure", 0]
    widths = {one["name"]: one["share"] for one in result["ranges"]}
    assert widths["exposure"] > 0
    page = (out / "robustness.html").read_text()
    assert f"{result['nats']:.3f} nats a dimension" in page
    assert page.count("data:image/png;base64,") == 2
    assert not (out / "state.json").exists()

    # What a killed one has saved is not measured again, and the rest comes out the same.
    killed = replace(config, out=str(tmp_path / "killed"))
    saves = iter(range(100))

    def dies(meter: verb.Meter) -> None:
        if next(saves) == 7:
            raise RuntimeError("killed")
        save(meter)

    save = verb.Meter._save
    with monkeypatch.context() as patched:
        patched.setattr(verb.Meter, "_save", dies)
        with pytest.raises(RuntimeError, match="killed"):
            robustness(killed)
    with pytest.raises(ConfigError, match="another model, play or settings"):
        robustness(replace(killed, clips=5))
    assert robustness(killed) == 0
    assert json.loads((tmp_path / "killed" / "robustness.json").read_text()) == result

    assert adr_show(AdrShowConfig(run=config.out)) == 0
    page = (out / "adr.html").read_text()
    assert "exposure" in page
    assert f"{result['nats']:.3f} nats a dimension" in page


def test_what_is_no_run_with_ranges_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no adr\.jsonl"):
        adr_show(AdrShowConfig(run=str(tmp_path)))
    (tmp_path / "adr.jsonl").write_text('{"delta": 0.1}\n')
    with pytest.raises(ConfigError, match=r"adr\.jsonl is damaged"):
        adr_show(AdrShowConfig(run=str(tmp_path)))
    suite = {"name": "s", "parameters": {"haze": HAZE}}
    first = {"suite": suite, "delta": 0.1, "ranges": {"haze": [0, 0]}}
    row = {"step": 1, "parameter": "haze", "side": "high", "from": 0, "to": 0.1, "score": 1}
    row |= {"nominal": 1, "nats": 0, "outcome": "widened"}
    for change in ({"parameter": "fog"}, {"side": "low"}, {"to": "far"}, {"step": None}):
        lines = [first, row, {**row, **change}]
        (tmp_path / "adr.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
        with pytest.raises(ConfigError, match=r"is damaged: line 3 is no decision"):
            adr_show(AdrShowConfig(run=str(tmp_path)))


def test_the_folder_of_a_training_or_of_another_measurement_is_refused(
    config: RobustnessConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"out: .* is the folder of a training \(config\.json\)"):
        robustness(replace(config, out=config.checkpoint))
    with (
        claim(Path(config.out)),
        pytest.raises(ConfigError, match="another run is at work in"),
    ):
        robustness(config)


def test_a_suite_without_a_game_needs_play(config: RobustnessConfig) -> None:
    with pytest.raises(ConfigError, match="suite 'toy' names no game to play: give recordings"):
        robustness(replace(config, data=()))
