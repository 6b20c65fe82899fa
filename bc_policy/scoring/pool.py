"""Processes that play the episodes of one player.

Episode i plays in lane i modulo L, whichever process plays it: where a row stands in a batch may
decide the last bits of a sum, and so a score would depend on the number of processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from ...datasets.actions.spec import ActionSpec
from ...games.tasks import make_env
from ...games.workers import Worker, WorkerDiedError, ready, working
from ...progress import log
from ..policy.agent import Agent
from ..policy.policy import action_delay_of, load_policy
from .config import PlayConfig
from .episodes import Episode
from .lanes import Lanes
from .players import Player, RandomPlayer

VIDEO_FILE = "episode.mp4"
MAX_DEATHS = 3  # of processes before a run is given up: then it is not chance
POLL_S = 0.5


class EpisodePool:
    """Plays episodes in several processes.

    Args:
        config: of the play. checkpoint: of the player; empty for random play.
        spec: that it plays through.
        indices: of the episodes.
        workers: how many processes at most.
        video: whether episode 0 is filmed.
    """

    def __init__(
        self,
        config: PlayConfig,
        checkpoint: str,
        spec: ActionSpec,
        indices: Sequence[int],
        *,
        workers: int,
        video: bool,
    ):
        self._arguments = (config, checkpoint, spec.to_dict(), video)
        self._lanes = config.lanes
        self._waiting: list[deque[int]] = [deque() for _ in range(config.lanes)]
        for index in sorted(indices):
            self._waiting[index % config.lanes].append(index)
        self._left = len(indices)
        self._most = workers
        self._held: dict[Worker, dict[int, int]] = {}  # lane ► index
        self.deaths = 0

    def play(self, stopped: Callable[[], bool]) -> Iterator[Episode | int]:
        """Yields episodes as they end, and numbers of ticks; ends early where `stopped` says so."""
        share = -(-self._left // max(1, min(self._most, self._left)))
        pool: list[Worker] = []
        with working(pool):
            while any(self._waiting) and len(pool) < self._most:
                free = [lane for lane, waiting in enumerate(self._waiting) if waiting][:share]
                pool.append(self._hire({lane: self._waiting[lane].popleft() for lane in free}))
            while self._left and not stopped():
                for worker in ready(pool, POLL_S):
                    try:
                        message = worker.receive()
                        if isinstance(message, Episode):
                            self._left -= 1
                            yield message
                            self._follow(worker, message.index)
                        else:
                            yield message
                    except WorkerDiedError as death:
                        pool.remove(worker)
                        worker.close()
                        pool.append(self._replace(worker, death))

    def _hire(self, begin: dict[int, int]) -> Worker:
        worker = Worker(play_worker, *self._arguments)
        worker.send(begin)
        self._held[worker] = begin
        return worker

    def _replace(self, dead: Worker, death: WorkerDiedError) -> Worker:
        self.deaths += 1
        if self.deaths > MAX_DEATHS:
            raise death
        log(f"{death}; its episodes are played again")
        return self._hire(self._held.pop(dead))

    def _follow(self, worker: Worker, index: int) -> None:
        """Give a worker the episode that comes after one that is done, if there is one."""
        lane = index % self._lanes
        del self._held[worker][lane]
        following = self._waiting[lane].popleft() if self._waiting[lane] else None
        if following is not None:
            self._held[worker][lane] = following
        worker.send(("next", following))


def play_worker(
    connection: Connection,
    config: PlayConfig,
    checkpoint: str,
    spec_content: dict[str, Any],
    video: bool,
) -> None:
    """In the child: play the episodes that come through the pipe until None comes."""
    torch.set_num_threads(1)  # the workers share the cores
    player: Player
    if checkpoint:
        policy, stored = load_policy(checkpoint)
        player = Agent(
            policy,
            config.lanes,
            temperature=config.temperature,
            action_delay=action_delay_of(stored),
        )
    else:
        player = RandomPlayer(ActionSpec.from_dict(spec_content), config.lanes, config.random_style)
    envs = [make_env(config.task, config.seed, player.spec) for _ in range(config.lanes)]
    film = Path(config.out) / VIDEO_FILE if video else None
    lanes = Lanes(player, envs, seed=config.seed, task=config.task, video=film)

    def following(lane: int) -> int | None:
        message = connection.recv()
        if message is None:
            raise EOFError  # the parent needs no more
        return message[1]

    try:
        while (begin := connection.recv()) is not None:
            for message in lanes.play(begin, following):
                connection.send(message)
    finally:
        for env in envs:
            env.close()
