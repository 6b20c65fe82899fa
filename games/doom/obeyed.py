"""Whether a game did what its player asked of it: what it ignored is no label.

No picture shows what was ignored. Doom holds a player still for half a second after a teleporter
moved them, whatever they press, and looking up or down ends at a limit.
"""

from __future__ import annotations

import math
from typing import Protocol

# Nobody walks so far in one tic (running straight is 17, sliding down stairs 30).
TELEPORT_UNITS = 60.0
REACTION_TICS = 18  # that the engine holds a player still who was teleported (its `reactiontime`)
TOLERANCE_DEG = 0.1


class Pose(Protocol):
    """Where a player is and looks, in Doom units and degrees.

    `angle` counts leftwards, `pitch` upwards.
    """

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...

    @property
    def angle(self) -> float: ...

    @property
    def pitch(self) -> float: ...


class Obedience:
    """Watches one game, tic by tic."""

    def __init__(self) -> None:
        self._held_still = 0  # tics that are left of it

    def obeyed(self, before: Pose, after: Pose, *, right_deg: float, up_deg: float) -> bool:
        """Whether the tic between two poses did what was asked.

        Args:
            right_deg, up_deg: the turns that the mouse asked for.
        """
        held_still = self._held_still > 0
        self._held_still = max(self._held_still - 1, 0)
        if max(abs(after.x - before.x), abs(after.y - before.y)) > TELEPORT_UNITS:
            self._held_still = REACTION_TICS
            return False
        turned_away = abs(math.remainder(after.angle - before.angle + right_deg, 360.0))
        looked_away = abs(after.pitch - before.pitch - up_deg)
        return not held_still and max(turned_away, looked_away) < TOLERANCE_DEG
