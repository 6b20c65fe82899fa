"""The agent: a causal policy, behavioral cloning, rollouts and RL fine-tuning.

In come action-labeled shards, out go policies and their scores; the command line calls it. The
names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .policy.policy import Policy as Policy
    from .policy.policy import load_policy as load_policy
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__, {".policy.policy": ("Policy", "load_policy")}
    )
