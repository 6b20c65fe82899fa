"""Episodes of a task: how well a policy (or random play) does, and a video of it.

seeds ► groups of lanes ► worker processes: game ► frames ► player ► actions ► game …
      ► scores ► score.json
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.actions.spec import ActionSpec
from ..games.env import GameEnv
from ..games.tasks import find_task, make_env
from ..games.workers import Worker, ready, working
from ..machine import cores
from ..networks.checkpoints import load_checkpoint
from ..progress import Progress, log
from ..settings import to_plain
from ..storage import write_atomic
from ..training.interrupts import StopRequest
from ..training.intervals import interval_words, mean_interval
from .policy.policy import load_policy
from .scoring.config import PlayConfig
from .scoring.overlay import EpisodeVideo
from .scoring.players import Agent, Player, RandomPlayer

SCORE_FILE = "score.json"
VIDEO_FILE = "episode.mp4"
REPORT_TICKS = 50  # of each lane: how often a worker tells how far it is


@dataclass(frozen=True, slots=True)
class Episode:
    """The outcome of one episode."""

    index: int
    seed: int
    score: float
    reward: float
    ticks: int
    info: dict[str, Any]


def play(config: PlayConfig) -> int:
    """Play the episodes and write `score.json`, and `episode.mp4`. Returns the exit code.

    Raises:
        Interrupted: Ctrl-C or SIGTERM.
        CheckpointError, ConfigError: what cannot be played.
    """
    task = find_task(config.task)
    checkpoint = (
        None if config.random else load_checkpoint(config.checkpoint).require_kind("policy")
    )
    spec = ActionSpec.load(config.spec) if checkpoint is None else checkpoint.spec()
    groups = [
        list(range(start, min(start + config.lanes, config.episodes)))
        for start in range(0, config.episodes, config.lanes)
    ]
    workers = min(len(groups), config.workers or cores())
    # Before the play: a folder that cannot be made is told at once.
    Path(config.out).mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    episodes = play_groups(config, spec, groups, workers)
    scores = [episode.score for episode in episodes]
    ci95 = mean_interval(scores)
    result = {
        "task": config.task,
        "player": f"random ({config.random_style})" if config.random else "policy",
        "checkpoint": None if checkpoint is None else config.checkpoint,
        "checkpoint_sha256": None if checkpoint is None else checkpoint.sha256,
        "episodes": len(episodes),
        "mean": float(np.mean(scores)),
        "ci95": None if ci95 is None else list(ci95),
        "median": float(np.median(scores)),
        "scores": scores,
        "seeds": [episode.seed for episode in episodes],
        "ticks": [episode.ticks for episode in episodes],
        "infos": [episode.info for episode in episodes],
        "score_unit": task.score,
        "seconds": time.monotonic() - started,
        "config": to_plain(config),
    }
    write_atomic(str(Path(config.out) / SCORE_FILE), (json.dumps(result, indent=1) + "\n").encode())
    log(
        f"{config.task}: {result['mean']:.1f} ({interval_words(ci95)}) "
        f"over {len(episodes)} episodes; one point is {task.score}"
    )
    return 0


def play_groups(
    config: PlayConfig, spec: ActionSpec, groups: list[list[int]], workers: int
) -> list[Episode]:
    """Deal the groups out to worker processes; returns the episodes in order."""
    episodes: list[Episode] = []
    waiting = list(groups)
    longest = round(find_task(config.task).seconds * float(spec.tick_hz))  # of an episode, in ticks
    most = longest * config.episodes
    with (
        StopRequest() as stop,
        working([Worker(play_worker, config, spec.to_dict()) for _ in range(workers)]) as pool,
        Progress(f"Playing {config.task}", total=most, unit="ticks") as progress,
    ):
        for worker in pool:
            worker.send(waiting.pop(0))
        while len(episodes) < config.episodes:
            for worker in ready(pool, timeout_s=0.5):
                message = worker.receive()
                if isinstance(message, int):
                    progress.advance(message)
                    continue
                episodes += message
                # Episodes that ended early leave ticks that nobody will play.
                unplayed = sum(longest - episode.ticks for episode in message)
                progress.total = (progress.total or 0) - unplayed
                score = float(np.mean([episode.score for episode in episodes]))
                progress.advance(0, episodes=len(episodes), score=score)
                if waiting:
                    worker.send(waiting.pop(0))
            if stop.requested:
                stop.leave(f"{len(episodes)} of {config.episodes} episodes")
    return sorted(episodes, key=lambda episode: episode.index)


def play_worker(connection: Connection, config: PlayConfig, spec_content: dict[str, Any]) -> None:
    """In the child: play the groups of episodes that come through the pipe until None comes."""
    torch.set_num_threads(1)  # the workers share the cores
    player: Player
    if config.random:
        player = RandomPlayer(ActionSpec.from_dict(spec_content), config.lanes, config.random_style)
    else:
        policy, _ = load_policy(config.checkpoint)
        player = Agent(policy, config.lanes, temperature=config.temperature)
    envs = [make_env(config.task, config.seed, player.spec) for _ in range(config.lanes)]
    try:
        while (group := connection.recv()) is not None:
            connection.send(play_lanes(config, player, envs, group, connection))
    finally:
        for env in envs:
            env.close()


def play_lanes(
    config: PlayConfig,
    player: Player,
    envs: list[GameEnv],
    group: list[int],
    connection: Connection,
) -> list[Episode]:
    """Play the episodes of a group side by side, one per lane; ticks are reported as they go."""
    spec = player.spec
    frames = np.zeros((len(envs), spec.frame.height, spec.frame.width, 3), dtype=np.uint8)
    seeds = [config.seed + index for index in group]
    rewards, ticks = np.zeros(len(group)), np.zeros(len(group), dtype=int)
    done: dict[int, Episode] = {}
    for lane, seed in enumerate(seeds):
        frames[lane] = envs[lane].reset(seed)
        player.start(lane, seed)
    video = (
        EpisodeVideo(Path(config.out) / VIDEO_FILE, spec)
        if config.video and group[0] == 0
        else None
    )
    score = unreported = 0
    while len(done) < len(group):
        buttons, camera_deg = player.act(frames)
        for lane, index in enumerate(group):
            if lane in done:
                continue
            if video is not None and lane == 0:
                caption = (
                    f"{config.task}   {ticks[0] / float(spec.tick_hz):5.1f} s   score {score:g}"
                )
                video.write(envs[0].render(), buttons[0], camera_deg[0], caption)
            frames[lane], reward, over, info = envs[lane].step(buttons[lane], camera_deg[lane])
            rewards[lane] += reward
            ticks[lane] += 1
            unreported += 1
            if lane == 0:
                score = info["score"]
            if over:
                rest = {key: value for key, value in info.items() if key != "score"}
                done[lane] = Episode(
                    index,
                    seeds[lane],
                    float(info["score"]),
                    float(rewards[lane]),
                    int(ticks[lane]),
                    rest,
                )
                frames[lane] = 0  # an idle lane stays in the batch, whose size decides last bits
                if video is not None and lane == 0:
                    video.close()
                    video = None
        if unreported >= REPORT_TICKS * len(group):
            connection.send(unreported)
            unreported = 0
    connection.send(unreported)
    return [done[lane] for lane in range(len(group))]
