"""What the training loops share: the run, schedules, averages, exact resume, guards, intervals.

In come steps, out go checkpoints and logs; idm and bc_policy call it. The names below are imported
when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .run import TrainingRun as TrainingRun
    from .schedule import Budget as Budget
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__, {".run": ("TrainingRun",), ".schedule": ("Budget",)}
    )
