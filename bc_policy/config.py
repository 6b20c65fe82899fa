"""Settings of the policy's verbs: `clone`, `play`, `finetune`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Strict

from ..errors import ConfigError
from ..options import NONE_BY_DEFAULT
from ..settings import Share, must_be, require, settings

MAX_WIDTH = 1 << 14  # building a network beyond these bounds would never end
MAX_STACKS = 16  # each halves the picture: 65,536 pixels are one by then
Pair = Annotated[
    str, must_be("a pair of buttons, as left:right", lambda pair: pair.count(":") == 1)
]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Preset = Literal["tiny", "1x", "2x", "3x"]
Precision = Literal["auto", "float32", "bfloat16"]


@settings(strict=True)
class PolicyConfig:
    """Sizes of a policy network."""

    width: Width = 1024
    """D: the width of the transformer."""
    heads: Width = 8
    """Attention heads; VPT has 128 numbers a head."""
    blocks: Annotated[int, Field(ge=1, le=256)] = 4
    """Transformer blocks."""
    memory: Annotated[int, Field(ge=1, le=1 << 16)] = 128
    """Frames that a frame sees, itself included; at most an hour at 20 Hz."""
    channels: Annotated[
        tuple[Width, ...], Field(min_length=1, max_length=MAX_STACKS), Strict(strict=False)
    ] = (64, 128, 128)
    """Widths of the CNN's stacks."""
    residual_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks a stack."""
    pool: Annotated[int, Field(ge=1, le=256)] = 1
    """Frames are averaged over pool x pixels each way before the CNN."""
    stride: Annotated[int, Field(ge=1, le=16)] = 1
    """Of the first convolution, in pixels."""
    dense: Width = 256
    """Width between the CNN and the transformer."""
    shared_classes: bool = False
    """Whether joint actions that hold the same button, and camera bins that turn the same way,
    share parameters in the head. VPT's do not; with little data it is what makes a thousand classes
    learnable.
    """
    previous_action: bool = False
    """Whether the policy is told its last action. VPT's is not: with enough data the frames tell
    it, without the risk of learning to repeat itself. With minutes of data it is what makes
    movement coherent.
    """

    def __post_init__(self) -> None:
        require(
            self.width % self.heads == 0, "width", self.width, f"a multiple of heads ({self.heads})"
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> PolicyConfig:
        return cls(**content)


PRESETS: dict[Preset, PolicyConfig] = {
    "tiny": PolicyConfig(
        width=192,
        heads=4,
        blocks=2,
        memory=64,
        channels=(16, 32, 48),
        residual_blocks=1,
        pool=2,
        stride=2,
        dense=256,
        previous_action=True,
    ),
    "1x": PolicyConfig(width=1024, heads=8, channels=(64, 128, 128)),
    "2x": PolicyConfig(width=2048, heads=16, channels=(128, 256, 256)),
    "3x": PolicyConfig(width=3072, heads=24, channels=(192, 384, 384)),
}


@settings()
class CloneConfig:
    """Train a policy to imitate the labeled play (behavioral cloning).

    The checkpoint is a folder: `model.safetensors` and `config.json`. The same command resumes a
    stopped run.

    Example:
      vidact clone --data runs/dataset --out runs/clone --preset tiny
    """

    data: Annotated[tuple[str, ...], must_be("at least one dataset", bool)]
    """Datasets to imitate: folders or URLs. All of one action spec."""
    out: str
    """Folder of the checkpoint; metrics and snapshots of the run lie in it too. The same command
    resumes.
    """
    preset: Preset = "tiny"
    """Size of the network."""
    network: PolicyConfig | None = None
    """The network's sizes one by one, instead of a preset."""
    init: str = ""
    """A policy checkpoint to start from, instead of a fresh network."""
    steps: int = 400
    """Optimizer steps. Fixed steps make a run that can be repeated exactly."""
    minutes: NonNegativeFloat = 0.0
    """Where above 0: train this long instead, with the schedule tied to the clock."""
    batch_size: PositiveInt = 4
    """Clips a step."""
    ticks: PositiveInt = 128
    """Length of a clip in ticks."""
    order: Literal["clips", "episodes"] = "clips"
    """clips: shuffled, each with an empty memory. episodes: each lane follows an episode and keeps
    its memory.
    """
    learning_rate: PositiveFloat = 1e-3
    """Its peak."""
    warmup_steps: NonNegativeInt = 20
    """Steps of linear warm-up; afterwards the learning rate falls linearly to 0."""
    weight_decay: NonNegativeFloat = 0.04
    """AdamW's, on matrices only."""
    clip_norm: PositiveFloat = 1.0
    """Largest norm of all gradients together."""
    ema_decay: BelowOne = 0.99
    """Share of the averaged weights that a step keeps; the average is what is evaluated and saved.
    """
    null_actions: Literal["keep", "mask"] = "keep"
    """mask: ticks without any action carry no loss (VPT dropped them: people pause, and a policy
    that learns to pause stays paused). The frames stay visible to the memory either way.
    """
    min_confidence: BelowOne = 0.0
    """Ticks whose label is less sure than this carry no loss."""
    weight_by_confidence: bool = False
    """Weigh each tick's loss by the confidence of its label."""
    brightness: BelowOne = 0.2
    """Augmentation: each clip's brightness and contrast are changed by up to this share. 0 is none.
    """
    mirror: Annotated[tuple[Pair, ...], NONE_BY_DEFAULT] = ()
    """Augmentation: pairs of buttons that change sides in a mirror, as `left:right`. Half of the
    clips are mirrored then: the picture, these buttons, and the axes that the mouse's dx moves.
    Empty: none, as not every game is even.
    """
    save_every: PositiveInt = 100
    """Steps between snapshots for resuming."""
    eval_every: NonNegativeInt = 0
    """Steps between held-out losses; 0 measures once, at the end."""
    eval_batches: PositiveInt = 8
    """Batches of a held-out loss."""
    precision: Precision = "auto"
    """auto: bf16 where the machine is fast at it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 …"""
    threads: NonNegativeInt = 0
    """CPU threads of the network; 0 is all cores."""
    seed: NonNegativeInt = 0
    """Of the network's start, the data order and the augmentation."""

    def __post_init__(self) -> None:
        if self.steps <= 0 and self.minutes <= 0:
            raise ConfigError(
                f"steps or minutes must be above 0, got {self.steps} and {self.minutes}"
            )


@settings()
class PlayConfig:
    """Let an agent play a task: score with a 95 % interval, and a video.

    Writes `score.json` and `episode.mp4`. With --random it measures the baseline instead.

    Example:
      vidact play runs/clone --task explore --episodes 20 --out runs/clone/play
    """

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[CHECKPOINT]")] = ""
    """The policy's checkpoint; none with --random."""
    task: str
    """What to play: explore, defend_the_center, my_way_home, health_gathering."""
    out: str
    """Folder of `score.json` and `episode.mp4`."""
    episodes: PositiveInt = 32
    """How many."""
    random: bool = False
    """Play at random instead: the baseline."""
    random_style: Literal["human", "uniform"] = "human"
    """human: keys held and mouse flicked about as often and as long as people do, the stronger
    baseline. uniform: every action as likely as every other, drawn anew each tick.
    """
    spec: str = "doom"
    """Action spec of random play (a policy brings its own)."""
    temperature: NonNegativeFloat = 1.0
    """Of the sampled actions; 0 always takes the likeliest."""
    seed: NonNegativeInt = 1000
    """Episode i has the seed seed + i: the same for every policy, so that scores compare."""
    lanes: PositiveInt = 8
    """Episodes that one worker plays side by side, in one batch of the network."""
    workers: NonNegativeInt = 0
    """Processes; 0 is one a core. The scores do not depend on it."""
    video: bool = True
    """Whether to write a video of the first episode."""

    def __post_init__(self) -> None:
        if bool(self.checkpoint) == self.random:
            raise ConfigError("give either a checkpoint or --random")


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
