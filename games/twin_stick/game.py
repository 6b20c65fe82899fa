"""Twin Stick: a craft over an endless ground, flown with one stick and aimed with the other.

All of a gamepad has something to do, and all that it does is seen in the next picture:

- the left stick flies (the ground moves, and a flame points the other way) to the green beacon;
- the right stick aims the sight at the drone, the right trigger powers the beam (the bar at the
  right), and the face button of the drone's color fires it (the hull takes that color);
- the left trigger raises the shield (the bar at the left) against the storm (the bar at the top);
- the lamps in the panel at the bottom call for the other eight buttons; a pressed one turns white.

Places are in pixels of the picture, relative to the craft in its middle; y points down.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIZE = 64  # pixels a side
TICKS_PER_SECOND = 10
MIDDLE = SIZE // 2
GROUND = 128  # pixels a side of the texture, which repeats
SPEED = 4.0  # pixels a tick at full deflection
FLAME, REACH = 9.0, 20.0  # pixels from the craft to the flame and the sight at full deflection
NEAR = 4.0  # pixels within which the beacon is reached, or the drone hit
DRONE_LIFE = 60  # ticks until a drone that was not hit makes room for another
FACES = ("gamepad.south", "gamepad.east", "gamepad.west", "gamepad.north")
PANEL = (
    *("gamepad.left_shoulder", "gamepad.right_shoulder"),
    *("gamepad.left_thumb", "gamepad.right_thumb"),
    *("gamepad.dpad_up", "gamepad.dpad_down", "gamepad.dpad_left", "gamepad.dpad_right"),
)
BUTTONS = (*FACES, *PANEL)
STICKS = tuple(f"gamepad.{side}_{axis}" for side in ("left", "right") for axis in "xy")
TRIGGERS = ("gamepad.left_trigger", "gamepad.right_trigger")
COLORS = np.array([[70, 200, 70], [220, 60, 60], [70, 110, 240], [230, 210, 60]], np.uint8)
"""Of the faces and their drones."""
EVENTS = ("beacons", "drones", "lamps")
"""What is counted, and adds up to the points: beacons reached, drones shot, lamps answered."""

Point = NDArray[np.float64]


class TwinStickGame:
    """One game, decided by its seed and by what is done.

    Attributes:
        frame: the picture, uint8 [64, 64, 3].
        beacon, drone: float64 [2], right and down of the craft. color: of the drone, 0..3.
        sight: float64 [2], where the beam would hit.
        storm: how hard it blows, 0..1. lamp: the button that is called for, by number in PANEL, or
            -1.
        counts: how often each of EVENTS happened.
    """

    drone: Point
    color: int
    _drone_left: int
    _drone_turn_deg: float

    def __init__(self, seed: int):
        self._rng = np.random.default_rng([seed, 31])
        coarse = self._rng.integers(30, 110, (GROUND // 4, GROUND // 4, 3))
        self._ground = np.kron(coarse, np.ones((4, 4, 1))).astype(np.uint8)
        self._place = np.zeros(2)
        self.beacon = self._somewhere(12, 28)
        self.sight: Point = np.zeros(2)
        self._flame: Point = np.zeros(2)
        self._held: frozenset[str] = frozenset()
        self._triggers = (0.0, 0.0)
        self.storm = 0.3
        self.lamp = -1
        self._answered = False
        self.counts = dict.fromkeys(EVENTS, 0)
        self._new_drone()
        self.frame = self._draw()

    @property
    def points(self) -> int:
        """The score."""
        return sum(self.counts.values())

    def step(self, held: Collection[str], axes: Mapping[str, float]) -> None:
        """Play one tick.

        Args:
            held: the inputs that are held. axes: where sticks and triggers stand; at rest where it
                does not say.
        """
        left, right = (
            np.array([axes.get(f"gamepad.{side}_{axis}", 0.0) for axis in "xy"]).clip(-1, 1)
            for side in ("left", "right")
        )
        shield, power = (float(np.clip(axes.get(name, 0.0), 0, 1)) for name in TRIGGERS)
        self._held, self._triggers = frozenset(held) & frozenset(BUTTONS), (shield, power)
        self._flame, self.sight = -FLAME * left, REACH * right
        moved = SPEED * left * (1 - max(0.0, self.storm - shield))  # an open craft is held up
        self._place = (self._place + moved) % GROUND
        self.beacon = self.beacon - moved
        self._fly_drone(power)
        if np.hypot(*self.beacon) < NEAR:
            self.counts["beacons"] += 1
            self.beacon = self._somewhere(12, 28)
        self._blow()
        self._light()
        self.frame = self._draw()

    def _fly_drone(self, power: float) -> None:
        hit = np.hypot(*(self.sight - self.drone)) < NEAR and power > 0.5
        self._drone_left -= 1
        if hit and FACES[self.color] in self._held:
            self.counts["drones"] += 1
            self._new_drone()
        elif self._drone_left == 0:
            self._new_drone()
        else:
            turn = np.deg2rad(self._drone_turn_deg)
            x, y = self.drone
            self.drone = np.array(
                [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)]
            )

    def _new_drone(self) -> None:
        self.drone = self._somewhere(8, REACH - 1)
        self.color = int(self._rng.integers(len(FACES)))
        self._drone_turn_deg = float(self._rng.uniform(-5, 5))
        self._drone_left = DRONE_LIFE

    def _blow(self) -> None:
        """The storm changes by little steps, and now and then at once."""
        if self._rng.random() < 0.05:
            self.storm = float(self._rng.random())
        self.storm = float(np.clip(self.storm + self._rng.normal(0, 0.03), 0, 1))

    def _light(self) -> None:
        """A lamp goes out when its button is let go, and after a while another one lights."""
        pressed = self.lamp >= 0 and PANEL[self.lamp] in self._held
        if self._answered and not pressed:
            self.counts["lamps"] += 1
            self.lamp, self._answered = -1, False
        elif pressed:
            self._answered = True
        elif self.lamp < 0 and self._rng.random() < 0.2:
            self.lamp = int(self._rng.integers(len(PANEL)))

    def _somewhere(self, near: float, far: float) -> Point:
        """A place between two distances from the craft."""
        angle, distance = self._rng.uniform(0, 2 * np.pi), self._rng.uniform(near, far)
        return np.array([np.cos(angle), np.sin(angle)]) * distance

    def _draw(self) -> NDArray[np.uint8]:
        left, top = np.round(self._place).astype(int)
        rows, columns = (np.arange(SIZE) + start for start in (top, left))
        frame = self._ground[np.ix_(rows % GROUND, columns % GROUND)]  # a copy
        _box(frame, self.beacon, 3, (60, 255, 120))
        _box(frame, self.drone, 2, COLORS[self.color])
        _box(frame, self._flame, 1, (255, 150, 30))
        faces = [k for k, name in enumerate(FACES) if name in self._held]
        _box(frame, np.zeros(2), 2, COLORS[faces[0]] if faces else (160, 160, 160))
        _box(frame, self.sight, 1, (255, 255, 255))
        _bar(frame[:2], self.storm, (230, 60, 230), axis=1)
        for column, level, color in zip(
            (slice(0, 3), slice(SIZE - 3, SIZE)),
            self._triggers,
            ((60, 230, 230), (255, 80, 80)),
            strict=True,
        ):
            _bar(frame[4:54, column][::-1], level, color, axis=0)
        for k, name in enumerate(PANEL):
            asked = (250, 220, 40) if k == self.lamp else (20, 20, 20)
            shown = (255, 255, 255) if name in self._held else asked
            frame[57:63, 8 * k + 1 : 8 * k + 7] = shown
        return frame


def _box(frame: NDArray[np.uint8], at: Point, radius: int, color: ArrayLike) -> None:
    """Draw a square around a place, as far as it is in the picture."""
    x, y = np.round(at + MIDDLE).astype(int)
    rows, columns = (slice(max(n - radius, 0), max(n + radius + 1, 0)) for n in (y, x))
    frame[rows, columns] = np.asarray(color, np.uint8)


def _bar(part: NDArray[np.uint8], level: float, color: ArrayLike, *, axis: int) -> None:
    """Fill a part of the picture from its start, the last pixel as far as it is reached."""
    length = level * part.shape[axis]
    share = np.clip(length - np.arange(part.shape[axis]), 0, 1)
    share = share[None, :, None] if axis else share[:, None, None]
    part[:] = np.round(share * np.asarray(color) + (1 - share) * 10).astype(np.uint8)
