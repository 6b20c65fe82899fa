"""The tasks that players are scored on, by name or by file, and the environments that play them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..datasets.actions.spec import ActionSpec
from ..errors import ConfigError
from .crafter.task import CrafterEnv
from .doom.task import DoomEnv
from .env import GameEnv
from .task import Task, read_task
from .twin_stick.task import TwinStickEnv

REWARDS = Path(__file__).parent / "rewards"
TASKS: dict[str, Task] = {
    task.name: task for task in (read_task(path) for path in sorted(REWARDS.glob("*.yaml")))
}
_GAMES: dict[str, Callable[[Task, int, ActionSpec], GameEnv]] = {
    "doom": DoomEnv,
    "crafter": CrafterEnv,
    "twin_stick": TwinStickEnv,
}


def make_env(task: str, seed: int, spec: ActionSpec | None = None) -> GameEnv:
    """The environment of a task.

    Args:
        task: a name in TASKS, or the path of a task's YAML file.
        seed: of the game's engine where `reset` does not decide it.
        spec: the action spec that plays; the game's own by default.

    Raises:
        ConfigError: unknown task, or a spec that has no button of the game.
        MissingDependencyError: the game is not installed.
    """
    entry = find_task(task)
    return _GAMES[entry.game](entry, seed, spec or ActionSpec.load(entry.game))


def find_task(name: str) -> Task:
    """The task of this name, or of this YAML file.

    Raises ConfigError, which lists the tasks, where there is none.
    """
    if name in TASKS:
        return TASKS[name]
    if Path(name).suffix in (".yaml", ".yml"):
        return read_task(name)
    raise ConfigError(
        f"task: there is no task {name!r}; use one of {', '.join(TASKS)}, or a YAML file of one"
    )
