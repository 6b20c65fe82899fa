"""Fine-tuning by play: a cloned policy learns a task's reward and stays near what it was.

    actors play T ticks ► the learner takes PPO steps ► the actors get the new weights ► …

A run is a function of its settings and the checkpoint; it can be stopped and resumed between two
iterations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError
from ..games.tasks import TASKS, find_task
from ..machine import cores
from ..networks.checkpoints import Checkpoint, load_checkpoint, require_place, save_checkpoint
from ..progress import Progress, log
from ..settings import to_plain
from ..training.device import pick_device
from ..training.log import MetricsLog
from ..training.precision import resolve_precision
from ..training.run import TrainingRun
from ..training.schedule import Budget
from .policy.policy import Policy, load_policy, policy_checkpoint_config
from .rl.actors import ActorProcesses, Actors
from .rl.config import FinetuneConfig
from .rl.ppo import PPO

RECENT_EPISODES = 50  # whose mean score is shown
# What may change between two sessions of one run, because it does not decide what is learned.
NOT_THE_RUN = ("out", "checkpoint", "save_every", "device", "threads")


def finetune(config: FinetuneConfig) -> int:
    """Fine-tune a policy as `config` says and write its checkpoint. Returns the exit code.

    Raises:
        Interrupted: Ctrl-C or SIGTERM (everything is saved).
        DivergedError: the loss stays no number.
        ConfigError: another process trains into this folder, or torchrun started several.
    """
    require_place(config.out, "policy")
    task = training_task(config.task)
    policy, checkpoint = load_policy(config.checkpoint)
    run = open_run(config, run_identity(config, checkpoint, task))
    if run.is_finished(trained_identity(config.out)):
        log(f"{config.out} is the policy of these settings already: nothing to do")
        return 0
    if Path(config.out).resolve() == Path(config.checkpoint).resolve():
        raise ConfigError(
            f"out: {config.out} is the policy that is to be fine-tuned; use another --out"
        )
    preset = checkpoint.config.get("preset", "custom")
    count = {"actors": config.actors, "lanes": config.lanes, "seed": config.seed}
    with run, ActorProcesses(task, policy.spec, policy.config, **count) as actors:
        run_finetuning(config, policy, preset, run, actors)
    return 0


def open_run(config: FinetuneConfig, identity: Mapping[str, Any]) -> TrainingRun:
    """The run of these settings, whose steps are iterations."""
    return TrainingRun(
        config.out,
        identity,
        budget=Budget(steps=0 if config.minutes else config.iterations, minutes=config.minutes),
        save_every=config.save_every,
        unit="iteration",
    )


def run_finetuning(
    config: FinetuneConfig, policy: Policy, preset: str, run: TrainingRun, actors: Actors
) -> None:
    """Train `policy` in place, in a run whose folder is claimed, and write its checkpoint."""
    device = pick_device(config.device)
    torch.set_num_threads(config.threads or cores())
    learner = PPO(
        policy.to(device),
        config.ppo,
        dtype=resolve_precision(config.precision, device),
        seed=config.seed,
    )
    counters = run.resume_into({"learner": learner, "actors": actors})
    ticks = int(counters.get("ticks", 0))
    recent: deque[float] = deque(counters.get("recent", ()), maxlen=RECENT_EPISODES)
    with (
        closing(MetricsLog(config.out, resume_step=run.step)) as metrics,
        run.session(),
        Progress("Fine-tuning", unit="ticks") as progress,
    ):
        progress.resume_at(ticks)
        while run.fraction() < 1:
            rollout = actors.collect(policy.state_dict(), config.ticks)
            measured = learner.learn(rollout)
            run.step, ticks = run.step + 1, ticks + rollout.ticks
            recent.extend(episode["score"] for episode in rollout.episodes)
            score = mean_of(recent)  # an iteration alone ends too few episodes to tell
            progress.total = ticks / run.step * run.budget.expected_steps(run.step)
            shown = {"reward_per_tick": measured["reward_per_tick"], "kl": measured["kl_to_prior"]}
            progress.advance(rollout.ticks, **shown, **({} if score is None else {"score": score}))
            play = {"score": score, "episodes": len(rollout.episodes), "ticks": ticks}
            speed = {"ticks_per_s": progress.rate, "elapsed_s": run.budget.elapsed_s}
            metrics.write(run.step, **measured, **play, **speed)
            run.save_if_due(ticks=ticks, recent=list(recent))
    results = {
        "iterations": run.step,
        "ticks": ticks,
        "seconds": run.budget.elapsed_s,
        "training_score": mean_of(recent),
    }
    save_checkpoint(
        config.out,
        policy.state_dict(),
        policy_checkpoint_config(
            policy, preset=preset, training=run.identity, data=[], metrics=results
        ),
    )
    run.clear()
    log(f"Wrote {config.out} after {run.step} iterations, {ticks:,} ticks")


def training_task(name: str) -> str:
    """The task that is trained on: `<name>_train` where there is one.

    So a score is not one of the maps that the policy was trained on.
    """
    find_task(name)
    training = f"{name}_train"
    if training in TASKS:
        log(f"Training on '{training}', the training maps of '{name}'")
        return training
    return name


def run_identity(config: FinetuneConfig, checkpoint: Checkpoint, task: str) -> dict[str, Any]:
    """What makes two runs the same: the settings that decide what is learned, and the start."""
    settings = {name: value for name, value in to_plain(config).items() if name not in NOT_THE_RUN}
    return {**settings, "task": task, "start": checkpoint.uri, "start_sha256": checkpoint.sha256}


def trained_identity(out: str) -> dict[str, Any] | None:
    """The identity of the run whose checkpoint lies in `out`; None where there is none."""
    try:
        return load_checkpoint(out).config.get("training")
    except CheckpointError:
        return None


def mean_of(scores: deque[float]) -> float | None:
    """The mean of the scores, None where no episode ended."""
    return float(np.mean(scores)) if scores else None
