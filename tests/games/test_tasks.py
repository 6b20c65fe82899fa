from __future__ import annotations

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.games.doom.maps import TEST_MAPS, VALIDATION_MAPS
from vidact.games.random_play import DOOM_HABITS, RandomPlay
from vidact.games.tasks import TASKS, make_env

from .conftest import need_vizdoom


def rollout(
    task: str, seed: int, ticks: int
) -> tuple[list[np.ndarray], list[float], dict[str, object]]:
    env = make_env(task, 0)
    play = RandomPlay(env.spec, seed)
    frames, rewards = [env.reset(seed)], []
    info: dict[str, object] = {}
    for _ in range(ticks):
        frame, reward, done, info = env.step(*play.act())
        frames.append(frame)
        rewards.append(reward)
        if done:
            break
    shown = env.render()
    env.close()
    assert shown.shape == (240, 320, 3)
    return frames, rewards, info


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.game == "doom"])
def test_every_doom_task_can_be_played(task: str) -> None:
    need_vizdoom()
    frames, rewards, info = rollout(task, 1, 40)
    assert all(f.shape == (128, 128, 3) and f.dtype == np.uint8 for f in frames)
    assert info["score"] == pytest.approx(sum(rewards))


def test_exploring_is_deterministic_and_on_unseen_maps() -> None:
    need_vizdoom()
    first, second = rollout("explore", 3, 60), rollout("explore", 3, 60)
    assert all(np.array_equal(a, b) for a, b in zip(first[0], second[0], strict=True))
    assert first[1:] == second[1:]
    assert first[2]["map"] in TEST_MAPS + VALIDATION_MAPS


def test_exploring_scores_cells_and_ends_after_a_minute() -> None:
    need_vizdoom()
    env = make_env("explore", 0)
    spec = env.spec
    env.reset(5)
    nothing, still = np.zeros(spec.num_buttons, np.uint8), np.zeros(spec.num_axes, np.float32)
    walk = nothing.copy()
    walk[[spec.button_names.index("forward"), spec.button_names.index("run")]] = 1
    turn = np.array([0.0, 6.0], np.float32)
    steps, done, score = 0, False, 0.0
    while not done:
        if steps < 200:
            _, reward, done, info = env.step(walk, turn if steps % 40 < 15 else still)
        else:
            _, reward, done, info = env.step(nothing, still)
        score += reward
        steps += 1
    env.close()
    assert steps == 1050
    assert info["truncated"]
    assert info["score"] == score
    assert score >= 4  # it walked for 11 s


def test_unknown_tasks_and_foreign_specs_are_refused() -> None:
    with pytest.raises(ConfigError, match="no task 'chess'; use one of crafter"):
        make_env("chess", 0)
    spec = ActionSpec.from_dict(
        {
            "name": "pong",
            "version": 1,
            "tick_hz": 20,
            "frame": {"width": 64, "height": 64, "resize": "area"},
            "buttons": {"up": "key.keyboard.up"},
            "groups": [{"members": ["up"]}],
            "axes": [],
        }
    )
    need_vizdoom()
    with pytest.raises(ConfigError, match="presses none of Doom's keys"):
        make_env("explore", 0, spec)


def test_random_play_presses_at_its_rates() -> None:
    spec = ActionSpec.load("doom")
    play = RandomPlay(spec, 0)
    actions = [play.act() for _ in range(15_000)]
    rates = np.mean([buttons for buttons, _ in actions], axis=0)
    for name, rate in zip(spec.button_names, rates, strict=True):
        assert rate == pytest.approx(DOOM_HABITS[name][0], rel=0.35, abs=0.003), name
    camera = np.array([camera for _, camera in actions])
    assert 0.1 < (camera != 0).any(axis=1).mean() < 0.5


def test_uniform_play_draws_every_joint_action() -> None:
    spec = ActionSpec.load("doom")
    play = RandomPlay(spec, 0, "uniform")
    forward = np.mean([play.act()[0][0] for _ in range(3000)])
    assert forward == pytest.approx(1 / 3, abs=0.04)  # none, forward, back
    with pytest.raises(ConfigError, match="style"):
        RandomPlay(spec, 0, "clever")
