"""A hand on a mouse: aims are reached by short swings with pauses between them, as people do it.

A swing follows the minimum-jerk profile (Flash and Hogan 1985) with a duration that grows with the
logarithm of its length (Fitts 1954); it misses by a few per cent, sometimes overshoots, and drags
the other axis along a little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .game import DEGREES_PER_PIXEL

SWEEP_DEG = 110.0  # one sweep over the mouse pad


@dataclass
class Swing:
    """A motion under way: degrees from its start to its end, and the tics that it takes."""

    yaw: float
    pitch: float
    tics: int
    at: int = 0

    def advance(self) -> tuple[float, float]:
        before, self.at = _minimum_jerk(self.at / self.tics), self.at + 1
        share = _minimum_jerk(self.at / self.tics) - before
        return self.yaw * share, self.pitch * share

    def left(self) -> tuple[float, float]:
        share = 1 - _minimum_jerk(self.at / self.tics)
        return self.yaw * share, self.pitch * share


def _minimum_jerk(t: float) -> float:
    return t * t * t * (10 - 15 * t + 6 * t * t)


class MouseHand:
    """Turns aiming errors into mouse motion, tic by tic.

    Args:
        rng: the only source of chance.
        brisk: above 1 swings faster than the average person.
        speed: of the mouse: how many times faster every swing is, at another sensitivity.
    """

    def __init__(self, rng: np.random.Generator, brisk: float = 1.0, speed: float = 1.0):
        self.rng = rng
        self.brisk = brisk
        self.speed = speed
        self.swings: list[Swing] = []
        self.pause = 0
        self._pursuit = 0.0
        self._carry = np.zeros(2)

    @property
    def pending(self) -> tuple[float, float]:
        """Degrees (yaw, pitch) that the swings under way will still bring."""
        left = [s.left() for s in self.swings]
        return sum(y for y, _ in left), sum(p for _, p in left)

    def aim(
        self, yaw_error: float, pitch_error: float, *, dead_zone: float, patience: float = 1.0
    ) -> None:
        """Consider an error between where one looks and where one wants to look.

        The errors are in degrees, right and down positive. Nothing happens below the dead zone, or
        while the hand rests between swings; `patience` below 1 shortens rests.
        """
        pending_yaw, pending_pitch = self.pending
        yaw, pitch = yaw_error - pending_yaw, pitch_error - pending_pitch
        size = math.hypot(yaw, pitch)
        if size < dead_zone or len(self.swings) >= 2:
            return
        surprised = size > 25  # something new appeared: no waiting for the rest to end
        if self.swings and not surprised:
            return
        if self.pause > 0 and not surprised:
            return
        rng = self.rng
        gain = rng.normal(0.97, 0.06)
        if size > 15 and rng.random() < 0.2:  # long swings overshoot at times
            gain = rng.uniform(1.06, 1.2)
        yaw, pitch = yaw * gain, pitch * gain
        pitch += yaw * rng.normal(0, 0.05)
        if abs(yaw) > SWEEP_DEG:
            yaw = math.copysign(SWEEP_DEG, yaw)
        usual_s = 0.12 + 0.075 * math.log2(1 + size / 4)  # Fitts' law
        seconds = usual_s * rng.uniform(0.85, 1.3) / (self.brisk * self.speed)
        self.swings.append(Swing(yaw, pitch, max(4, round(35 * seconds))))
        self.pause = self.swings[-1].tics + max(1, round(rng.integers(2, 9) * patience))

    def pursue(self, yaw_rate: float) -> None:
        """Follow something that moves across the view, with the hand, a little behind.

        Args:
            yaw_rate: in degrees per tic.
        """
        slow = abs(yaw_rate) < 0.35  # the eye alone follows it
        wanted = 0.0 if slow else math.copysign(min(0.9 * abs(yaw_rate), 5.0), yaw_rate)
        self._pursuit += 0.4 * (wanted - self._pursuit)
        if abs(self._pursuit) < 0.1:
            self._pursuit = 0.0

    def tic(self) -> tuple[float, float]:
        """Whole pixels (dx, dy) of this tic; what is lost in rounding is carried on."""
        moved = np.zeros(2)
        for swing in self.swings:
            moved += swing.advance()
        self.swings = [s for s in self.swings if s.at < s.tics]
        self.pause = max(0, self.pause - 1)
        moved[0] += self._pursuit
        if self.swings or self._pursuit:
            moved += self.rng.normal(0, 0.06, 2)  # tremor, degrees
        self._carry += moved / DEGREES_PER_PIXEL
        pixels = np.rint(self._carry)
        self._carry -= pixels
        return float(pixels[0]), float(pixels[1])
