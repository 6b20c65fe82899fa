"""Games played by keyboard and mouse: ViZDoom and Crafter, their scripted players, the recorder.

In go device states, out come frames and recordings; bc_policy plays in it and the command line
records with it. The names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .env import GameEnv as GameEnv
    from .task import Task as Task
    from .tasks import TASKS as TASKS
    from .tasks import make_env as make_env
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__, {".env": ("GameEnv",), ".task": ("Task",), ".tasks": ("TASKS", "make_env")}
    )
