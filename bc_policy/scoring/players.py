"""Players of several episodes at once: what they have in common with an `Agent`, and random play.

L lanes (episodes side by side), H, W pixels, K buttons, A axes
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...datasets.actions.spec import ActionSpec
from ...games.random_play import RandomPlay


class Player(Protocol):
    """Something that acts in L lanes."""

    spec: ActionSpec

    def start(self, lane: int, seed: int) -> None:
        """An episode begins in this lane with the next frame."""

    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 [L, H, W, 3] ► buttons uint8 [L, K] and camera float32 [L, A] in degrees."""


class RandomPlayer:
    """Plays without looking, in the manner `style` of `games.random_play`."""

    def __init__(self, spec: ActionSpec, lanes: int, style: str):
        self.spec = spec
        self._style = style
        self._players = [RandomPlay(spec, 0, style) for _ in range(lanes)]

    def start(self, lane: int, seed: int) -> None:
        self._players[lane] = RandomPlay(self.spec, seed, self._style)

    def act(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        buttons, camera = zip(*(player.act() for player in self._players), strict=True)
        return np.stack(buttons), np.stack(camera)
