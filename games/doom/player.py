"""The scripted Doom player: explores, opens doors, fights, and moves like a person.

Decisions are taken every second tic, and the hands (`mouse.py`, `keyboard.py`) carry them out at 35
Hz with human holds, pauses and misses. What a decision reads is the situation, the things in view,
and the walkable map; no pixels.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from ...datasets.actions.devices import DeviceState
from .aiming import Aim, Fighter
from .exploring import Explorer, Waypoint, bearing, turn_between
from .game import Situation, Thing
from .keyboard import KeyboardHand
from .mouse import MouseHand
from .navigation import WalkGrid

PLAYER_VERSION = 4
DECISION_TICS = 2
STUCK_TICS = 14
STUCK_UNITS = 10.0
STRAY_NOTICED_TICS = 14
DOOR_TICS = 55  # pressing again sooner would shut the door that is opening
# How often people take a weapon, by its slot, when they may choose.
LIKING = {2: 0.3, 3: 1.0, 4: 1.0, 5: 0.15, 6: 0.8, 7: 0.2}
_KEYS = {
    "forward": "key.keyboard.w",
    "back": "key.keyboard.s",
    "left": "key.keyboard.a",
    "right": "key.keyboard.d",
    "run": "key.keyboard.left.shift",
    "use": "key.keyboard.e",
    **{f"weapon.{n}": f"key.keyboard.{n}" for n in range(1, 8)},
}


@dataclass
class _Intention:
    """Something done for a while without need: until when, and when next."""

    until: int = 0
    next: int = 0


class DoomPlayer:
    """Plays one map.

    Args:
        grid: the map as it can be walked.
        seed: of everything that is left to chance; same seed and same game give the same inputs.
        strays_per_minute: how often the mind wanders (see `_strays`).
        mouse_speed: how many times faster the mouse turns than it usually does.
    """

    looks_for = "Monster"
    """The category of the things that a decision wants to know."""

    def __init__(
        self, grid: WalkGrid, seed: int, *, strays_per_minute: float = 0.0, mouse_speed: float = 1.0
    ):
        self.rng = rng = np.random.default_rng([seed, 7])
        self.grid = grid
        self.mouse = MouseHand(rng, brisk=float(rng.uniform(0.85, 1.2)), speed=mouse_speed)
        self.keyboard = KeyboardHand()
        self.explorer = Explorer(grid, rng)
        self.fighter = Fighter(grid, rng)
        self.tic = 0
        self.mode = "travel"
        self._track: list[tuple[float, float]] = []
        self._run = bool(rng.random() < 0.7)
        self._run_until = self._soon(2, 8)
        self._open_way = True
        self._strafe = _Intention(next=self._soon(2, 6))
        self._strafe_key = "left"
        self._glance = _Intention(next=self._soon(2, 5))
        self._glance_at = (0.0, 0.0)
        self._rest = _Intention(next=self._soon(8, 20))
        self._strays_per_minute = strays_per_minute
        self._stray = _Intention(next=self._next_stray())
        self._stray_to = 0.0
        self._pitch_rest = float(rng.normal(0, 2.5))
        self._burst = _Intention()
        self._weapon_at = self._soon(4, 15)
        self._weapon_key = ""
        self._weapon_release = 0
        self._use_at = -1000
        self._use_tries = 0
        self._free = _Intention()
        self._free_key = ""
        self._free_turn_to = 0.0
        self._followed = (0.0, 0.0, -1)  # world bearing, tic and identity of what the eyes follow

    def _soon(self, low_s: float, high_s: float) -> int:
        """A tic between so many seconds from now."""
        return self.tic + round(35 * float(self.rng.uniform(low_s, high_s)))

    def _next_stray(self) -> int:
        if not self._strays_per_minute:
            return sys.maxsize
        gap_s = 60 / self._strays_per_minute
        return self._soon(0.6 * gap_s, 1.4 * gap_s)

    def act(self, s: Situation, things: list[Thing] | None) -> DeviceState:
        """What the hands hold during this tic.

        `things` (of `looks_for`) may be None unless `looks`.
        """
        if self.decides:
            self._decide(s, things)
        dx, dy = self.mouse.tic()
        names = self.keyboard.tic()
        self.tic += 1
        return DeviceState(
            keys=tuple(_KEYS[n] for n in names if n != "attack"),
            buttons=(0,) if "attack" in names else (),
            dx=dx,
            dy=dy,
        )

    @property
    def decides(self) -> bool:
        """Whether the coming tic takes a decision."""
        return self.tic % DECISION_TICS == 0

    @property
    def looks(self) -> bool:
        """Whether the coming decision wants to know the things of `looks_for`.

        It always does in a fight; in peace every second one does.
        """
        return self.decides and (self.mode == "fight" or self.tic % (2 * DECISION_TICS) == 0)

    # -- one decision -----------------------------------------------------------------------------

    def _decide(self, s: Situation, monsters: list[Thing] | None) -> None:
        if self.tic % (2 * DECISION_TICS) == 0:
            self.explorer.notice(s.x, s.y)
        self.mouse.pursue(0.0)
        self._track.append((s.x, s.y))
        if len(self._track) > STUCK_TICS // DECISION_TICS:
            self._track.pop(0)
        self._choose_run()
        self._tap_weapons(s)
        aim = self.fighter.look(s, monsters, self.tic) if monsters is not None else None
        if self._free.until > self.tic:
            self.mode = "free"
            self._get_free(s)
        elif aim is not None:
            self.mode = "fight"
            self._fight(s, aim)
        else:
            self.mode = "travel"
            self.keyboard.want("attack", False)
            self._travel(s)
        if self._stray.until <= self.tic:
            self._watch_for_walls(s)

    def _travel(self, s: Situation) -> None:
        keyboard = self.keyboard
        keyboard.want("back", False)
        switch = self.explorer.switch_at_hand(s.x, s.y)
        if switch is not None:
            self._press_switch(s, switch)
            return
        way = self.explorer.waypoint(s.x, s.y, s.angle, self.tic)
        if self._rest.until > self.tic or way is None:
            self._stand_and_look(s)
            if way is None and self._rest.until <= self.tic:
                self._break_free(s)
            return
        if self._rest.next <= self.tic:
            self._rest.until, self._rest.next = self._soon(0.4, 1.4), self._soon(9, 25)
        error = turn_between(s.angle, bearing(s.x, s.y, way.x, way.y))
        if self._strays(s, error):
            return
        slope = math.degrees(math.atan2(way.floor - (s.z), max(way.remaining, 128.0)))
        cell = self.grid.index(way.x, way.y)
        self._look_along(s, error, slope, way)
        if self._glance.until <= self.tic and math.dist((s.x, s.y), (way.x, way.y)) > 60:
            self._pursue(s.angle - error, cell, 0.6)
        # Walking on through a turn is human; only a turn back, or circling round a near point,
        # needs a stop.
        distance = math.dist((s.x, s.y), (way.x, way.y))
        self._open_way = distance > (90 if self._open_way else 150) and abs(error) < 70
        near = distance < 80
        release, press = (55, 30) if near else (95, 60)
        keyboard.want("forward", abs(error) < (release if keyboard.is_down("forward") else press))
        self._sidestep(s, error)
        self._open_doors(s, error)

    def _strays(self, s: Situation, error: float) -> bool:
        """Walk in some direction for a moment, into a wall perhaps, and notice it again.

        Nobody walks perfectly, and an agent can only learn from such play how to leave a wall that
        it ran into. Returns whether the player strays now.
        """
        if self._stray.until <= self.tic:
            if self._stray.next > self.tic or abs(error) > 60:
                return False
            self._stray.until, self._stray.next = self._soon(1.0, 2.4), self._next_stray()
            self._stray_to = s.angle + float(self.rng.choice([-1, 1]) * self.rng.uniform(10, 80))
        self.keyboard.want("forward", True)
        self.keyboard.release("left", "right", "use")
        self.mouse.aim(turn_between(s.angle, self._stray_to), 0.0, dead_zone=6.0)
        walking = self.keyboard.is_down("forward")
        held = walking and self.keyboard.since("forward") >= STRAY_NOTICED_TICS
        if held and len(self._track) > 6 and math.dist(self._track[-6], self._track[-1]) < 8:
            self._stray.until = 0  # noticed
        return self._stray.until > self.tic

    def _pursue(self, to_bearing: float, identity: int, nearest_rate: float) -> None:
        """Follow a bearing that changes because somebody moves.

        A new thing to look at is not followed yet: how fast it moves shows only from its second
        bearing.
        """
        before, tic, which = self._followed
        self._followed = (to_bearing, self.tic, identity)
        elapsed = self.tic - tic
        rate = turn_between(before, to_bearing) / max(elapsed, 1)
        if which == identity and elapsed <= 2 * DECISION_TICS and nearest_rate <= abs(rate) < 9:
            self.mouse.pursue(rate)

    def _look_along(self, s: Situation, error: float, slope: float, way: Waypoint) -> None:
        """Turn to the way; now and then glance aside, up or down, and come back."""
        if abs(error) > 30:
            self._glance.until = 0  # the way calls
        if self._glance.until > self.tic:
            yaw, pitch = self._glance_at
            # The glance is a heading in the world, held while walking on.
            self.mouse.aim(turn_between(s.angle, yaw), s.pitch - pitch, dead_zone=4.0)
            return
        if self._glance.next <= self.tic and way.remaining > 160 and abs(error) < 15:
            self._glance.until, self._glance.next = self._soon(0.5, 1.3), self._soon(1.5, 6)
            kind = self.rng.random()
            side = float(self.rng.choice([-1, 1]))
            yaw = side * self.rng.uniform(8, 35) if kind < 0.45 else self.rng.normal(0, 2)
            up_or_down = kind >= 0.25
            pitch = float(self.rng.choice([-1, 1])) * self.rng.uniform(7, 24) if up_or_down else 0.0
            self._glance_at = (s.angle - yaw, slope + pitch)
            self._pitch_rest = float(self.rng.normal(0, 2.5))
            return
        level = max(-22.0, min(22.0, 0.7 * slope + self._pitch_rest))
        pitch_error = s.pitch - level
        if abs(pitch_error) < 3.5:
            pitch_error = 0.0
        near = math.dist((s.x, s.y), (way.x, way.y))
        self.mouse.aim(
            error,
            pitch_error,
            dead_zone=2.5 if near > 120 else 6.0,
            patience=0.4 if abs(error) > 15 else 1.0,
        )

    def _stand_and_look(self, s: Situation) -> None:
        self.keyboard.release("forward", "left", "right", "use")
        if self._glance.until <= self.tic:
            self._glance.until = self._soon(0.4, 0.9)
            yaw, pitch = float(self.rng.normal(0, 45)), float(self.rng.normal(0, 9))
            self._glance_at = (s.angle + yaw, pitch)
        yaw, pitch = self._glance_at
        self.mouse.aim(turn_between(s.angle, yaw), s.pitch - pitch, dead_zone=4.0)

    def _press_switch(self, s: Situation, at: tuple[float, float]) -> None:
        error = turn_between(s.angle, bearing(s.x, s.y, *at))
        self.keyboard.release("left", "right", "back")
        self.keyboard.want("forward", math.dist((s.x, s.y), at) > 40 and abs(error) < 30, now=True)
        self.mouse.aim(error, s.pitch, dead_zone=5.0, patience=0.5)
        self._press_use(abs(error) < 12)
        if self._use_tries >= 1 and self.tic - self._use_at > 14:
            self._use_tries = 0
            self.explorer.pressed()

    def _open_doors(self, s: Situation, error: float) -> None:
        if not self.explorer.door_ahead(s.x, s.y):
            self.keyboard.want("use", False)
            self._use_tries = 0
            return
        self._press_use(abs(error) < 30 and self._moved() < 40)

    def _press_use(self, ready: bool) -> None:
        if self.keyboard.is_down("use"):
            self.keyboard.want("use", False)
        elif ready and self.tic - self._use_at > DOOR_TICS:
            self.keyboard.want("use", True)
            self._use_at = self.tic
            self._use_tries += 1

    def _fight(self, s: Situation, aim: Aim) -> None:
        keyboard = self.keyboard
        keyboard.want("use", False)
        self._glance.until = 0
        self._open_way = aim.distance > 260
        pitch_error = aim.pitch if abs(aim.pitch) > 2.5 + aim.half_width / 2 else 0.0
        self._pursue(s.angle - aim.yaw, -2 - aim.id, 0.0)
        close = abs(aim.yaw) < 4.0 + aim.half_width
        self.mouse.aim(aim.yaw, pitch_error, dead_zone=max(2.0, 0.7 * aim.half_width), patience=0.6)
        if self._burst.until <= self.tic and self._burst.next <= self.tic and close:
            self._burst.until, self._burst.next = self._soon(0.4, 1.6), 0
            self._burst.next = self._burst.until + round(35 * self.rng.uniform(0.15, 0.7))
        keyboard.want(
            "attack", self._burst.until > self.tic and abs(aim.yaw) < 14.0 + aim.half_width
        )
        ahead, behind, left, right = self._room(s)
        far = aim.distance > 380
        keyboard.want("back", aim.distance < 110 and behind > 96)
        free = not keyboard.is_down("back") and ahead > 80
        advance = far or (aim.distance > 170 and self._advance())
        keyboard.want("forward", free and advance)
        if self._strafe.until <= self.tic and self._strafe.next <= self.tic:
            self._begin_strafe(left, right, 1.3)
            self._strafe.next = self._strafe.until + round(35 * self.rng.uniform(0.2, 1.2))
        self._hold_strafe(left, right)

    def _advance(self) -> bool:
        return self.tic % 105 < 70  # two seconds in three people press on

    def _room(self, s: Situation) -> tuple[float, float, float, float]:
        a = s.angle
        free = self.grid.free_distance(s.x, s.y, np.array([a, a + 180, a + 90, a - 90]), 192.0)
        return tuple(float(f) for f in free)  # type: ignore[return-value]

    def _sidestep(self, s: Situation, error: float) -> None:
        if self._strafe.until > self.tic or self._strafe.next <= self.tic:
            _, _, left, right = self._room(s)
            if self._strafe.until <= self.tic:
                if abs(error) < 20 and max(left, right) > 96:
                    self._begin_strafe(left, right, 1.2)
                self._strafe.next = max(self._strafe.until, self.tic) + round(
                    35 * self.rng.uniform(2, 7)
                )
            self._hold_strafe(left, right)
        else:
            self.keyboard.release("left", "right")

    def _begin_strafe(self, left: float, right: float, max_s: float) -> None:
        if max(left, right) < 80:
            self._strafe.next = self._soon(0.5, 1.5)
            return
        if min(left, right) > 80:
            self._strafe_key = str(self.rng.choice(["left", "right"]))
        else:
            self._strafe_key = "left" if left > right else "right"
        self._strafe.until = self._soon(0.35, max_s)

    def _hold_strafe(self, left: float, right: float) -> None:
        on = self._strafe.until > self.tic
        room = left if self._strafe_key == "left" else right
        other = "right" if self._strafe_key == "left" else "left"
        self.keyboard.want(other, False)
        self.keyboard.want(self._strafe_key, on and room > 40 and not self.keyboard.is_down(other))

    def _choose_run(self) -> None:
        """Run or walk for seconds at a time, and walk round corners.

        Nobody holds the run key while standing.
        """
        if self._run_until <= self.tic:
            self._run = not self._run
            self._run_until = self._soon(2.5, 8) if self._run else self._soon(1.5, 4)
        keyboard = self.keyboard
        moving = any(keyboard.is_down(k) for k in ("forward", "back", "left", "right"))
        keyboard.want("run", self._run and moving and self._open_way, now=not moving)

    def _tap_weapons(self, s: Situation) -> None:
        if self._weapon_key:
            if self.tic >= self._weapon_release:
                self.keyboard.want(self._weapon_key, False, now=True)
                self._weapon_key = ""
            return
        armed = [n for n in range(2, 8) if s.owned[n] and s.ammo[n] > 0 and n != s.weapon]
        empty = s.weapon > 1 and s.ammo[s.weapon] <= 0
        if armed and (self._weapon_at <= self.tic or empty) and not self.keyboard.is_down("attack"):
            liking = np.array([LIKING[n] for n in armed])
            self._weapon_key = f"weapon.{self.rng.choice(armed, p=liking / liking.sum())}"
            self._weapon_release = self.tic + int(self.rng.integers(4, 9))
            self._weapon_at = self._soon(8, 22)
            self.keyboard.want(self._weapon_key, True)

    # -- walls ------------------------------------------------------------------------------------

    def _moved(self) -> float:
        return math.dist(self._track[0], self._track[-1])

    def _watch_for_walls(self, s: Situation) -> None:
        pushing = self.keyboard.is_down("forward") and self.keyboard.since("forward") >= STUCK_TICS
        known = len(self._track) >= STUCK_TICS // DECISION_TICS
        if self._free.until > self.tic or not pushing or not known:
            return
        if self._moved() >= STUCK_UNITS:
            return
        waiting = self.explorer.door_ahead(s.x, s.y) and self._use_tries <= 3
        if waiting and self.tic - self._use_at < 70:
            return
        self._break_free(s)

    def _break_free(self, s: Situation) -> None:
        """Give up this way: step back or aside to where there is room, turning away."""
        self.explorer.give_up(s.x, s.y, s.angle)
        self._use_tries = 0
        _, behind, left, right = self._room(s)
        options = [("back", behind), ("left", left), ("right", right)]
        key = max(options, key=lambda option: option[1] + self.rng.uniform(0, 40))[0]
        self._free_key = key
        turn = float(self.rng.choice([-1, 1]) * self.rng.uniform(30, 80))
        if abs(left - right) > 48:  # to the side that is clearly wider
            turn = math.copysign(turn, right - left)
        self._free.until = self.tic + int(self.rng.integers(12, 22))
        self._free_turn_to = s.angle - turn
        self._track.clear()
        self._track.append((s.x, s.y))

    def _get_free(self, s: Situation) -> None:
        for key in ("forward", "back", "left", "right"):
            self.keyboard.want(key, key == self._free_key, now=True)
        self.keyboard.release("attack", "use")
        self.mouse.aim(turn_between(s.angle, self._free_turn_to), s.pitch, dead_zone=6.0)
