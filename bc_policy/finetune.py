"""Fine-tuning by play: a cloned policy learns a task's reward and stays near what it was.

    actors play T ticks ► the learner takes PPO steps ► the actors get the new weights ► …

A run is a function of its settings and the checkpoint; it can be stopped and resumed between two
iterations. From scratch a new network takes the place of the checkpoint.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..datasets.actions.spec import ActionSpec
from ..errors import ConfigError
from ..games.tasks import TASKS, find_task
from ..machine import cores
from ..networks.checkpoints import config_in, require_place, save_checkpoint
from ..progress import Progress, log
from ..settings import plain_but, to_plain
from ..training.device import pick_device
from ..training.log import MetricsLog
from ..training.precision import resolve_precision
from ..training.run import TrainingRun
from ..training.schedule import Budget
from .policy.config import preset_config
from .policy.policy import Policy, action_delay_of, load_policy, policy_checkpoint_config
from .rl.actors import ActorProcesses, Actors
from .rl.check import better_of
from .rl.config import FinetuneConfig
from .rl.former import begun_by_first_learner, settings_of
from .rl.ppo import PPO
from .rl.rollout import ACHIEVED, Rollout

RECENT_EPISODES = 50  # whose mean score is shown
LEARNER = 2  # of the algorithm: runs of another one are other runs
# What may change between two sessions of one run, because it does not decide what is learned; of
# checkpoint and spec the digests are part of the run.
NOT_THE_RUN = ("out", "checkpoint", "spec", "save_every", "device", "threads")


class Start(NamedTuple):
    """What a run starts from."""

    policy: Policy
    preset: str
    identity: dict[str, Any]
    """What of it makes two runs the same: digests, not the places where things lie."""
    action_delay: int = 0
    """Ticks from choosing an action to doing it, as the checkpoint was cloned."""


def finetune(config: FinetuneConfig) -> int:
    """Fine-tune a policy as `config` says and write its checkpoint. Returns the exit code.

    Raises:
        Interrupted: Ctrl-C or SIGTERM (everything is saved).
        DivergedError: the loss stays no number.
        ConfigError: another process trains into this folder, or torchrun started several.
    """
    require_place(config.out, "policy")
    task = training_task(config.task)
    start = starting_point(config)
    config, identity = run_of(config, start, task)
    run = open_run(config, identity)
    if run.is_finished(config_in(config.out).get("training")):
        log(f"{config.out} is the policy of these settings already: nothing to do")
        return 0
    if config.checkpoint and Path(config.out).resolve() == Path(config.checkpoint).resolve():
        raise ConfigError(
            f"out: {config.out} is the policy that is to be fine-tuned; use another --out"
        )
    policy = start.policy
    count = {"actors": config.actors, "lanes": config.lanes, "seed": config.seed}
    count["action_delay"] = start.action_delay
    with run, ActorProcesses(task, policy.spec, policy.config, **count) as actors:
        run_finetuning(config, start, run, actors)
    return 0


def starting_point(config: FinetuneConfig) -> Start:
    """The checkpoint's policy, or from scratch a new network."""
    if not config.scratch:
        policy, checkpoint = load_policy(config.checkpoint)
        preset = str(checkpoint.config.get("preset", "custom"))
        identity = {"start_sha256": checkpoint.sha256}
        return Start(policy, preset, identity, action_delay_of(checkpoint))
    spec = ActionSpec.load(config.spec or find_task(config.task).game)
    # Not by torch's own generator, whose state others may have changed.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        policy = Policy(spec, preset_config(config.preset, spec)).eval()
    fresh = {"start_sha256": None, "spec_sha256": spec.sha256, "network": policy.config.to_dict()}
    return Start(policy, config.preset, fresh)


def open_run(config: FinetuneConfig, identity: Mapping[str, Any]) -> TrainingRun:
    """The run of these settings, whose steps are iterations."""
    iterations = config.iterations
    if config.env_steps:
        iterations = -(-config.env_steps // config.ticks_per_iteration)
    return TrainingRun(
        config.out,
        identity,
        budget=Budget(steps=0 if config.minutes else iterations, minutes=config.minutes),
        save_every=config.save_every,
        unit="iteration",
    )


def run_finetuning(config: FinetuneConfig, start: Start, run: TrainingRun, actors: Actors) -> None:
    """Train the start's policy in place, in a run whose folder is claimed, and write its
    checkpoint.
    """
    policy = start.policy
    device = pick_device(config.device)
    torch.set_num_threads(config.threads or cores())
    learner = PPO(
        policy.to(device),
        config.learner_settings(),
        prior=not config.scratch,
        imitation=config.imitation,
        bonus=config.bonus,
        dtype=resolve_precision(config.precision, device),
        seed=config.seed,
    )
    counters = run.resume_into({"learner": learner, "actors": actors})
    env_steps = int(counters.get("env_steps", counters.get("ticks", 0)))
    crashes = int(counters.get("crashes", 0))  # games that were started again
    recent: deque[float] = deque(counters.get("recent", ()), maxlen=RECENT_EPISODES)
    with (
        closing(MetricsLog(config.out, resume_step=run.step)) as metrics,
        run.session(),
        Progress("Fine-tuning", unit="env steps") as progress,
    ):
        progress.resume_at(env_steps)
        while (fraction := run.fraction()) < 1:
            rollout = actors.collect(policy.state_dict(), config.ticks)
            began = time.perf_counter()
            measured = learner.learn(rollout, fraction)
            seconds = {**rollout.seconds, "learn": time.perf_counter() - began}
            run.step, env_steps = run.step + 1, env_steps + rollout.ticks
            scores = [one["score"] for one in rollout.episodes if not one["crashed"]]
            crashes += len(rollout.episodes) - len(scores)
            recent.extend(scores)
            score = mean_of(recent)  # an iteration alone ends too few episodes to tell
            progress.total = env_steps / run.step * run.budget.expected_steps(run.step)
            shown = {"kl": measured.get("kl_to_prior"), "score": score}
            progress.advance(
                rollout.ticks,
                reward_per_tick=measured["reward_per_tick"],
                **{name: value for name, value in shown.items() if value is not None},
            )
            metrics.write(
                run.step,
                **measured,
                score=score,
                episodes=len(scores),
                scores=scores,
                **achievements_of(rollout),
                crashes=crashes,
                env_steps=env_steps,
                env_steps_per_s=progress.rate,
                elapsed_s=run.budget.elapsed_s,
                **{f"{name}_s": value for name, value in seconds.items()},
            )
            run.save_if_due(env_steps=env_steps, crashes=crashes, recent=list(recent))
    results: dict[str, Any] = {
        "iterations": run.step,
        "env_steps": env_steps,
        "crashes": crashes,
        "seconds": run.budget.elapsed_s,
        "training_score": mean_of(recent),
    }
    weights: Mapping[str, torch.Tensor] = policy.state_dict()
    if config.check_episodes and learner.prior is not None:
        # What follows may be interrupted.
        run.save(env_steps=env_steps, crashes=crashes, recent=list(recent))
        clone, episodes = learner.prior.state_dict(), config.check_episodes
        weights, results["check"] = better_of(actors, clone, weights, episodes=episodes)
    save_checkpoint(
        config.out,
        weights,
        policy_checkpoint_config(
            policy,
            preset=start.preset,
            action_delay=start.action_delay,
            training=run.identity,
            data=[],
            metrics=results,
        ),
    )
    run.clear()
    log(f"Wrote {config.out} after {run.step} iterations, {env_steps:,} environment steps")


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


def run_of(
    config: FinetuneConfig, start: Start, task: str
) -> tuple[FinetuneConfig, dict[str, Any]]:
    """The settings of the run in the folder, and its identity: what makes two runs the same.

    These are the settings that decide what is learned, and the start. A run that the first learner
    began keeps the identity that it was begun with.
    """
    begun = begun_by_first_learner(config.out, config_in(config.out).get("training"))
    of_start = {"task": task, **start.identity}
    if begun is not None and all(begun.get(name) == value for name, value in of_start.items()):
        tick_hz = float(start.policy.spec.tick_hz)
        if (former := settings_of(config, begun, tick_hz=tick_hz)) is not None:
            return former, begun
    settings = plain_but(config, NOT_THE_RUN)
    settings["ppo"] = to_plain(config.learner_settings())
    if task not in TASKS:  # a file, whose content may change
        settings["rules"] = to_plain(find_task(task))
    return config, {**settings, **of_start, "learner": LEARNER}


def achievements_of(rollout: Rollout) -> dict[str, dict[str, int]]:
    """In how many of the episodes that ended each was achieved, where a game has achievements."""
    names = [name for one in rollout.episodes if not one["crashed"] for name in one]
    found = Counter(name.removeprefix(ACHIEVED) for name in names if name.startswith(ACHIEVED))
    return {"achieved": dict(sorted(found.items()))} if found else {}


def mean_of(scores: deque[float]) -> float | None:
    """The mean of the scores, None where no episode ended."""
    return float(np.mean(scores)) if scores else None
