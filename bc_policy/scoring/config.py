"""Settings of `play`."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from ...errors import ConfigError
from ...settings import LocalPath, settings


@settings()
class PlayConfig:
    """Let an agent play a task: score with a 95 % interval, and a video.

    Writes `score.json` and `episode.mp4`. With --random it measures the baseline instead. A stopped
    run keeps the episodes that are done, and the same command plays the others.

    Example:
      vidact play runs/clone --task explore --episodes 20 --out runs/clone/play
      vidact play a --other-seeds b c --task explore --against runs/random --out runs/pooled
    """

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[CHECKPOINT]")] = ""
    """The policy's checkpoint; none with --random."""
    other_seeds: tuple[str, ...] = ()
    """Checkpoints of the same training with other seeds: each is scored, and the figures of all are
    pooled with an interval over seeds and worlds. A claim needs three.
    """
    against: str = ""
    """An earlier score (`score.json` or its folder) of the same task, seed and episodes, with which
    this one is compared world by world.
    """
    task: str
    """What to play: explore, explore_train, explore_maze, defend_the_center, health_gathering,
    my_way_home, my_way_home_far, crafter, crafter_full, crafter_full_train, twin_stick, or a
    task file (`mine.yaml`).
    """
    out: LocalPath
    """Folder of `score.json` and `episode.mp4`."""
    episodes: PositiveInt = 32
    """How many."""
    random: bool = False
    """Play at random instead: the baseline."""
    random_style: Literal["human", "uniform"] = "human"
    """human: keys held and mouse flicked about as often and as long as people do, the stronger
    baseline. uniform: every action as likely as every other, drawn anew each tick.
    """
    spec: str = ""
    """Action spec of random play; that of the task's game where none is named (a policy brings its
    own).
    """
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
        if self.other_seeds and self.random:
            raise ConfigError("other_seeds: random play has no training")
