"""The environment that plays a task.

A task is played through an action spec, at its tick rate and frame size, with the same keys, mouse
and frames as the recordings: a policy cloned from recordings can act in it as it is. Shapes: K
buttons, A axes, H, W frame.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..datasets.actions.spec import ActionSpec
from ..errors import VidactError


class GameCrashedError(VidactError):
    """A game's engine ended in the middle of its work."""


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

        Returns (frame, reward, done, info). The reward is what the task's table pays;
        `info["score"]` is the episode's score so far, which no table changes: rewards add up to it
        where the task has none. `info["truncated"]` tells, at the end, whether the time limit cut
        the episode, or a crash of the game: then `info["crashed"]` is there as well, and the next
        `reset` starts the game anew.
        """

    def render(self) -> np.ndarray:
        """The frame in the game's own size, uint8 [h, w, 3]."""

    def close(self) -> None:
        """Stop the game."""
