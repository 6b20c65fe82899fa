"""Settings of `clone`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from ...datasets.loading.conditions import Condition
from ...errors import ConfigError
from ...options import NONE_BY_DEFAULT
from ...settings import Later, LocalPath, must_be, settings
from ..policy.config import PolicyConfig, Precision, Preset

Pair = Annotated[
    str, must_be("a pair of buttons, as left:right", lambda pair: pair.count(":") == 1)
]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
MAX_DELAY = 60  # three seconds at 20 Hz; what reacts later than that does not react


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
    out: LocalPath
    """Folder of the checkpoint; metrics and snapshots of the run lie in it too. The same command
    resumes.
    """
    preset: Preset = "tiny"
    """Size of the network."""
    network: PolicyConfig | None = None
    """The network's sizes one by one, instead of a preset."""
    init: str = ""
    """A policy checkpoint to start from, instead of a fresh network."""
    blind: Annotated[bool, Later(False)] = False
    """Black pictures, in training and at play: the floor that a policy which looks must leave."""
    steps: int = 400
    """Optimizer steps. Fixed steps make a run that can be repeated exactly."""
    minutes: NonNegativeFloat = 0.0
    """Where above 0: train this long instead, with the schedule tied to the clock. Measuring does
    not count.
    """
    batch_size: PositiveInt = 16
    """Clips a step, over all processes."""
    ticks: PositiveInt = 64
    """Length of a clip in ticks."""
    accumulate: PositiveInt = 1
    """Parts in which each process goes through its clips of a step: less memory, the same step."""
    order: Literal["clips", "episodes"] = "clips"
    """clips: shuffled, each with an empty memory. episodes: each lane follows an episode and keeps
    its memory.
    """
    weights: Annotated[tuple[PositiveFloat, ...], NONE_BY_DEFAULT, Later([])] = ()
    """Share of each dataset in what is learned, in any unit; by their size if empty."""
    filters: Annotated[tuple[Condition, ...], NONE_BY_DEFAULT, Later([])] = ()
    """Conditions on columns of the manifest that clips must meet, such as `mean_confidence >= 0.5`
    or `source_uri not in [a.mp4, b.mp4]`.
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
    labels: Annotated[Literal["hard", "soft"], Later("hard")] = "hard"
    """hard: the action that the label says. soft: each action counts by the probability that is
    stored with the label, so that a doubtful tick teaches its doubt.
    """
    null_actions: Literal["keep", "mask"] = "keep"
    """mask: ticks without any action carry no loss (VPT dropped them: people pause, and a policy
    that learns to pause stays paused). The frames stay visible to the memory either way.
    """
    longest_pause: Annotated[NonNegativeInt, Later(0)] = 0
    """Where above 0: of a run of ticks without any action only so many carry loss."""
    min_confidence: BelowOne = 0.0
    """Ticks whose label is less sure than this carry no loss."""
    weight_by_confidence: bool = False
    """Weigh each tick's loss by the confidence of its label."""
    previous_dropout: Annotated[BelowOne, Later(0.0)] = 0.0
    """Share of ticks at which a network with `previous_action` is not told what was done before, so
    that it cannot only repeat itself. In Doom it neither helped nor hurt; .5 is what Crafter's
    recipe has.
    """
    action_delay: Annotated[int, Field(ge=0, le=MAX_DELAY), Later(0)] = 0
    """Ticks between seeing and doing: at frame t the policy learns the action of tick t + delay.
    `play` acts that late, as a player must whose frames or keys take time; in the first ticks of an
    episode nothing is done. The checkpoint remembers it.
    """
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
    """Steps between held-out losses; 0 measures five times in a run."""
    eval_batches: PositiveInt = 8
    """Batches of a held-out loss: always the same ones."""
    choose: Annotated[Literal["last", "best"], Later("last")] = "last"
    """Which policy the checkpoint holds: the last one, or the one with the lowest held-out loss,
    which lies in `best/` in any case.
    """
    play_task: str = ""
    """A task that the averaged weights play now and then during training; none if empty."""
    play_every: NonNegativeInt = 0
    """Steps between its scores; 0 is as often as held-out losses."""
    play_episodes: PositiveInt = 16
    """Episodes of a score."""
    precision: Precision = "auto"
    """auto: bf16 where the machine is fast at it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 …"""
    threads: NonNegativeInt = 0
    """CPU threads of the network; 0 is all cores."""
    loader_threads: NonNegativeInt = 0
    """Threads that decode and change clips; 0 is all cores."""
    cache_gb: NonNegativeFloat | None = None
    """Memory for decoded frames; by default half of what the machine has free. What does not fit is
    decoded again in each epoch.
    """
    shard_cache: str = ""
    """Folder in which shards of a bucket are kept; without one they are read in blocks."""
    shard_cache_gb: PositiveFloat = 20.0
    """Its largest size."""
    retries: Annotated[NonNegativeInt, Later(8)] = 8
    """How often a read of the data is tried again after its store failed, with pauses that grow
    from half a second to a minute.
    """
    timeout_s: Annotated[NonNegativeFloat, Later(60.0)] = 60.0
    """Seconds after which a read from a bucket has failed; 0 for never."""
    max_bad_clips: Annotated[NonNegativeInt, Later(0)] = 0
    """How many damaged or missing clips each process may leave out; one more ends the run. Each is
    told, and their number stands in the metrics.
    """
    block_clips: Annotated[PositiveInt, Later(8)] = 8
    """Neighboring clips that stay close where clips are shuffled, so that reads from buckets are
    long; 1 shuffles best, for data on a local disk.
    """
    seed: NonNegativeInt = 0
    """Of the network's start, the data order and the augmentation."""

    def __post_init__(self) -> None:
        if self.steps <= 0 and self.minutes <= 0:
            raise ConfigError(
                f"steps or minutes must be above 0, got {self.steps} and {self.minutes}"
            )
        if self.weights and len(self.weights) != len(self.data):
            raise ConfigError(
                f"weights must be one number for each of {len(self.data)} datasets, "
                f"got {len(self.weights)}"
            )
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"accumulate must divide batch_size {self.batch_size}, got {self.accumulate}"
            )
