"""How episodes of the real games end: the game's end is a termination, the clock's a truncation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vidact.games.crafter.task import CrafterEnv
from vidact.games.doom.exploring import bearing, turn_between
from vidact.games.doom.task import DoomEnv
from vidact.games.tasks import make_env

from .conftest import need_vizdoom

VEST = (1040.0, -352.0)


def task_file(folder: Path, game: str, **fields: object) -> str:
    usual = {"name": "mine", "game": game, "description": "A test.", "score": "a point"}
    lines = [f"{name}: {value}" for name, value in {**usual, **fields}.items()]
    path = folder / "mine.yaml"
    path.write_text("\n".join(lines))
    return str(path)


def doom(folder: Path, **fields: object) -> DoomEnv:
    need_vizdoom()
    made = make_env(task_file(folder, "doom", maps="my_way_home", **fields), 0)
    assert isinstance(made, DoomEnv)
    return made


def crafter(folder: Path, **fields: object) -> CrafterEnv:
    pytest.importorskip("crafter")
    made = make_env(task_file(folder, "crafter", **fields), 0)
    assert isinstance(made, CrafterEnv)
    return made


def test_finding_the_vest_terminates_and_pays(tmp_path: Path) -> None:
    table = "{goal: 5, seconds: -0.1}"
    env = doom(tmp_path, counts="goal", start="{x: 1040, y: -200}", skill=5, reward=table)
    env.reset(1)
    forward = np.array([name == "forward" for name in env.spec.button_names], np.uint8)
    rewards, done, info = [], False, {}
    while not done:
        s = env._episodes.game.situation()
        turn = turn_between(s.angle, bearing(s.x, s.y, *VEST))
        _, reward, done, info = env.step(forward, np.array([0.0, turn], np.float32))
        rewards.append(reward)
        assert len(rewards) < 60
    env.close()
    assert (info["score"], info["truncated"]) == (1.0, False)
    assert rewards[-1] > 4.9
    seconds = (len(rewards) - 1) * 2 / 35
    assert sum(rewards) == pytest.approx(5 - 0.1 * seconds, abs=0.02)


def test_death_in_doom_terminates_and_the_clock_truncates(tmp_path: Path) -> None:
    env = doom(tmp_path, counts="seconds", seconds=0.5, reward="{deaths: -1}")
    nothing = np.zeros(env.spec.num_buttons, np.uint8), np.zeros(2, np.float32)
    env.reset(1)
    ends = [env.step(*nothing) for _ in range(9)]  # 17.5 tics are 18: the last tick is a whole one
    assert [done for _, _, done, _ in ends] == [False] * 8 + [True]
    assert ends[-1][3]["truncated"]
    assert ends[-1][3]["score"] == pytest.approx(18 / 35)
    assert sum(reward for _, reward, _, _ in ends) == 0
    env.reset(2)
    env._episodes.game.command("kill")
    told = [env.step(*nothing) for _ in range(3)]
    last = next(one for one in told if one[2])
    env.close()
    assert not last[3]["truncated"]
    assert last[1] == -1.0


def test_death_in_crafter_terminates_and_the_clock_truncates(tmp_path: Path) -> None:
    table = "{health: 0.5, collect_wood: {each: 1, most: 1}}"
    env = crafter(tmp_path, counts="achievements", seconds=0.5, reward=table)
    nothing = np.zeros(env.spec.num_buttons, np.uint8), np.zeros(0, np.float32)
    env.reset(1)
    ends = [env.step(*nothing) for _ in range(5)]
    assert [done for _, _, done, _ in ends] == [False] * 4 + [True]
    assert ends[-1][3]["truncated"]
    env.reset(2)
    assert env._game is not None
    player = env._game._env._player
    player.achievements["collect_wood"] = 3
    _, reward, done, info = env.step(*nothing)
    assert (reward, done, info["score"]) == (1.0, False, 1.0)  # paid once, whatever the number
    player.health = 0
    _, reward, done, info = env.step(*nothing)
    assert (reward, done, info["truncated"]) == (-4.5, True, False)
    assert info["achievements"] == ["collect_wood"]
