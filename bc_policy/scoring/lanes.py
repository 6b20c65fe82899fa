"""Episodes side by side in one batch: a lane whose episode ends takes up the next one.

L lanes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...games.env import GameCrashedError, GameEnv
from .episodes import Episode
from .overlay import EpisodeVideo
from .players import Player

REPORT_TICKS = 50  # of each lane: how often it is told how far the play is
MAX_CRASHES = 3  # of the game in one episode, after which it is not chance


@dataclass(slots=True)
class _Lane:
    """The running episode of a lane."""

    index: int
    seed: int
    reward: float = 0.0
    ticks: int = 0
    score: float = 0.0
    crashes: int = 0
    video: EpisodeVideo | None = None


class Lanes:
    """Plays episodes in L lanes.

    Args:
        player, envs: of L lanes.
        seed: episode i has the seed `seed + i`.
        task: its name, for the video's caption.
        video: where the film of episode 0 goes, if anywhere.
    """

    def __init__(
        self,
        player: Player,
        envs: Sequence[GameEnv],
        *,
        seed: int,
        task: str = "",
        video: Path | None = None,
    ):
        self.player, self.envs, self.seed = player, envs, seed
        self._task, self._video = task, video
        frame = player.spec.frame
        # An idle lane stays in the batch, black: its size decides the last bits of a sum.
        self._frames = np.zeros((len(envs), frame.height, frame.width, 3), dtype=np.uint8)
        self._running: dict[int, _Lane] = {}

    def play(
        self, begin: Mapping[int, int], following: Callable[[int], int | None]
    ) -> Iterator[Episode | int]:
        """Yields each episode as it ends, and now and then how many ticks were played since.

        Args:
            begin: lane ► index of its first episode.
            following: asked for the index of a lane's next episode once the last was yielded; None
                leaves the lane idle.
        """
        for lane, index in begin.items():
            self._start(lane, _Lane(index, self.seed + index))
        unreported = 0
        while self._running:
            buttons, camera_deg = self.player.act(self._frames)
            unreported += len(self._running)
            for lane in list(self._running):
                episode = self._step(lane, buttons[lane], camera_deg[lane])
                if episode is None:
                    continue
                yield episode
                coming = following(lane)
                if coming is not None:
                    self._start(lane, _Lane(coming, self.seed + coming))
            if unreported >= REPORT_TICKS * len(self.envs):
                yield unreported
                unreported = 0
        yield unreported

    def _start(self, lane: int, state: _Lane) -> None:
        self._frames[lane] = self.envs[lane].reset(state.seed)
        self.player.start(lane, state.seed)
        if state.index == 0 and self._video is not None:
            state.video = EpisodeVideo(self._video, self.player.spec)
        self._running[lane] = state

    def _step(self, lane: int, buttons: np.ndarray, camera_deg: np.ndarray) -> Episode | None:
        state, env = self._running[lane], self.envs[lane]
        if state.video is not None:
            seconds = state.ticks / float(self.player.spec.tick_hz)
            caption = f"{self._task}   {seconds:5.1f} s   score {state.score:g}"
            state.video.write(env.render(), buttons, camera_deg, caption)
        self._frames[lane], reward, over, info = env.step(buttons, camera_deg)
        state.reward += reward
        state.ticks += 1
        state.score = float(info["score"])
        if not over:
            return None
        if info.get("crashed"):
            self._again(lane, state)
            return None
        if state.video is not None:
            state.video.close()
        del self._running[lane]
        self._frames[lane] = 0
        rest = {key: value for key, value in info.items() if key != "score"}
        crashes = {"crashes": state.crashes} if state.crashes else {}
        return Episode(
            state.index, state.seed, state.score, state.reward, state.ticks, rest | crashes
        )

    def _again(self, lane: int, state: _Lane) -> None:
        """The game crashed: the same episode once more, which then goes the same way."""
        if state.crashes >= MAX_CRASHES:
            raise GameCrashedError(
                f"episode {state.index} (seed {state.seed}): the game crashed "
                f"{state.crashes + 1} times"
            )
        if state.video is not None:
            state.video.close()  # the film begins anew as well
        self._start(lane, _Lane(state.index, state.seed, crashes=state.crashes + 1))
