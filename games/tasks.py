"""Tasks to score a player on: games with an episode length, a reward a tick, and a score.

A task is played through an action spec, at its tick rate and frame size, with the same keys, mouse and frames as the
recordings: a policy cloned from recordings can act in it as it is. Shapes: K buttons, A axes, H, W frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..datasets.actions.spec import ActionSpec
from ..errors import ConfigError

GAME_SECONDS = 60.0


class GameEnv(Protocol):
    """An environment in Gymnasium's manner, without its wrappers."""

    spec: ActionSpec

    def reset(self, seed: int) -> np.ndarray:
        """Start an episode; returns the frame uint8 [H, W, 3] at the spec's size. Same seed, same episode."""

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """One tick with buttons uint8 [K] and camera float32 [A] in degrees: (frame, reward, done, info).

        `info["score"]` is the episode's score so far; rewards add up to it unless the task says otherwise.
        """

    def render(self) -> np.ndarray:
        """The frame in the game's own size, uint8 [h, w, 3]."""

    def close(self) -> None:
        """Stop the game."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is played, for how long, and what the score counts."""

    name: str
    game: str
    """`doom` or `crafter`: also the name of the action spec that plays it."""
    description: str
    score: str
    """What one point of the score is."""
    seconds: float = GAME_SECONDS
    """Longest episode, in seconds of game time."""
    make: Callable[[Task, int, ActionSpec], GameEnv]


def _doom(task: Task, seed: int, spec: ActionSpec) -> GameEnv:
    from .doom.task import DoomEnv

    return DoomEnv(task, seed, spec)


def _crafter(task: Task, seed: int, spec: ActionSpec) -> GameEnv:
    from .crafter.task import CrafterEnv

    return CrafterEnv(task, seed, spec)


def _doom_task(name: str, description: str, score: str) -> Task:
    return Task(name=name, game="doom", description=description, score=score, make=_doom)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _doom_task(
            "explore",
            "Walk through Freedoom maps that no training recording shows (damage does not kill).",
            "a cell of 64 x 64 units that the player stood in",
        ),
        _doom_task(
            "explore_train",
            "The same on the maps of the training recordings, for reinforcement learning.",
            "a cell of 64 x 64 units that the player stood in",
        ),
        _doom_task(
            "explore_maze",
            "Walk through the rooms of the maze of my_way_home, from a start in one of them.",
            "a cell of 64 x 64 units that the player stood in",
        ),
        _doom_task(
            "defend_the_center",
            "Monsters come from all sides; 26 bullets; the episode ends with the player's death.",
            "a monster killed",
        ),
        _doom_task(
            "my_way_home",
            "Find the vest in a maze of rooms from a random start.",
            "1 if it was found",
        ),
        _doom_task(
            "health_gathering",
            "The floor burns; medikits keep the player alive.",
            "a second survived (60 at most)",
        ),
        Task(
            name="crafter",
            game="crafter",
            description="Survive in Crafter and achieve as much as possible; the score of random play is about 4.",
            score="one of Crafter's 22 achievements",
            seconds=100.0,
            make=_crafter,
        ),
    )
}


def make_env(task: str, seed: int, spec: ActionSpec | None = None) -> GameEnv:
    """The environment of a task.

    Args:
        task: a name in TASKS.
        seed: of the game's engine where `reset` does not decide it.
        spec: the action spec that plays; the game's own by default.

    Raises:
        ConfigError: unknown task, or a spec that has no button of the game.
        MissingDependencyError: the game is not installed.
    """
    if task not in TASKS:
        raise ConfigError(f"task: there is no task {task!r}; use one of {', '.join(TASKS)}")
    entry = TASKS[task]
    return entry.make(entry, seed, spec or ActionSpec.load(entry.game))
