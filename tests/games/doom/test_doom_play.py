from __future__ import annotations

import numpy as np
import pytest
from vidact.benchmarks.doom_play import Play, play_statistics, table

NAMES = ("forward", "back", "left", "right", "run", "attack", "use", "weapon.1")


def play(tics: int, **given: np.ndarray) -> Play:
    held = np.zeros((tics, len(NAMES)), bool)
    for name, when in given.items():
        if name in NAMES:
            held[:, NAMES.index(name)] = when
    zeros = np.zeros(tics)
    return Play(
        names=NAMES,
        held=held,
        turn=given.get("turn", zeros),
        look=given.get("look", zeros),
        valid=given.get("valid", np.ones(tics, bool)),
        track=given.get("track"),
    )


def test_rates_holds_and_motion() -> None:
    forward = np.zeros(350, bool)
    forward[10:80] = forward[100:135] = True  # 2 s and 1 s of 10 s
    turn = np.zeros(350)
    turn[:2] = [3.0, -3.0]
    found = play_statistics([play(350, forward=forward, turn=turn)])
    assert found["minutes"] == pytest.approx(1 / 6)
    assert found["held forward"] == pytest.approx(105 / 350)
    assert found["hold forward median (s)"] == pytest.approx(1.5)
    assert found["presses of forward a minute"] == pytest.approx(12)
    assert found["turn exactly 0"] == pytest.approx(348 / 350)
    assert found["turn sd while moving (deg)"] == pytest.approx(3.0)
    assert found["turn largest (deg)"] == 3.0
    assert "time stuck" not in found  # no track


def test_speed_cells_and_being_stuck() -> None:
    tics = 70
    # Walks for a second, then pushes a wall.
    x = np.concatenate([np.arange(35) * 8.0, np.full(35, 34 * 8.0)])
    track = np.zeros((tics, 6), np.float32)
    track[:, 0] = x
    found = play_statistics([play(tics, forward=np.ones(tics, bool), track=track)])
    assert found["speed (units a tic)"] == pytest.approx(34 * 8 / 69)
    assert found["time standing"] == pytest.approx(35 / 69)
    # Windows of 12 tics from tic 33 on move less than 12 units: 8 at 33, 0 later; the last window
    # starts at 57.
    assert found["time stuck"] == pytest.approx(25 / 58)
    assert found["cells of 64 units a minute"] == pytest.approx(5 / (2 / 60))  # x from 0 to 272


def test_dead_tics_and_teleports_do_not_count() -> None:
    track = np.zeros((40, 6), np.float32)
    track[20:, 0] = 5000
    valid = np.ones(40, bool)
    valid[30:] = False
    attack = np.zeros(40, bool)
    attack[30:] = True
    found = play_statistics([play(40, attack=attack, valid=valid, track=track)])
    assert found["speed (units a tic)"] == 0
    assert found["held attack"] == 0


def test_table_has_a_column_a_player() -> None:
    lines = table({"script": {"a": 0.5, "b": 2}, "people": {"a": 1 / 3}}).splitlines()
    assert lines == [
        "| | script | people |",
        "|---|---|---|",
        "| a | 0.5 | 0.333 |",
        "| b | 2 |  |",
    ]
