"""Tasks as YAML: what ships is whole, and what a user writes is understood or its field named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from vidact.cli import main
from vidact.errors import ConfigError
from vidact.games.task import ACHIEVEMENTS, Payment, read_task
from vidact.games.tasks import REWARDS, TASKS, find_task

MAZE = """
name: mine
game: doom
description: A walk.
score: a cell
counts: cells
maps: my_way_home
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_every_task_that_ships_is_called_as_its_file() -> None:
    assert set(TASKS) == {path.stem for path in REWARDS.glob("*.yaml")}
    assert TASKS["crafter"].seconds == 100
    assert TASKS["crafter_full"].seconds == 1000
    assert (TASKS["my_way_home"].start, TASKS["my_way_home_far"].start is None) == (None, False)


def test_the_help_of_play_names_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["play", "--help"])
    text = capsys.readouterr().out
    for name in TASKS:
        assert re.search(rf"\b{name}\b", text), name


def test_a_file_of_ones_own_is_a_task(tmp_path: Path) -> None:
    text = (
        MAZE + "seconds: 2.5\nstart: {x: 1, y: 2}\nreward: {cells: 0.5, kills: {each: 3, most: 2}}"
    )
    task = find_task(written(tmp_path, text))
    assert (task.name, task.maps, task.seconds) == ("mine", ("my_way_home",), 2.5)
    assert task.start is not None
    assert (task.start.x, task.start.y) == (1, 2)
    assert task.reward == {"cells": Payment(each=0.5), "kills": Payment(each=3, most=2)}


def test_payments_are_capped_and_default_to_the_score(tmp_path: Path) -> None:
    plain = read_task(written(tmp_path, MAZE))
    assert plain.paid({"cells": 7.0, "kills": 4.0}) == 7.0
    table = read_task(written(tmp_path, MAZE + "reward: {cells: 0.5, kills: {each: 3, most: 2}}"))
    assert table.paid({"cells": 7.0, "kills": 1.0}) == 3.5 + 3
    assert table.paid({"cells": 7.0, "kills": 4.0}) == 3.5 + 6
    health = read_task(written(tmp_path, MAZE + "reward: {health: 0.1}"))
    assert health.paid({"health": -30.0}) == pytest.approx(-3)


def test_the_tiers_of_crafter_pay_what_the_way_to_a_diamond_takes() -> None:
    task = TASKS["crafter_full_train"]
    nothing = dict.fromkeys((*ACHIEVEMENTS, "achievements", "health"), 0.0)
    assert task.paid(nothing) == 0
    # A tier pays the same whether its item is needed once or six times.
    for item, most, paid in (
        ("collect_wood", 5, 1.0),
        ("collect_stone", 6, 1.0),
        ("collect_coal", 2, 2.0),
        ("collect_iron", 1, 4.0),
        ("make_iron_pickaxe", 1, 8.0),
    ):
        assert task.paid(nothing | {item: most}) == pytest.approx(paid, abs=1e-6)
        assert task.paid(nothing | {item: most + 9}) == pytest.approx(paid, abs=1e-6)
    assert set(ACHIEVEMENTS) <= set(task.reward)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", r"expected `field: value` lines"),
        ("a: [", r"not valid YAML"),
        (MAZE + "secunds: 3", r"unknown field `secunds`. Did you mean `seconds`"),
        (MAZE + "seconds: 0", r"seconds must be above 0, got 0"),
        (MAZE + "skill: 9", r"skill must be .*1..5, got 9"),
        (MAZE + "reward: 3", r"reward must be lines of `event: payment`, got 3"),
        (MAZE + "reward: {cell: 1}", r"reward: doom has no event `cell`. Did you mean `cells`"),
        (
            MAZE + "reward: {cells: {each: 1, most: 0}}",
            r"reward.cells: most must be above 0, got 0",
        ),
        (MAZE + "reward: {cells: {most: 2}}", r"reward.cells: each must be given"),
        (MAZE.replace("cells", "eat_cow"), r"counts: doom has no event `eat_cow`"),
        (MAZE.replace("maps: my_way_home", ""), r"maps: doom needs at least one map, got \[\]"),
        (MAZE.replace("name: mine", ""), r"name must be given"),
    ],
)
def test_mistakes_name_the_file_and_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=f"^task {re.escape(path)}: {message}"):
        find_task(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot read it: No such file"):
        find_task(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(ConfigError, match=r"no task 'chess'; use one of .*or a YAML file"):
        find_task("chess")
