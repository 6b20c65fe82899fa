"""Settings of the policy's verbs: `clone`, `play`, `finetune`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

import tyro

from ..errors import ConfigError
from ..settings import NONE_BY_DEFAULT


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) <= 0:
            raise ConfigError(f"{name} must be above 0, got {getattr(config, name)}")


def _require_not_negative(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 0:
            raise ConfigError(f"{name} must not be negative, got {getattr(config, name)}")


WIDEST = 1 << 14  # beyond these a config is a joke, and building its network would never end
NETWORK_MOST = {
    "width": WIDEST,
    "heads": WIDEST,
    "blocks": 256,
    "memory": 1 << 16,  # frames: an hour at 20 Hz
    "residual_blocks": 64,
    "pool": 256,
    "stride": 16,
    "dense": WIDEST,
}
"""The largest of each size, at least 1."""
MAX_STACKS = 16  # each halves the picture: 65,536 pixels are one by then


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyConfig:
    """Sizes of a policy network."""

    width: int = 1024
    """D: the width of the transformer."""
    heads: int = 8
    """Attention heads; VPT has 128 numbers a head."""
    blocks: int = 4
    """Transformer blocks."""
    memory: int = 128
    """Frames that a frame sees, itself included."""
    channels: tuple[int, ...] = (64, 128, 128)
    """Widths of the CNN's stacks."""
    residual_blocks: int = 2
    """Residual blocks a stack."""
    pool: int = 1
    """Frames are averaged over pool x pixels each way before the CNN."""
    stride: int = 1
    """Of the first convolution, in pixels."""
    dense: int = 256
    """Width between the CNN and the transformer."""
    shared_classes: bool = False
    """Whether joint actions that hold the same button, and camera bins that turn the same way, share parameters in the
    head. VPT's do not; with little data it is what makes a thousand classes learnable."""
    previous_action: bool = False
    """Whether the policy is told its last action. VPT's is not: with enough data the frames tell it, without the risk
    of learning to repeat itself. With minutes of data it is what makes movement coherent."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        for name, most in NETWORK_MOST.items():
            if not _is_size(getattr(self, name), most):
                raise ConfigError(
                    f"{name} must be a whole number of 1..{most}, got {getattr(self, name)!r}"
                )
        if self.width % self.heads:
            raise ConfigError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if not 1 <= len(self.channels) <= MAX_STACKS or not all(
            _is_size(size, WIDEST) for size in self.channels
        ):
            raise ConfigError(
                f"channels must be 1 to {MAX_STACKS} widths of 1..{WIDEST}, got {self.channels}"
            )
        for name in ("shared_classes", "previous_action"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, got {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> PolicyConfig:
        known = {field.name for field in fields(cls)}
        if surplus := sorted(content.keys() - known):
            raise ConfigError(
                f"unknown fields of a policy network: {surplus}; known: {sorted(known)}"
            )
        return cls(**content)


def _is_size(value: object, most: int) -> bool:
    return (
        type(value) is int and 1 <= value <= most
    )  # a config that was read may hold anything, True and 4.0 too


PRESETS: dict[str, PolicyConfig] = {
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


@dataclass(frozen=True, kw_only=True, slots=True)
class CloneConfig:
    """Behavioural cloning: from action-labelled shards to a policy."""

    data: tuple[str, ...]
    """Datasets to imitate: folders or URLs. All of one action spec."""
    out: str
    """Folder of the checkpoint; metrics and snapshots of the run lie in it too. The same command resumes."""
    preset: str = "tiny"
    """Size of the network: tiny, 1x, 2x or 3x."""
    network: PolicyConfig | None = None
    """The network's sizes one by one, instead of a preset."""
    init: str = ""
    """A policy checkpoint to start from, instead of a fresh network."""
    steps: int = 400
    """Optimizer steps. Fixed steps make a run that can be repeated exactly."""
    minutes: float = 0.0
    """Where above 0: train this long instead, with the schedule tied to the clock."""
    batch_size: int = 4
    """Clips a step."""
    ticks: int = 128
    """Length of a clip in ticks."""
    order: Literal["clips", "episodes"] = "clips"
    """clips: shuffled, each with an empty memory. episodes: each lane follows an episode and keeps its memory."""
    learning_rate: float = 1e-3
    """Its peak."""
    warmup_steps: int = 20
    """Steps of linear warm-up; afterwards the learning rate falls linearly to 0."""
    weight_decay: float = 0.04
    """AdamW's, on matrices only."""
    clip_norm: float = 1.0
    """Largest norm of all gradients together."""
    ema_decay: float = 0.99
    """Share of the averaged weights that a step keeps; the average is what is evaluated and saved."""
    null_actions: Literal["keep", "mask"] = "keep"
    """mask: ticks without any action carry no loss (VPT dropped them: people pause, and a policy that learns to pause
    stays paused). The frames stay visible to the memory either way."""
    min_confidence: float = 0.0
    """Ticks whose label is less sure than this carry no loss."""
    weight_by_confidence: bool = False
    """Weigh each tick's loss by the confidence of its label."""
    brightness: float = 0.2
    """Augmentation: each clip's brightness and contrast are changed by up to this share. 0 is none."""
    mirror: Annotated[tuple[str, ...], NONE_BY_DEFAULT] = ()
    """Augmentation: pairs of buttons that change sides in a mirror, as `left:right`. Half of the clips are mirrored
    then: the picture, these buttons, and the axes that the mouse's dx moves. Empty: none, as not every game is even."""
    save_every: int = 100
    """Steps between snapshots for resuming."""
    eval_every: int = 0
    """Steps between held-out losses; 0 measures once, at the end."""
    eval_batches: int = 8
    """Batches of a held-out loss."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bf16 where the machine is fast at it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 …"""
    threads: int = 0
    """CPU threads of the network; 0 is all cores."""
    seed: int = 0
    """Of the network's start, the data order and the augmentation."""

    def __post_init__(self) -> None:
        if not self.data:
            raise ConfigError("data: name at least one dataset")
        require_preset(self.preset)
        if self.steps <= 0 and self.minutes <= 0:
            raise ConfigError(
                f"steps or minutes must be above 0, got {self.steps} and {self.minutes}"
            )
        if wrong := [pair for pair in self.mirror if pair.count(":") != 1]:
            raise ConfigError(f"mirror must name pairs of buttons, as left:right, got {wrong[0]!r}")
        _require_positive(
            self, "batch_size", "ticks", "learning_rate", "clip_norm", "save_every", "eval_batches"
        )
        _require_not_negative(
            self, "minutes", "warmup_steps", "weight_decay", "eval_every", "threads", "seed"
        )
        for name in ("ema_decay", "min_confidence", "brightness"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in 0..1 (without 1), got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayConfig:
    """Episodes of a task, played by a policy or at random."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[CHECKPOINT]")] = ""
    """The policy's checkpoint; none with --random."""
    task: str
    """What to play: explore, defend_the_center, my_way_home, health_gathering."""
    out: str
    """Folder of `score.json` and `episode.mp4`."""
    episodes: int = 32
    """How many."""
    random: bool = False
    """Play at random instead: the baseline."""
    random_style: Literal["human", "uniform"] = "human"
    """human: keys held and mouse flicked about as often and as long as people do, the stronger baseline. uniform: every
    action as likely as every other, drawn anew each tick."""
    spec: str = "doom"
    """Action spec of random play (a policy brings its own)."""
    temperature: float = 1.0
    """Of the sampled actions; 0 always takes the likeliest."""
    seed: int = 1000
    """Episode i has the seed seed + i: the same for every policy, so that scores compare."""
    lanes: int = 8
    """Episodes that one worker plays side by side, in one batch of the network."""
    workers: int = 0
    """Processes; 0 is one a core. The scores do not depend on it."""
    video: bool = True
    """Whether to write a video of the first episode."""

    def __post_init__(self) -> None:
        if bool(self.checkpoint) == self.random:
            raise ConfigError("give either a checkpoint or --random")
        _require_positive(self, "episodes", "lanes")
        _require_not_negative(self, "temperature", "seed", "workers")


@dataclass(frozen=True, kw_only=True, slots=True)
class PPOConfig:
    """Proximal policy optimisation with a divergence to a frozen prior (VPT's fine-tuning)."""

    discount: float = 0.99
    """Of the reward, a tick (VPT, at 20 Hz and over 10 minutes: 0.999)."""
    gae_lambda: float = 0.95
    """Of the generalised advantage estimate."""
    clip: float = 0.2
    """How far a step may move an action's probability ratio."""
    kl: float = 0.2
    """ρ: weight of the divergence to the prior; it takes the place of an entropy bonus."""
    kl_direction: Literal["prior_to_policy", "policy_to_prior"] = "prior_to_policy"
    """KL(prior ‖ policy), VPT's, keeps everything that the prior does possible; KL(policy ‖ prior) only keeps out what
    it never does."""
    kl_decay: float = 0.9995
    """Factor on that weight each iteration."""
    value_weight: float = 0.5
    """Of the value loss."""
    epochs: int = 2
    """Passes over an iteration's play."""
    minibatches: int = 4
    """Steps a pass: the environments are dealt into so many groups."""
    learning_rate: float = 2e-4
    """Constant after the warm-up."""
    warmup_steps: int = 10
    """Steps of linear warm-up, over which Adam finds its scale; 0 is none."""
    clip_norm: float = 1.0
    """Largest norm of all gradients together."""
    normalise_advantages: bool = True
    """Scale an iteration's advantages to mean 0 and deviation 1; ρ then weighs against that unit, not the reward's."""
    value_warmup: int = 1
    """Iterations in which only the value head learns: a clone comes without one."""
    value_beta: float = 0.9
    """Share that the running statistics of the returns keep at each iteration (VPT, in far smaller pieces: 0.99999)."""

    def __post_init__(self) -> None:
        for name in ("discount", "gae_lambda", "kl_decay", "value_beta"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be in 0..1, got {getattr(self, name)}")
        _require_positive(self, "clip", "epochs", "minibatches", "learning_rate", "clip_norm")
        _require_not_negative(self, "kl", "value_weight", "warmup_steps", "value_warmup")


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """Fine-tuning a policy by play."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """The policy to start from; frozen, it is the prior too."""
    task: str
    """What to play."""
    out: str
    """Folder of the new checkpoint; metrics and snapshots of the run lie in it too. The same command resumes."""
    iterations: int = 20
    """Rounds of play and learning."""
    minutes: float = 0.0
    """Where above 0: train this long instead."""
    actors: int = 2
    """Processes that play. The result depends on it: give the same number to repeat a run."""
    lanes: int = 8
    """Games of each, side by side."""
    ticks: int = 64
    """Ticks of each game an iteration."""
    ppo: PPOConfig = PPOConfig()
    """The learner."""
    save_every: int = 5
    """Iterations between snapshots for resuming."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bf16 where the machine is fast at it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 …"""
    threads: int = 0
    """CPU threads of the network; 0 is all cores."""
    seed: int = 0
    """Of the games and the sampled actions. Games of training and of `play` never share a seed."""

    def __post_init__(self) -> None:
        if self.iterations <= 0 and self.minutes <= 0:
            raise ConfigError(
                f"iterations or minutes must be above 0, got {self.iterations} and {self.minutes}"
            )
        _require_positive(self, "actors", "lanes", "ticks", "save_every")
        _require_not_negative(self, "minutes", "threads", "seed")
        if (
            self.actors * self.lanes * self.ticks < 2
        ):  # advantages and returns of one tick have no deviation
            raise ConfigError(f"ticks must be 2 or more where one game is played, got {self.ticks}")
        if self.actors * self.lanes % self.ppo.minibatches:
            raise ConfigError(
                f"actors times lanes ({self.actors * self.lanes}) must be a multiple of ppo.minibatches "
                f"({self.ppo.minibatches})"
            )


def require_preset(name: str) -> None:
    """Raise ConfigError unless `name` is one of PRESETS."""
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {sorted(PRESETS)}, got {name!r}")
