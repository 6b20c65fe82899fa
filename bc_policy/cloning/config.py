"""Settings of `clone`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from ...errors import ConfigError
from ...options import NONE_BY_DEFAULT
from ...settings import must_be, settings
from ..policy.config import PolicyConfig, Precision, Preset

Pair = Annotated[
    str, must_be("a pair of buttons, as left:right", lambda pair: pair.count(":") == 1)
]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


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
