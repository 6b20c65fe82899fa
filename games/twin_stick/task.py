"""The Twin Stick task, played by gamepad through an action spec."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ...datasets.actions.devices import device_state_of
from ...datasets.actions.spec import ActionSpec
from ...datasets.video.resize import FrameResizer
from ...errors import ConfigError
from ..task import Task
from .game import STICKS, TICKS_PER_SECOND, TwinStickGame


class TwinStickEnv:
    """A task on Twin Stick. See `GameEnv` for the methods."""

    def __init__(self, task: Task, seed: int, spec: ActionSpec):
        if missing := sorted(set(STICKS) - {axis.input for axis in spec.axes}):
            raise ConfigError(
                f"task {task.name!r}: the action spec {spec.name!r} has no axis for {missing[0]}; "
                "use `twin_stick` or `gamepad`"
            )
        self.task, self.spec = task, spec
        self._seed = seed
        self._resize = FrameResizer(spec.frame)
        self._game: TwinStickGame | None = None

    def reset(self, seed: int) -> np.ndarray:
        self._game = TwinStickGame(zlib.crc32(f"{self._seed}/{seed}".encode()))
        self._left = round(self.task.seconds * TICKS_PER_SECOND)
        return self._resize.from_rgb(self._game.frame)

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        game = self._playing()
        before = self.task.paid(self._totals(game))
        state = device_state_of(self.spec, buttons, camera_deg)
        game.step(state.keys, state.axes)
        self._left -= 1
        totals = self._totals(game)
        done = self._left <= 0
        info = {"score": totals[self.task.counts], "truncated": done}
        return self._resize.from_rgb(game.frame), self.task.paid(totals) - before, done, info

    def _totals(self, game: TwinStickGame) -> dict[str, float]:
        """How often each of TWIN_STICK_EVENTS happened since the episode's start."""
        return {**game.counts, "points": float(game.points)}

    def render(self) -> np.ndarray:
        return self._playing().frame

    def close(self) -> None:
        self._game = None

    def _playing(self) -> TwinStickGame:
        if self._game is None:
            raise ConfigError(f"task {self.task.name!r}: call reset(seed) before step")
        return self._game
