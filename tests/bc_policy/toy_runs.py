"""Trainings that are started in processes of their own, to be killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from vidact.bc_policy.clone import clone
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.finetune import Start, open_run, run_finetuning
from vidact.bc_policy.policy.policy import Policy
from vidact.bc_policy.rl.actor import Actor
from vidact.bc_policy.rl.actors import LocalActors
from vidact.bc_policy.rl.config import BonusConfig, FinetuneConfig, ImitationConfig, PPOConfig
from vidact.bc_policy.rl.rollout import Rollout
from vidact.errors import VidactError

from .toy_env import TOY_NETWORK, TOY_SPEC, Recall


class Killed(LocalActors):
    """Actors whose process dies as they are asked for the rollout of that number."""

    kill_at = -1
    count = 0

    def collect(self, weights: dict[str, torch.Tensor], ticks: int) -> Rollout:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().collect(weights, ticks)


def finetune_toy(folder: Path, kill_at: int) -> None:
    """Fine-tune a new policy on Recall for nine iterations."""
    torch.manual_seed(0)
    policy = Policy(TOY_SPEC, TOY_NETWORK)
    config = FinetuneConfig(
        checkpoint="toy",
        task="recall",
        out=str(folder),
        iterations=9,
        save_every=2,
        ticks=6,
        threads=1,
        precision="float32",
        ppo=PPOConfig(learning_rate=1e-2, value_warmup=2),
        imitation=ImitationConfig(weight=0.1, ticks=64),
        bonus=BonusConfig(weight=0.1),
        check_episodes=4,
    )
    actors = Killed(
        [
            Actor(Policy(TOY_SPEC, TOY_NETWORK), Recall, lanes=4, seed=0, index=index, actors=2)
            for index in range(2)
        ]
    )
    actors.kill_at = kill_at
    with open_run(config, {"run": 1}) as run:
        run_finetuning(config, Start(policy, "toy", {}), run, actors)


def clone_or_explain(config: CloneConfig) -> int:
    """Clone; the exit code of the command, and what it would say."""
    try:
        return clone(config)
    except VidactError as error:
        print(error, file=sys.stderr)
        return error.exit_code
