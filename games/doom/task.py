"""The ViZDoom tasks, played by keyboard and mouse through an action spec."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ...datasets.actions.devices import DeviceState, device_state_of
from ...datasets.actions.spec import ActionSpec
from ...datasets.video.resize import FrameResizer
from ...errors import ConfigError
from ..env import Task
from .game import KEYS, MOUSE_BUTTONS, TICS_PER_SECOND, DoomGame
from .maps import TEST_MAPS, TRAIN_MAPS, VALIDATION_MAPS

SCORE_CELL = 64.0
OPEN_GAMES = 2  # an engine takes half a second to start and 100 MB: keep the last ones
MAPS = {
    "explore": VALIDATION_MAPS + TEST_MAPS,
    "explore_train": TRAIN_MAPS,
    "explore_maze": ("my_way_home",),
}
SKILL = {
    "explore": 2,
    "explore_train": 2,
    "explore_maze": 2,
    "defend_the_center": 3,
    "my_way_home": 5,
    "health_gathering": 3,
}


class DoomEnv:
    """One task of `tasks.py` on ViZDoom. See `GameEnv` for the methods."""

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
        self._games: dict[str, DoomGame] = {}
        self._game: DoomGame | None = None
        self._previous: DeviceState | None = None

    def reset(self, seed: int) -> np.ndarray:
        maps = MAPS.get(self.task.name, (self.task.name,))
        draw = zlib.crc32(f"{self._seed}/{seed}".encode())
        game = self._open(maps[draw % len(maps)])
        game.reset(draw)
        if self.task.name in MAPS:
            game.command("god")
        self._game, self._previous = game, None
        self._left = round(self.task.seconds * TICS_PER_SECOND)
        self._score = 0.0
        self._cells: set[tuple[int, int]] = set()
        self._base_kills = game.situation().kills
        self._advance_score(0)
        self._score = 0.0  # the cell of the start is no merit
        return self._observe()

    def step(
        self, buttons: np.ndarray, camera_deg: np.ndarray
    ) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        game = self._playing()
        before = self._score
        whole = device_state_of(self.spec, buttons, camera_deg, previous=self._previous)
        self._previous = whole
        share = DeviceState(
            keys=whole.keys,
            buttons=whole.buttons,
            dx=whole.dx / self._tics,
            dy=whole.dy / self._tics,
        )
        tics = min(self._tics, self._left)
        game.step(share, tics)
        self._left -= tics
        self._advance_score(tics)
        done = game.finished or self._left <= 0
        info = {"score": self._score, "map": game.map_name, "truncated": done and not game.finished}
        return self._observe(), self._score - before, done, info

    def _advance_score(self, tics: int) -> None:
        game = self._playing()
        situation = game.situation()
        if self.task.name in MAPS:
            cell = (int(situation.x // SCORE_CELL), int(situation.y // SCORE_CELL))
            if cell not in self._cells:
                self._cells.add(cell)
                self._score += 1
        elif self.task.name == "defend_the_center":
            self._score = float(situation.kills - self._base_kills)
        elif self.task.name == "my_way_home":
            self._score = float(game.reward() > 0.5)
        elif not situation.dead and not game.finished:
            self._score += float(tics / TICS_PER_SECOND)

    def _open(self, map_name: str) -> DoomGame:
        game = self._games.pop(map_name, None)
        if game is None:
            while len(self._games) >= OPEN_GAMES:
                self._games.pop(next(iter(self._games))).close()
            game = DoomGame(map_name, self._seed, skill=SKILL[self.task.name])
        self._games[map_name] = game  # the one used last is the last to go
        return game

    def _playing(self) -> DoomGame:
        if self._game is None:
            raise ConfigError(f"task {self.task.name!r}: call reset(seed) before step")
        return self._game

    def _observe(self) -> np.ndarray:
        return self._resize.from_rgb(self._playing().frame)

    def render(self) -> np.ndarray:
        return self._playing().frame

    def close(self) -> None:
        for game in self._games.values():
            game.close()
        self._games.clear()
        self._game = None
