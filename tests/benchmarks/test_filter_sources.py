"""What the game's filter is fitted on and what tests it are two things, as the list says."""

from __future__ import annotations

from pathlib import Path

import vidact
import yaml
from vidact.idm.in_game.drawn_scenes import SCENES
from vidact.idm.in_game.negatives import FOLDER

ROOT = Path(vidact.__file__).parent
SOURCES = yaml.safe_load((ROOT / "benchmarks/filter_sources.yaml").read_text("utf-8"))
MOST_BYTES = 5_000_000
TRAINING = ("idm", "randomize", "games", "networks", "datasets/specs")
"""Where training is configured and what it is fitted on is made."""


def test_the_pictures_that_ship_are_the_listed_ones_with_their_licenses() -> None:
    files = list(FOLDER.iterdir())
    assert {file.stem for file in files} == {one["name"] for one in SOURCES["fit"]["pictures"]}
    assert all(one["licence"] for one in SOURCES["fit"]["pictures"])
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    assert list(SCENES) == SOURCES["fit"]["scenes"]


def test_the_two_lists_share_no_source() -> None:
    packages = {one["source"] for one in SOURCES["fit"]["pictures"]}
    test = SOURCES["test"]
    tested = {
        one["package"].split()[0] for kind in ("films", "pictures", "games") for one in test[kind]
    }
    assert not packages & tested
    assert not set(SCENES) & {one["name"] for one in test["scenes"]}
    scenes = (ROOT / "benchmarks/other_scenes.py").read_text("utf-8")
    assert "in_game" not in scenes
    assert "other_scenes" not in (ROOT / "idm/in_game/negatives.py").read_text("utf-8")


def test_no_training_configuration_names_a_kind_of_play_that_is_held_out() -> None:
    words = set(SOURCES["held_out"]["kinds"])
    words |= {word.replace("_", "-") for word in words} | {word.replace("_", " ") for word in words}
    files = [
        file
        for folder in TRAINING
        for kind in ("*.py", "*.yaml", "train_doom")
        for file in (ROOT / folder).rglob(kind)
    ]
    assert len(files) > 50
    for file in files:
        text = file.read_text("utf-8").lower()
        assert not [word for word in words if word in text], file
