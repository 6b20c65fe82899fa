"""Settings of `finetune` and of its learner."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from ...errors import ConfigError
from ...settings import Share, settings
from ..policy.config import Precision


@settings(place="ppo")
class PPOConfig:
    """Proximal policy optimisation with a divergence to a frozen prior (VPT's fine-tuning)."""

    discount: Share = 0.99
    """Of the reward, a tick (VPT, at 20 Hz and over 10 minutes: 0.999)."""
    gae_lambda: Share = 0.95
    """Of the generalised advantage estimate."""
    clip: PositiveFloat = 0.2
    """How far a step may move an action's probability ratio."""
    kl: NonNegativeFloat = 0.2
    """ρ: weight of the divergence to the prior; it takes the place of an entropy bonus."""
    kl_direction: Literal["prior_to_policy", "policy_to_prior"] = "prior_to_policy"
    """KL(prior ‖ policy), VPT's, keeps everything that the prior does possible; KL(policy ‖ prior)
    only keeps out what it never does.
    """
    kl_decay: Share = 0.9995
    """Factor on that weight each iteration."""
    value_weight: NonNegativeFloat = 0.5
    """Of the value loss."""
    epochs: PositiveInt = 2
    """Passes over an iteration's play."""
    minibatches: PositiveInt = 4
    """Steps a pass: the environments are dealt into so many groups."""
    learning_rate: PositiveFloat = 2e-4
    """Constant after the warm-up."""
    warmup_steps: NonNegativeInt = 10
    """Steps of linear warm-up, over which Adam finds its scale; 0 is none."""
    clip_norm: PositiveFloat = 1.0
    """Largest norm of all gradients together."""
    normalise_advantages: bool = True
    """Scale an iteration's advantages to mean 0 and deviation 1; ρ then weighs against that unit,
    not the reward's.
    """
    value_warmup: NonNegativeInt = 1
    """Iterations in which only the value head learns: a clone comes without one."""
    value_beta: Share = 0.9
    """Share that the running statistics of the returns keep at each iteration (VPT, in far smaller
    pieces: 0.99999).
    """


@settings()
class FinetuneConfig:
    """Improve a cloned policy by playing: PPO with a KL to the clone.

    The checkpoint is a folder: `model.safetensors` and `config.json`. The same command resumes a
    stopped run.

    Example:
      vidact finetune runs/clone --task explore --out runs/finetuned
    """

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """The policy to start from; frozen, it is the prior too."""
    task: str
    """What to play."""
    out: str
    """Folder of the new checkpoint; metrics and snapshots of the run lie in it too. The same
    command resumes.
    """
    iterations: int = 20
    """Rounds of play and learning."""
    minutes: NonNegativeFloat = 0.0
    """Where above 0: train this long instead."""
    actors: PositiveInt = 2
    """Processes that play. The result depends on it: give the same number to repeat a run."""
    lanes: PositiveInt = 8
    """Games of each, side by side."""
    ticks: PositiveInt = 64
    """Ticks of each game an iteration."""
    ppo: PPOConfig = PPOConfig()
    """The learner."""
    save_every: PositiveInt = 5
    """Iterations between snapshots for resuming."""
    precision: Precision = "auto"
    """auto: bf16 where the machine is fast at it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 …"""
    threads: NonNegativeInt = 0
    """CPU threads of the network; 0 is all cores."""
    seed: NonNegativeInt = 0
    """Of the games and the sampled actions. Games of training and of `play` never share a seed."""

    def __post_init__(self) -> None:
        if self.iterations <= 0 and self.minutes <= 0:
            raise ConfigError(
                f"iterations or minutes must be above 0, got {self.iterations} and {self.minutes}"
            )
        if (
            self.actors * self.lanes * self.ticks < 2
        ):  # advantages and returns of one tick have no deviation
            raise ConfigError(f"ticks must be 2 or more where one game is played, got {self.ticks}")
        if self.actors * self.lanes % self.ppo.minibatches:
            raise ConfigError(
                f"actors times lanes ({self.actors * self.lanes}) must be a multiple of "
                f"ppo.minibatches ({self.ppo.minibatches})"
            )
