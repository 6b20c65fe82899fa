"""The scripted Twin Stick player: hands that follow what is seen, a little late and not quite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.devices import DeviceState
from .game import FACES, NEAR, PANEL, REACH, STICKS, TRIGGERS, TwinStickGame

PLAYER_VERSION = 1
FOLLOWS = 0.6  # share of the way to where a thumb wants to be that it goes in a tick
UNSTEADY = 0.06  # standard deviation of a thumb's error
SLOWS_DOWN = 12.0  # pixels before the beacon from which on the craft is flown slower
REACTION = (1, 4)  # ticks until a lamp is answered, and for how many it is pressed


class TwinStickPlayer:
    """Plays one game; one call of `act` is one tick.

    Args:
        seed: of the hands' errors.
    """

    def __init__(self, seed: int):
        self._rng = np.random.default_rng([seed, 37])
        self._thumbs = np.zeros((2, 2))
        self._fingers = np.zeros(2)
        self._before: tuple[str, ...] = ()
        self._lamp = -1
        self._wait, self._press = 0, 0

    def act(self, game: TwinStickGame) -> DeviceState:
        """What the hands do in this tick."""
        distance = float(np.hypot(*game.beacon))
        flown = game.beacon / max(distance, 1e-6) * min(1.0, distance / SLOWS_DOWN)
        thumbs = self._follow(self._thumbs, np.stack([flown, game.drone / REACH]))
        self._thumbs = thumbs.clip(-1, 1)
        aimed = np.hypot(*(game.sight - game.drone)) < 1.5 * NEAR
        wanted = np.array([game.storm, 1.0 if aimed else 0.0])
        self._fingers = self._follow(self._fingers, wanted).clip(0, 1)
        held = self._answer(game.lamp)
        if aimed and self._fingers[1] > 0.3:
            held = (*held, FACES[game.color])
        # A pad reports steps of 1/128; more digits would only make the lines long.
        stands = np.round([*self._thumbs.ravel(), *self._fingers], 3).tolist()
        state = DeviceState(
            keys=held,
            new_keys=tuple(key for key in held if key not in self._before),
            axes=dict(zip((*STICKS, *TRIGGERS), stands, strict=True)),
            label_source="scripted",
        )
        self._before = held
        return state

    def _follow(self, now: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        error = self._rng.normal(0, UNSTEADY, now.shape)
        return now + FOLLOWS * (wanted - now) + error

    def _answer(self, lamp: int) -> tuple[str, ...]:
        """The buttons that the lamps call for."""
        if self._press:
            self._press -= 1
            if self._press:
                return (PANEL[self._lamp],)
            self._lamp = -1  # let go: the lamp goes out in the next picture
            return ()
        if lamp < 0:
            return ()
        if lamp != self._lamp:
            self._lamp = lamp
            self._wait = int(self._rng.integers(*REACTION))
        self._wait -= 1
        if self._wait < 0:
            self._press = 1 + int(self._rng.integers(*REACTION))
            return (PANEL[lamp],)
        return ()
