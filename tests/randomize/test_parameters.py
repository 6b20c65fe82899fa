"""Suites: what they say, what they refuse, and the map from lambda to a parameter's unit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from vidact.errors import ConfigError
from vidact.randomize.entropy import nats_per_dimension
from vidact.randomize.parameters import Boundary, load_suite, require_known
from vidact.randomize.ranges import Ranges

OWN = """
name: own
parameters:
  gamma: {where: pixels, nominal: 1, limits: [0.5, 2], scale: log}
  haze: {where: pixels, nominal: 0, limits: [0, 0.5]}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    return path


def test_lambda_is_0_at_nominal_and_1_at_the_limits(own: Path) -> None:
    parameters = load_suite(own).parameters
    gamma, haze = parameters["gamma"], parameters["haze"]
    assert [gamma.value(place) for place in (-1, 0, 1)] == [0.5, 1, 2]
    assert gamma.value(0.5) == pytest.approx(2**0.5)
    assert (haze.ends, haze.sides) == ((0, 1), ("high",))
    assert haze.value(0.5) == 0.25
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        haze.value(-0.1)


@pytest.mark.parametrize("name", ["doom", "crafter"])
def test_suites_that_ship_are_valid(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == suite.game == name
    assert len({suite.sha256, load_suite("doom").sha256}) == (1 if name == "doom" else 2)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("limits: [0.5, 2]", "limits: [2, 3]", r"parameters.gamma: limits must be \[low, high\]"),
        ("limits: [0.5, 2]", "limits: [0, 2]", r"parameters.gamma: limits must be above 0"),
        ("limits: [0, 0.5]", "limits: [0, .inf]", r"parameters.haze: limits.* finite"),
        ("nominal: 0", "nominal: .nan", r"parameters.haze: nominal must be a finite number"),
        ("limits: [0.5, 2]", "limits: [1]", r"parameters.gamma: limits must be a list of 2"),
        ("nominal: 0", "nominal: true", r"parameters.haze: nominal must be a number, got True"),
        ("nominal: 0", "unt: x, nominal: 0", r"haze: unknown field `unt`. Did you mean `unit`"),
        ("where: pixels", "where: screen", r"parameters.gamma: where must be one of render"),
        ("where: pixels", "where: render", r"only the recorders of `game: doom`"),
        ("name: own", "name: My Own", r"name must be a name of small letters, digits and _"),
        ("name: own", "name: own\ngame: quake", r'game must be one of doom, crafter, "", got'),
        ("name: own", "name: own\ngme: doom", r"unknown field `gme`. Did you mean `game`"),
        ("haze: {where: pixels, nominal: 0, limits: [0, 0.5]}", "haze: 3", r"haze must be a map"),
    ],
)
def test_mistakes_in_a_suite_name_file_field_and_what_is_allowed(
    own: Path, before: str, after: str, said: str
) -> None:
    own.write_text(OWN.replace(before, after, 1))
    with pytest.raises(ConfigError, match=f"suite {own}: .*{said}"):
        load_suite(own)


def test_a_suite_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no suite 'dom'; use one of crafter, doom, or a YAML"):
        load_suite("dom")


def test_a_parameter_that_nobody_implements_is_refused(own: Path) -> None:
    with pytest.raises(ConfigError, match=r"pixels has no parameter `haze`\. Did you mean `hazy`"):
        require_known(load_suite(own), {"pixels": {"gamma": (0.1, 9), "hazy": (0, 1)}})
    with pytest.raises(ConfigError, match=r"haze: limits must be within 0\.\.0\.4, got \[0"):
        require_known(load_suite(own), {"pixels": {"gamma": (0.1, 9), "haze": (0, 0.4)}})


def test_ranges_keep_nominal_and_stop_at_the_limits(own: Path) -> None:
    suite = load_suite(own)
    ranges = Ranges.of_share(suite, 0.0)
    assert [b.name for b in ranges.boundaries()] == ["gamma.low", "gamma.high", "haze.high"]
    assert ranges.moved(Boundary("gamma", "low"), -0.1).bounds["gamma"] == (0, 0)
    for _ in range(11):
        ranges = ranges.moved(Boundary("gamma", "low"), 0.1)
    assert ranges.bounds == {"gamma": (-1, 0), "haze": (0, 0)}
    assert ranges.in_units()["gamma"] == (0.5, 1)
    drawn = [ranges.draw(np.random.default_rng(seed)) for seed in range(50)]
    assert all(-1 <= one["gamma"] <= 0 and one["haze"] == 0 for one in drawn)
    assert {one["gamma"] < -0.5 for one in drawn} == {True, False}


def test_nats_are_the_mean_log_width_and_no_width_counts_as_a_step(own: Path) -> None:
    ranges = Ranges.of_share(load_suite(own), 1.0)
    assert ranges.nats(0.1) == pytest.approx((math.log(2) + math.log(1)) / 2)
    assert nats_per_dimension({"a": (0.0, 0.0)}, 0.1) == pytest.approx(math.log(0.1))
    assert nats_per_dimension({}, 0.1) == 0
