"""What the inverse dynamics model and the policy share: trunk, attention, action heads,
checkpoints.

In come frames, out go logits; idm and bc_policy call it. The names below are imported when they are
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .checkpoints import Checkpoint as Checkpoint
    from .checkpoints import load_checkpoint as load_checkpoint
    from .checkpoints import save_checkpoint as save_checkpoint
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__, {".checkpoints": ("Checkpoint", "load_checkpoint", "save_checkpoint")}
    )
