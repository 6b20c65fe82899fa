"""A scripted Doom player that lives on medikits: it walks to one after the other."""

from __future__ import annotations

import math

from .exploring import bearing, turn_between
from .game import Situation, Thing
from .player import DoomPlayer

UNITS_PER_DEGREE = 1.2  # how much farther a medikit may lie for each degree less of turning
WALK_DEG, RUN_DEG = 60.0, 40.0  # turned away by more, a person stops walking or running


class MedikitWalker(DoomPlayer):
    """Plays rooms without walls in the way, such as `health_gathering`."""

    looks_for = "Health"

    @property
    def looks(self) -> bool:
        return self.decides

    def _decide(self, s: Situation, things: list[Thing] | None) -> None:
        # With nothing in sight it walks straight on.
        turn = min((self._cost_and_turn(s, kit) for kit in things or ()), default=(0.0, 0.0))[1]
        self.mouse.pursue(0.0)
        self.mouse.aim(turn, s.pitch, dead_zone=4.0, patience=0.5)
        self.keyboard.want("forward", abs(turn) < WALK_DEG)
        self.keyboard.want("run", abs(turn) < RUN_DEG)

    def _cost_and_turn(self, s: Situation, kit: Thing) -> tuple[float, float]:
        """What it costs to go there, in Doom units, and the turn to it in degrees."""
        turn = turn_between(s.angle, bearing(s.x, s.y, kit.x, kit.y))
        return math.dist((s.x, s.y), (kit.x, kit.y)) + UNITS_PER_DEGREE * abs(turn), turn
