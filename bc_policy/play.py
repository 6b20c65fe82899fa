"""Episodes of a task: how well a policy (or random play) does, and a video of it.

seeds ► lanes of worker processes: game ► frames ► player ► actions ► game … ► episodes ► score.json
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.actions.spec import ActionSpec
from ..games.task import Task
from ..games.tasks import find_task
from ..machine import cores
from ..networks.checkpoints import Checkpoint, load_checkpoint
from ..progress import Progress, log
from ..settings import to_plain
from ..storage import write_atomic
from ..training.interrupts import StopRequest
from ..training.intervals import interval_words
from .scoring.config import PlayConfig
from .scoring.episodes import Episode, KeptEpisodes
from .scoring.pool import EpisodePool
from .scoring.results import SCORE_FILE, Played, compared_with, score_content


def play(config: PlayConfig) -> int:
    """Play the episodes and write `score.json`, and `episode.mp4`. Returns the exit code.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the episodes that are done are kept for the next run.
        CheckpointError, ConfigError: what cannot be played.
    """
    task = find_task(config.task)
    checkpoints: list[Checkpoint | None] = (
        [None]
        if config.random
        else [
            load_checkpoint(place).require_kind("policy")
            for place in (config.checkpoint, *config.other_seeds)
        ]
    )
    # Before the play: a folder that cannot be made is told at once.
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    players, kept = [], []
    places = (config.checkpoint, *config.other_seeds)
    for number, (place, checkpoint) in enumerate(zip(places, checkpoints, strict=True)):
        spec = random_spec(config, task) if checkpoint is None else checkpoint.spec()
        digest = None if checkpoint is None else checkpoint.sha256
        store = KeptEpisodes(out, identity_of(config, task, spec, digest))
        video = config.video and number == 0
        episodes = play_episodes(config, task, place, spec, store, video=video)
        players.append(Played(place or None, digest, episodes))
        kept.append(store)
    figures = score_content(task, players)
    result: dict[str, Any] = {
        "task": task.name,
        "player": f"random ({config.random_style})" if config.random else "policy",
        "checkpoint": players[0].checkpoint,
        "checkpoint_sha256": players[0].sha256,
        **figures,
        "crashes": sum(info.get("crashes", 0) for info in figures["infos"]),
        "score_unit": task.score,
        "seconds": time.monotonic() - started,
        "config": to_plain(config),
    }
    if config.against:
        result["against"] = compared_with(config.against, task, players)
    write_atomic(str(out / SCORE_FILE), (json.dumps(result, indent=1) + "\n").encode())
    for store in kept:
        store.remove()
    tell(result)
    return 0


def tell(result: dict[str, Any]) -> None:
    """The headline of a score, in the log."""
    ci95 = result["ci95"]
    log(
        f"{result['task']}: {result['mean']:.1f} ({interval_words(ci95 and tuple(ci95))}) "
        f"over {result['episodes']} episodes; one point is {result['score_unit']}"
    )
    for one in result.get("per_seed", ()):
        log(f"  {one['checkpoint']}: {one['mean']:.1f}")
    if "against" in result:
        against = result["against"]
        ends = interval_words(against["difference_ci95"])
        log(f"  {against['difference']:+.1f} ({ends}) against {against['score']}, same worlds")


def random_spec(config: PlayConfig, task: Task) -> ActionSpec:
    """The spec of random play: the task's own game's where none is named."""
    return ActionSpec.load(config.spec or task.game)


def identity_of(
    config: PlayConfig, task: Task, spec: ActionSpec, digest: str | None
) -> dict[str, Any]:
    """What decides an episode beside its seed."""
    return {
        "task": to_plain(task),
        "spec": spec.to_dict(),
        "player": digest or config.random_style,
        "temperature": config.temperature,
        "lanes": config.lanes,
        "seed": config.seed,
    }


def play_episodes(
    config: PlayConfig,
    task: Task,
    checkpoint: str,
    spec: ActionSpec,
    kept: KeptEpisodes,
    *,
    video: bool,
) -> list[Episode]:
    """The episodes of one player, in order: those that are kept, and the others played now.

    Args:
        checkpoint: of the policy; empty for random play.
        video: whether episode 0 is filmed.
    """
    done = {one.index: one for one in kept.read() if one.index < config.episodes}
    missing = [index for index in range(config.episodes) if index not in done]
    if not missing:
        return [done[index] for index in sorted(done)]
    longest = round(task.seconds * float(spec.tick_hz))  # of an episode, in ticks
    workers = min(-(-len(missing) // config.lanes), config.workers or cores())
    pool = EpisodePool(config, checkpoint, spec, missing, workers=workers, video=video)
    total = longest * config.episodes - sum(longest - one.ticks for one in done.values())
    with (
        StopRequest() as stop,
        Progress(f"Playing {task.name}", total=total, unit="ticks") as progress,
    ):
        progress.resume_at(sum(one.ticks for one in done.values()))
        for message in pool.play(lambda: stop.requested):
            if isinstance(message, int):
                progress.advance(message)
                continue
            kept.add(message)
            done[message.index] = message
            # Episodes that ended early leave ticks that nobody will play.
            progress.total = (progress.total or 0) - (longest - message.ticks)
            score = float(np.mean([one.score for one in done.values()]))
            progress.advance(0, episodes=len(done), score=score)
        if len(done) < config.episodes:
            stop.leave(f"{len(done)} of {config.episodes} episodes")
    return [done[index] for index in sorted(done)]
