"""Ask a stretch of video whether it is the game, a few frames a second.

Ticks that are asked lie on an absolute grid, and what is said of a tick is the mean over those
near it, so that no answer depends on where a video was cut into segments.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...networks.checkpoints import Checkpoint
from ..network.model import InverseDynamicsModel
from .density import GameDensity
from .embedding import TrunkEmbedding
from .fit_density import GAME

ASKED_A_SECOND = 3.0
SMOOTHED_S = 1.5  # to each side: a flash or a face close by is no other game
# Of one frame's log-odds, where the median of play lies: a single frame that is far off does not
# outweigh its neighbors.
STRONGEST = 4.0
PARTS = 1000  # of a unit of log-odds


class GameQuestion:
    """Says how much the ticks of a video look like the game.

    Args:
        density: of the game.
        model: whose layers it was fitted on, in evaluation mode, on its device.
        tick_hz: of the frames.
    """

    def __init__(self, density: GameDensity, model: InverseDynamicsModel, tick_hz: float):
        self.sha256 = density.sha256
        self._density, self._embed = density, TrunkEmbedding(model)
        self.every = max(1, round(tick_hz / ASKED_A_SECOND))
        self._reach = max(self.every, round(tick_hz * SMOOTHED_S))

    @property
    def context(self) -> int:
        """How many ticks on each side of a tick its answer depends on."""
        return self._reach + self._embed.radius

    @property
    def radius(self) -> int:
        """Frames on each side of a frame that are looked at with it."""
        return self._embed.radius

    def log_odds(self, clips: NDArray[np.uint8]) -> NDArray[np.float64]:
        """What is said of the middle frame of each clip, [N] of uint8 [N, 2 radius + 1, H, W, 3]:
        log-odds of being the game, neither limited nor smoothed.
        """
        return self._density.log_odds(self._embed(clips))

    def ask(self, frames: NDArray[np.uint8], start: int) -> NDArray[np.float32]:
        """`in_game` of consecutive ticks, float32 [n] in 0..1: from 0.5 on they look like the game.

        Where so few frames are there that none can be asked, nothing speaks against them.

        Args:
            frames: uint8 [n, H, W, 3], tick `start` first.
        """
        radius, end = self._embed.radius, start + len(frames)
        first = -(-(start + radius) // self.every) * self.every
        asked = np.arange(first, end - radius, self.every)
        if not len(asked):
            return np.ones(len(frames), np.float32)
        clips = np.stack([frames[t - radius - start : t + radius + 1 - start] for t in asked])
        said = np.clip(self.log_odds(clips), -STRONGEST, STRONGEST)
        parts = np.round(said * PARTS).astype(np.int64)  # whole: their sums have no rounding
        ticks = np.arange(start, end)
        low = np.searchsorted(asked, ticks - self._reach)
        high = np.searchsorted(asked, ticks + self._reach, side="right")
        sums = np.concatenate([[0], np.cumsum(parts)])
        # At the end of a video less than `every` ticks may have nothing near: the nearest speaks.
        nearest = np.clip(np.searchsorted(asked, ticks), 0, len(asked) - 1)
        mean = np.where(
            high > low, (sums[high] - sums[low]) / np.maximum(high - low, 1), parts[nearest]
        )
        return (0.5 * (1 + np.tanh(mean / PARTS / 2))).astype(np.float32)


def question_of(
    checkpoint: Checkpoint, model: InverseDynamicsModel, tick_hz: float
) -> GameQuestion | None:
    """What an IDM can be asked; None for one of before, or one that saw too little play.

    Raises CheckpointError where what the checkpoint keeps does not fit.
    """
    if (entry := entry_of(checkpoint)) is None:
        return None
    density = GameDensity.of(checkpoint.beside[GAME], entry)
    return GameQuestion(density, model, tick_hz)


def entry_of(checkpoint: Checkpoint) -> Mapping[str, object] | None:
    """What a checkpoint's configuration says of the game's density, if it has one."""
    found: Mapping[str, object] | None = checkpoint.config.get(GAME)
    return found
