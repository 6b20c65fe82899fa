"""The tasks that players are scored on: games with a length, a reward per tick and a score."""

from __future__ import annotations

from ..datasets.actions.spec import ActionSpec
from ..errors import ConfigError
from .crafter.task import CrafterEnv
from .doom.task import DoomEnv
from .env import GameEnv, Task

A_CELL = "a cell of 64 x 64 units that the player stood in"


def _doom_task(name: str, description: str, score: str) -> Task:
    return Task(name=name, game="doom", description=description, score=score, make=DoomEnv)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _doom_task(
            "explore",
            "Walk through Freedoom maps that no training recording shows (damage does not kill).",
            A_CELL,
        ),
        _doom_task(
            "explore_train",
            "The same on the maps of the training recordings, for reinforcement learning.",
            A_CELL,
        ),
        _doom_task(
            "explore_maze",
            "Walk through the rooms of the maze of my_way_home, from a start in one of them.",
            A_CELL,
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
            description="Survive in Crafter and achieve as much as possible; "
            "the score of random play is about 4.",
            score="one of Crafter's 22 achievements",
            seconds=100.0,
            make=CrafterEnv,
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
    entry = find_task(task)
    return entry.make(entry, seed, spec or ActionSpec.load(entry.game))


def find_task(name: str) -> Task:
    """The task of this name. Raises ConfigError, which lists the tasks, where there is none."""
    if name not in TASKS:
        raise ConfigError(f"task: there is no task {name!r}; use one of {', '.join(TASKS)}")
    return TASKS[name]
