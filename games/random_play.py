"""Random play: the baseline that every policy is compared with.

There are two kinds, of which either may score higher in a given task: `human` presses each button
independently with a given rate and mean hold, and flicks the mouse now and then; `uniform` draws
every tick from the policy's joint action space, each class alike.
"""

from __future__ import annotations

import numpy as np

from ..datasets.actions.joint import JointActions
from ..datasets.actions.spec import ActionSpec
from ..errors import ConfigError

STYLES = ("human", "uniform")
# Share of time held and mean hold in ticks of 1/17.5 s, rounded from the scripted player's
# statistics (docs/how_it_works/scripted_players.md).
DOOM_HABITS = {
    "forward": (0.62, 22.0),
    "back": (0.03, 6.0),
    "left": (0.08, 10.0),
    "right": (0.08, 10.0),
    "run": (0.5, 40.0),
    "attack": (0.15, 12.0),
    "use": (0.02, 2.0),
    **{f"weapon.{n}": (0.002, 3.0) for n in range(1, 8)},
}
OTHER_HABIT = (0.1, 4.0)
FLICK_CHANCE = 0.06  # per tick
FLICK_DEG = {"yaw": 35.0, "pitch": 4.0}  # standard deviation of a flick
FLICK_TICKS = 6


class RandomPlay:
    """Draws actions without looking.

    `act()` gives buttons uint8 [K] and camera float32 [A] in degrees, of sticks where they stand.
    """

    def __init__(self, spec: ActionSpec, seed: int, style: str = "human"):
        if style not in STYLES:
            raise ConfigError(f"style: {style!r} is unknown; use one of {', '.join(STYLES)}")
        self.spec, self.style = spec, style
        self.rng = np.random.default_rng([seed, 11])
        self._joint = JointActions(spec)
        self._down = np.zeros(spec.num_buttons, bool)
        habits = [DOOM_HABITS.get(name, OTHER_HABIT) for name in spec.button_names]
        rate, hold = np.array([h[0] for h in habits]), np.array([h[1] for h in habits])
        # A chain of two states with this mean hold; its share of time held is the rate where as
        # many presses begin as end: (1 - rate) * press = rate * release.
        self._release = 1 / hold
        self._press = rate / (1 - rate) / hold
        self._velocity = np.zeros(spec.num_axes, np.float32)
        self._flick_left = 0
        self._standing = [a for a, axis in enumerate(spec.axes) if axis.kind == "absolute"]

    def act(self) -> tuple[np.ndarray, np.ndarray]:
        """The next tick's action."""
        if self.style == "uniform":
            joint = self.rng.integers(self._joint.num_joint)
            camera = self.rng.integers(self._joint.num_camera) if self._joint.num_camera else 0
            buttons, bins = self._joint.decode(np.array(joint), np.array(camera))
            return buttons.astype(np.uint8), self.spec.dequantise(bins)
        chance = self.rng.random(self.spec.num_buttons)
        self._down = np.where(self._down, chance >= self._release, chance < self._press)
        if self._flick_left > 0:
            self._flick_left -= 1
        elif self.rng.random() < FLICK_CHANCE:
            self._flick_left = FLICK_TICKS
            spread = np.array([FLICK_DEG.get(name, 10.0) for name in self.spec.axis_names])
            flick_deg = self.rng.normal(0, 1, len(spread)) * spread
            self._velocity = (flick_deg / FLICK_TICKS).astype(np.float32)
            for a in self._standing:  # a stick is pushed somewhere, and let go after the flick
                ends = self.spec.axes[a].quantiser
                self._velocity[a] = self.rng.uniform(ends.low, ends.high)
        camera_deg = self._velocity if self._flick_left else np.zeros_like(self._velocity)
        return self._down.astype(np.uint8), camera_deg.astype(np.float32)
