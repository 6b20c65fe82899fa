"""The ViZDoom tasks, played by keyboard and mouse through an action spec."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ...datasets.actions.devices import DeviceState, device_state_of
from ...datasets.actions.spec import ActionSpec
from ...datasets.video.resize import FrameResizer
from ...errors import ConfigError
from ...progress import log
from ..env import GameCrashedError
from ..task import Task
from .episodes import DoomEpisodes
from .game import KEYS, MOUSE_BUTTONS, TICS_PER_SECOND


class DoomEnv:
    """A task on ViZDoom. See `GameEnv` for the methods."""

    def __init__(self, task: Task, seed: int, spec: ActionSpec):
        known = {*KEYS, *(f"mouse.{n}" for n in MOUSE_BUTTONS)}
        if not known & {name for button in spec.buttons for name in button.inputs}:
            raise ConfigError(
                f"task {task.name!r}: the action spec {spec.name!r} presses none of "
                "Doom's keys; use the spec `doom`"
            )
        self.task, self.spec = task, spec
        self._seed = seed
        self._resize = FrameResizer(spec.frame)
        self._tics = max(1, round(TICS_PER_SECOND / spec.tick_hz))
        self._episodes = DoomEpisodes(task, seed)
        self._previous: DeviceState | None = None
        self._paid: float | None = None  # None: no episode has begun

    def reset(self, seed: int) -> np.ndarray:
        self._episodes.begin(zlib.crc32(f"{self._seed}/{seed}".encode()))
        self._previous = None
        self._paid = self.task.paid(self._episodes.totals)
        return self._resize.from_rgb(self.render())

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        if self._paid is None:
            raise ConfigError(f"task {self.task.name!r}: call reset(seed) before step")
        episode, before = self._episodes, self._paid
        whole = device_state_of(self.spec, buttons, camera_deg, previous=self._previous)
        self._previous = whole
        share = DeviceState(
            keys=whole.keys,
            buttons=whole.buttons,
            dx=whole.dx / self._tics,
            dy=whole.dy / self._tics,
        )
        try:
            episode.play(share, self._tics)
        except GameCrashedError as crash:
            log(f"{crash}; the episode ends here")
            ended = {"score": episode.score, "truncated": True, "crashed": True}
            return self._resize.from_rgb(self.render()), 0.0, True, ended
        self._paid = self.task.paid(episode.totals)
        info = {
            "score": episode.score,
            "map": episode.game.map_name,
            "truncated": episode.truncated,
        }
        return self._resize.from_rgb(self.render()), self._paid - before, episode.over, info

    def render(self) -> np.ndarray:
        return self._episodes.game.frame

    def close(self) -> None:
        self._episodes.close()
        self._paid = None
