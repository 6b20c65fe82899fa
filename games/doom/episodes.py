"""A Doom task's episodes, tic by tic: where they begin, what is counted, and when they end.

Environments play them through an action spec, recorders at the engine's own rate.
"""

from __future__ import annotations

from pathlib import Path

from ...datasets.actions.devices import DeviceState
from ..env import GameCrashedError
from ..task import Task
from .game import TICS_PER_SECOND, DoomGame
from .maps import parse_maps, wad_of

SCORE_CELL = 64.0
GOAL_PAYS = 0.5  # more than any scenario pays for a tic, less than the goal
OPEN_GAMES = (
    2  # an engine takes half a second to start and 100 MB: one for each of Freedoom's files
)


def longest(task: Task) -> int:
    """The tics of an episode that nothing ends before its limit."""
    return round(task.seconds * TICS_PER_SECOND)


def map_of(task: Task, draw: int) -> str:
    """The map on which the episode of a draw is played."""
    maps = parse_maps(",".join(task.maps))
    return maps[draw % len(maps)]


class DoomEpisodes:
    """Plays one episode of a task after the other.

    Args:
        task: of the game `doom`.
        seed: of the engines.
        size, things: see `DoomGame`.

    `totals` counts the task's events since the episode's start, see `DOOM_EVENTS`.
    """

    def __init__(
        self, task: Task, seed: int, *, size: tuple[int, int] = (320, 240), things: bool = False
    ):
        self.task = task
        map_of(task, 0)  # a map that does not exist is told now
        self._seed, self._size, self._things = seed, size, things
        self._games: dict[tuple[Path, Path | None], DoomGame] = {}
        self.totals: dict[str, float] = {}

    def begin(self, draw: int) -> DoomGame:
        """Start an episode; the same draw gives the same map, start and chances."""
        try:
            game = self._enter(draw)
        except GameCrashedError:  # it may have died since the last episode: once anew
            self.close()
            game = self._enter(draw)
        if self.task.immortal:
            game.command("god")
        if self.task.start is not None:
            game.command(f"warp {self.task.start.x} {self.task.start.y}")
            game.idle()  # a command shows its effect with the next tic
            game.idle()
        self.left = longest(self.task)
        self._cells: set[tuple[int, int]] = set()
        self._first = game.situation()
        self._alive_tics = 0
        self.totals = dict.fromkeys(("cells", "kills", "goal", "seconds", "health", "deaths"), 0.0)
        self._count(0)
        return game

    def play(self, held: DeviceState, tics: int = 1) -> None:
        """Play so many tics, or what is left of the episode."""
        tics = min(tics, self.left)
        self.game.step(held, tics)
        self.left -= tics
        self._count(tics)

    @property
    def score(self) -> float:
        """The score so far."""
        return self.totals[self.task.counts]

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.game.finished or self.left <= 0

    @property
    def truncated(self) -> bool:
        """Whether the time limit ended it, and not the game."""
        return self.over and not self.game.finished

    def _count(self, tics: int) -> None:
        game, totals, now = self.game, self.totals, self.game.situation()
        self._cells.add((int(now.x // SCORE_CELL), int(now.y // SCORE_CELL)))
        totals["cells"] = len(self._cells) - 1.0  # the cell of the start is no merit
        totals["kills"] = float(now.kills - self._first.kills)
        totals["goal"] = float(game.reward() > GOAL_PAYS)
        totals["health"] = now.health - self._first.health
        totals["deaths"] = float(game.died)
        if not now.dead and not game.finished:
            self._alive_tics += tics
        totals["seconds"] = float(self._alive_tics / TICS_PER_SECOND)

    def _enter(self, draw: int) -> DoomGame:
        self.game = self._open(map_of(self.task, draw))
        self.game.reset(draw)
        return self.game

    def _open(self, map_name: str) -> DoomGame:
        """An engine on this map: one that is open on the same file goes over to it."""
        file = wad_of(map_name)[:2]
        game = self._games.pop(file, None)
        if game is None:
            while len(self._games) >= OPEN_GAMES:
                self._games.pop(next(iter(self._games))).close()
            game = DoomGame(
                map_name, self._seed, size=self._size, skill=self.task.skill, things=self._things
            )
        elif game.map_name != map_name:
            game.change_map(map_name)
        self._games[file] = game  # the one used last is the last to go
        return game

    def close(self) -> None:
        """Stop the engines."""
        for game in self._games.values():
            game.close()
        self._games.clear()
