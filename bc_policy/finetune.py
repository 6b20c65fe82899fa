"""Fine-tuning by play: a cloned policy learns a task's reward and stays near what it was.

    actors play T ticks ► the learner takes PPO steps ► the actors get the new weights ► …

A run is a function of its settings and the checkpoint; it can be stopped and started again between two iterations.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError
from ..games.tasks import TASKS, make_env
from ..machine import cores
from ..networks.checkpoints import Checkpoint, load_checkpoint, require_place, save_checkpoint
from ..progress import Progress, log
from ..settings import to_plain
from ..training.device import pick_device
from ..training.interrupts import StopRequest
from ..training.log import MetricsLog
from ..training.precision import resolve_precision
from ..training.resume import Snapshots
from ..training.schedule import Budget
from .config import FinetuneConfig
from .policy.policy import Policy, load_policy, policy_checkpoint_config
from .rl.actors import ActorProcesses, Actors
from .rl.ppo import PPO

SNAPSHOTS = "snapshots"  # a folder beside the checkpoint, while the run goes
RECENT_EPISODES = 50  # whose mean score is shown
# What may change between two sessions of one run, because it does not decide what is learnt.
NOT_THE_RUN = ("out", "checkpoint", "save_every", "device", "threads")


def finetune(config: FinetuneConfig) -> int:
    """Fine-tune a policy as `config` says and write its checkpoint. Returns the exit code.

    Raises Interrupted after Ctrl-C or SIGTERM (everything is saved), DivergedError where the loss stays no number.
    """
    require_place(config.out, "policy")
    task = training_task(config.task)
    policy, checkpoint = load_policy(config.checkpoint)
    run = run_identity(config, checkpoint, task)
    if is_finished(config.out, run):
        log(f"{config.out} is the policy of these settings already: nothing to do")
        return 0
    if Path(config.out).resolve() == Path(config.checkpoint).resolve():
        raise ConfigError(
            f"out: {config.out} is the policy that is to be fine-tuned; use another --out"
        )
    with ActorProcesses(
        task, policy.spec, policy.config, actors=config.actors, lanes=config.lanes, seed=config.seed
    ) as actors:
        run_finetuning(config, policy, checkpoint.config.get("preset", "custom"), run, actors)
    return 0


def run_finetuning(
    config: FinetuneConfig, policy: Policy, preset: str, run: dict[str, Any], actors: Actors
) -> None:
    """The loop. `policy` is trained in place."""
    device = pick_device(config.device)
    torch.set_num_threads(config.threads or cores())
    learner = PPO(
        policy.to(device),
        config.ppo,
        dtype=resolve_precision(config.precision, device),
        seed=config.seed,
    )
    budget = Budget(steps=0 if config.minutes else config.iterations, minutes=config.minutes)
    snapshots = Snapshots(Path(config.out) / SNAPSHOTS, run)
    iteration, ticks = 0, 0
    recent: deque[float] = deque(maxlen=RECENT_EPISODES)
    if (last := snapshots.load_last()) is not None:
        iteration, state = last
        learner.load_state_dict(state["learner"])
        actors.load_state_dict(state["actors"])
        ticks = state["ticks"]
        recent.extend(state["recent"])
        budget.start(state["elapsed_s"])
        log(f"Going on from iteration {iteration}")
    else:
        budget.start()
    metrics = MetricsLog(config.out, resume_step=iteration or None)

    with StopRequest() as stop, Progress("Fine-tuning", unit="ticks") as progress:
        progress.resume_at(ticks)
        while budget.fraction(iteration) < 1:
            rollout = actors.collect(policy.state_dict(), config.ticks)
            measured = learner.learn(rollout)
            iteration, ticks = iteration + 1, ticks + rollout.ticks
            recent.extend(episode["score"] for episode in rollout.episodes)
            score = float(np.mean(recent)) if recent else None
            progress.total = ticks / iteration * budget.expected_steps(iteration)
            shown = {"reward_per_tick": measured["reward_per_tick"], "kl": measured["kl_to_prior"]}
            progress.advance(rollout.ticks, **shown, **({} if score is None else {"score": score}))
            metrics.write(
                iteration, **measured, score=score, episodes=len(rollout.episodes), ticks=ticks,
                ticks_per_s=progress.rate, elapsed_s=budget.elapsed_s,
            )  # fmt: skip
            if stop.requested or iteration % config.save_every == 0:
                state = {
                    "learner": learner.state_dict(),
                    "actors": actors.state_dict(),
                    "ticks": ticks,
                }
                snapshots.save(
                    iteration, {**state, "recent": list(recent), "elapsed_s": budget.elapsed_s}
                )
            if stop.requested:
                stop.leave(f"iteration {iteration}")
    metrics.close()
    results = {
        "iterations": iteration,
        "ticks": ticks,
        "seconds": budget.elapsed_s,
        "training_score": score_of(recent),
    }
    save_checkpoint(
        config.out,
        policy.state_dict(),
        policy_checkpoint_config(policy, preset=preset, training=run, data=[], metrics=results),
    )
    snapshots.clear()
    log(f"Wrote {config.out} after {iteration} iterations, {ticks:,} ticks")


def training_task(name: str) -> str:
    """The task that is trained on: `<name>_train` where there is one, so that a score is not of the training maps."""
    if name not in TASKS:
        make_env(name, 0)  # raises the error that lists the tasks
    training = f"{name}_train"
    if training in TASKS:
        log(f"Training on '{training}', the training maps of '{name}'")
        return training
    return name


def run_identity(config: FinetuneConfig, checkpoint: Checkpoint, task: str) -> dict[str, Any]:
    """What makes two runs the same: the settings that decide what is learnt, and the policy they start from."""
    settings = {name: value for name, value in to_plain(config).items() if name not in NOT_THE_RUN}
    return {**settings, "task": task, "start": checkpoint.uri, "start_sha256": checkpoint.sha256}


def is_finished(out: str, run: dict[str, Any]) -> bool:
    """Whether `out` is the checkpoint of this very run."""
    try:
        return load_checkpoint(out).config.get("training") == run
    except CheckpointError:
        return False


def score_of(scores: deque[float]) -> float | None:
    """Mean of the scores, None where no episode ended."""
    return float(np.mean(scores)) if scores else None
