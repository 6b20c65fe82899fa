"""The Crafter tasks, played by keyboard through an action spec."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ...datasets.actions.devices import device_state_of
from ...datasets.actions.spec import ActionSpec
from ...datasets.video.resize import FrameResizer
from ...errors import ConfigError
from ..task import Task
from .frame_sizes import TILE, TILED_SIZE, UNIT
from .game import KEYS, TICKS_PER_SECOND, CrafterGame


class CrafterEnv:
    """A task on Crafter. See `GameEnv` for the methods; `info["achievements"]` names what was
    achieved.
    """

    def __init__(self, task: Task, seed: int, spec: ActionSpec):
        if not set(KEYS) & {name for button in spec.buttons for name in button.inputs}:
            raise ConfigError(
                f"task {task.name!r}: the action spec {spec.name!r} presses none of "
                "Crafter's keys; use `crafter`"
            )
        if spec.axes:
            raise ConfigError(
                f"task {task.name!r}: the action spec {spec.name!r} moves a mouse, "
                "and Crafter has none"
            )
        self.task, self.spec = task, spec
        self._seed = seed
        self._resize = FrameResizer(spec.frame)
        self._game: CrafterGame | None = None

    def reset(self, seed: int) -> np.ndarray:
        world = zlib.crc32(f"{self._seed}/{seed}".encode())
        if self._game is None:
            frame = self.spec.frame
            averaged = (frame.width, frame.height) == TILED_SIZE
            self._game = CrafterGame(world, unit=TILE if averaged else UNIT)
        else:
            self._game.reset(world)
        self._left = round(self.task.seconds * TICKS_PER_SECOND)
        self._first_health = self._game.health
        self._paid = self.task.paid(self._totals(self._game))
        return self._resize.from_rgb(self._game.frame)

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        game, before = self._playing(), self._paid
        game.step(device_state_of(self.spec, buttons, camera_deg).keys)
        self._left -= 1
        totals = self._totals(game)
        self._paid = self.task.paid(totals)
        done = game.finished or self._left <= 0
        info = {
            "score": totals[self.task.counts],
            "truncated": done and not game.finished,
            # A list: what is told of an episode goes into JSON.
            "achievements": sorted(game.achievements),
        }
        return self._resize.from_rgb(game.frame), self._paid - before, done, info

    def _totals(self, game: CrafterGame) -> dict[str, float]:
        """How often each of CRAFTER_EVENTS happened since the episode's start."""
        counts = game.achievement_counts
        different = sum(count > 0 for count in counts.values())
        health = game.health - self._first_health
        return {**counts, "achievements": float(different), "health": health}

    def render(self) -> np.ndarray:
        return self._playing().frame

    def close(self) -> None:
        self._game = None

    def _playing(self) -> CrafterGame:
        if self._game is None:
            raise ConfigError(f"task {self.task.name!r}: call reset(seed) before step")
        return self._game
