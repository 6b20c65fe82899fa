"""Settings of `finetune` and of its learner."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from ...errors import ConfigError
from ...settings import Later, LocalPath, Share, require, settings
from ..policy.config import Precision, Preset


@settings(place="ppo")
class PPOConfig:
    """Proximal policy optimization with a divergence to a frozen prior (VPT's fine-tuning).

    A horizon is in seconds of the game, and what changes over a run changes with the share of its
    budget that is spent: neither depends on the tick rate or on how many ticks an iteration has.
    """

    half_life_seconds: PositiveFloat = 10.0
    """A reward that comes so much later counts half (VPT, at 20 Hz: 35 seconds)."""
    gae_lambda: Share = 0.95
    """Of the generalized advantage estimate."""
    clip: PositiveFloat = 0.2
    """How far a step may move an action's probability ratio."""
    target_kl: NonNegativeFloat = 0.03
    """An iteration's steps end once the policy is 1.5 times so many nats from the one that played;
    0: never.
    """
    kl: NonNegativeFloat = 0.2
    """ρ at the start: weight of the divergence to the prior. With --scratch there is no prior."""
    kl_end: NonNegativeFloat = 0.02
    """ρ at the end of the budget; on the way it falls geometrically. 0 where `kl` is 0."""
    kl_direction: Literal["prior_to_policy", "policy_to_prior"] = "prior_to_policy"
    """KL(prior ‖ policy), VPT's, keeps everything that the prior does possible; KL(policy ‖ prior)
    only keeps out what it never does.
    """
    entropy: NonNegativeFloat = 0.0
    """Weight of an entropy bonus, which the prior makes needless; 0.01 with --scratch."""
    epochs: PositiveInt = 2
    """Passes over an iteration's play; 4 with --scratch."""
    minibatches: PositiveInt = 4
    """Steps a pass: the environments are dealt into so many groups."""
    learning_rate: PositiveFloat = 1e-4
    """After the warm-up, at the start; 5e-4 with --scratch."""
    learning_rate_end: Share = 0.1
    """Share of it that is left at the end of the budget; 1: it stays."""
    warmup_steps: NonNegativeInt = 10
    """Steps of the policy of linear warm-up, over which Adam finds its scale; 0 is none."""
    clip_norm: PositiveFloat = 1.0
    """Largest norm of the policy's gradients together."""
    normalise_advantages: bool = True
    """Advantages get mean 0 and are divided by their deviation, that of this iteration or the
    running one, whichever is larger; ρ then weighs against that unit, not the reward's.
    """
    value_learning_rate: PositiveFloat = 1e-3
    """Of the value head, which has an optimizer of its own."""
    value_clip_norm: PositiveFloat = 1.0
    """Largest norm of the value head's gradients."""
    value_share: NonNegativeFloat = 0.5
    """The value loss may turn the trunk with at most this share of the policy's gradient there (of
    its norm at the features); 0: the trunk is the policy's alone.
    """
    value_warmup: NonNegativeInt = 5
    """Most iterations in which only the value head is fitted: a clone comes without one. 1 with
    --scratch.
    """
    value_explained: Share = 0.3
    """The warm-up ends earlier once the head explains this share of the returns' variance in games
    that it was not fitted on.
    """
    value_beta: Share = 0.9
    """Share that the running statistics of the returns keep at each iteration (VPT, in far smaller
    pieces: 0.99999).
    """

    def __post_init__(self) -> None:
        require(
            (self.kl == 0) == (self.kl_end == 0),
            "ppo.kl_end",
            self.kl_end,
            f"0 where ppo.kl is, else above 0 (ppo.kl is {self.kl:g})",
        )

    def discount(self, tick_hz: float) -> float:
        """What a reward loses in a tick."""
        return 0.5 ** (1 / (self.half_life_seconds * tick_hz))


# Where nothing was imitated there is no prior to stay near and nothing to forget: larger steps,
# more of them, and a bonus for entropy keep the search going.
SCRATCH: dict[str, Any] = {
    "kl": 0.0,
    "kl_end": 0.0,
    "entropy": 0.01,
    "epochs": 4,
    "learning_rate": 5e-4,
    "value_warmup": 1,
}


@settings(place="imitation")
class ImitationConfig:
    """Self-imitation: the policy also imitates the best episodes that it played in this run."""

    weight: NonNegativeFloat = 0.0
    """Of the negative log-likelihood of their actions, nats a tick; 0: off."""
    ticks: PositiveInt = 8192
    """How many ticks of episodes are kept; the worst ones go first. Each holds a frame at the
    network's size.
    """
    rows: PositiveInt = 4
    """Lanes' chunks of them in each step."""


@settings(place="bonus")
class BonusConfig:
    """A reward for what was hardly seen before: the error with which a network foretells what
    another one of random weights says of a frame.
    """

    weight: NonNegativeFloat = 0.0
    """Of the bonus, in units of the deviation of its discounted sums; 0: off. 0.5 is what was
    published with the method, where a goal pays 1.
    """
    learned: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of an iteration's frames that the network learns from: how fast the new gets old."""


@settings()
class FinetuneConfig:
    """Improve a cloned policy by playing: PPO with a KL to the clone.

    With --scratch nothing was cloned: a new network learns from the reward alone. The checkpoint is
    a folder: `model.safetensors` and `config.json`. The same command resumes a stopped run.

    Example:
      vidact finetune runs/clone --task explore --out runs/finetuned
    """

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[CHECKPOINT]")] = ""
    """The policy to start from; frozen, it is the prior too. None with --scratch."""
    task: str
    """What to play."""
    out: LocalPath
    """Folder of the new checkpoint; metrics and snapshots of the run lie in it too. The same
    command resumes.
    """
    scratch: bool = False
    """Start from a new network, without a prior."""
    preset: Preset = "tiny"
    """Its size, with --scratch."""
    spec: str = ""
    """Its action spec, with --scratch: a name or a file; the game's own by default. `doom-classic`
    has the three actions that learners from scratch are mostly given.
    """
    iterations: int = 100
    """Rounds of play and learning."""
    minutes: NonNegativeFloat = 0.0
    """Where above 0: train this long instead."""
    env_steps: NonNegativeInt = 0
    """Where above 0: train for so many ticks of play, all games together, instead (rounded up to
    whole iterations).
    """
    actors: PositiveInt = 2
    """Processes that play. The result depends on it: give the same number to repeat a run."""
    lanes: PositiveInt = 8
    """Games of each, side by side."""
    ticks: PositiveInt = 128
    """Ticks of each game an iteration."""
    ppo: PPOConfig = PPOConfig()
    """The learner. With --scratch, settings that are left at their default have others, which their
    help names.
    """
    imitation: ImitationConfig = ImitationConfig()
    """Of the best episodes."""
    bonus: Annotated[BonusConfig, Later({"learned": 0.25, "weight": 0.0})] = BonusConfig()
    """For exploring: where rewards are so rare that chance hardly finds one. Scores leave it out.
    """
    check_episodes: NonNegativeInt = 64
    """Fresh games that the clone and what it became play at the end, the same ones; the better
    policy is written, and `config.json` says which that is. 0: always the fine-tuned one.
    """
    save_every: PositiveInt = 5
    """Iterations between snapshots for resuming."""
    precision: Precision = "auto"
    """auto: bf16 where the machine is fast at it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 …"""
    threads: NonNegativeInt = 0
    """CPU threads of the network; 0 is all cores."""
    seed: NonNegativeInt = 0
    """Of the games and the sampled actions, and of a new network. Games of training and of `play`
    never share a seed.
    """

    def __post_init__(self) -> None:
        if bool(self.checkpoint) == self.scratch:
            raise ConfigError("give either a checkpoint or --scratch")
        if self.spec and not self.scratch:
            raise ConfigError("spec: a checkpoint brings its own; only --scratch is told one")
        if self.minutes > 0 and self.env_steps > 0:
            raise ConfigError(
                f"give either minutes or env_steps, got {self.minutes:g} and {self.env_steps}"
            )
        if self.iterations <= 0 and self.minutes <= 0 and self.env_steps <= 0:
            raise ConfigError(
                "iterations, minutes or env_steps must be above 0, "
                f"got {self.iterations}, {self.minutes:g} and {self.env_steps}"
            )
        if self.ticks_per_iteration < 2:  # advantages and returns of one tick have no deviation
            raise ConfigError(f"ticks must be 2 or more where one game is played, got {self.ticks}")
        if self.actors * self.lanes % self.ppo.minibatches:
            raise ConfigError(
                f"actors times lanes ({self.actors * self.lanes}) must be a multiple of "
                f"ppo.minibatches ({self.ppo.minibatches})"
            )
        if self.scratch and self.ppo.kl not in (0.0, PPOConfig().kl):
            raise ConfigError(
                f"ppo.kl must be 0 with --scratch, which has no prior, got {self.ppo.kl:g}"
            )

    @property
    def ticks_per_iteration(self) -> int:
        """Of all games together."""
        return self.actors * self.lanes * self.ticks

    def learner_settings(self) -> PPOConfig:
        """`ppo`, or with --scratch its defaults for that."""
        if not self.scratch:
            return self.ppo
        usual = PPOConfig()
        left = {
            name: value
            for name, value in SCRATCH.items()
            if getattr(self.ppo, name) == getattr(usual, name)
        }
        return dataclasses.replace(self.ppo, **left)
