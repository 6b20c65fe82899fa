"""What a task is, and the environment that plays one.

A task is played through an action spec, at its tick rate and frame size, with the same keys, mouse
and frames as the recordings: a policy cloned from recordings can act in it as it is. Shapes: K
buttons, A axes, H, W frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..datasets.actions.spec import ActionSpec

GAME_SECONDS = 60.0


class GameEnv(Protocol):
    """An environment in Gymnasium's manner, without its wrappers."""

    spec: ActionSpec

    def reset(self, seed: int) -> np.ndarray:
        """Start an episode; returns the frame uint8 [H, W, 3] at the spec's size.

        The same seed gives the same episode.
        """

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """Play one tick with buttons uint8 [K] and camera float32 [A] in degrees.

        Returns (frame, reward, done, info). `info["score"]` is the episode's score so far; rewards
        add up to it unless the task says otherwise. `info["truncated"]` tells, at the end, whether
        the time limit cut the episode.
        """

    def render(self) -> np.ndarray:
        """The frame in the game's own size, uint8 [h, w, 3]."""

    def close(self) -> None:
        """Stop the game."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is played, for how long, and what the score counts."""

    name: str
    game: str
    """`doom` or `crafter`: also the name of the action spec that plays it."""
    description: str
    score: str
    """What one point of the score is."""
    seconds: float = GAME_SECONDS
    """Longest episode, in seconds of game time."""
    make: Callable[[Task, int, ActionSpec], GameEnv]
    """Makes the environment from the task, the engine's seed and the spec that plays."""
