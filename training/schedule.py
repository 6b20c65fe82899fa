"""Learning rates over a run: linear warm-up, then linear decay, as in VPT.

The schedule is a function of the fraction of the run that is done, so that a run can be bounded by
steps or by minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch.optim import Optimizer

from ..errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Warm-up, plateau, linear decay."""

    peak: float
    """The highest learning rate."""
    warmup_steps: int = 0
    """Steps from 0 to the peak (the first step has 1/warmup_steps of it, so no step is lost)."""
    decay_from: float = 0.0
    """Fraction of the run at which the decay begins; 0 decays all along, 1 never."""
    floor: float = 0.0
    """The learning rate at the end of the run."""

    def __post_init__(self) -> None:
        if self.peak <= 0 or not 0 <= self.floor <= self.peak:
            raise ConfigError(
                "learning rates must satisfy 0 <= floor <= peak, peak > 0: "
                f"{self.floor}, {self.peak}"
            )
        if self.warmup_steps < 0 or not 0 <= self.decay_from <= 1:
            raise ConfigError(
                "warmup_steps must be >= 0 and decay_from in 0..1, "
                f"got {self.warmup_steps} and {self.decay_from}"
            )

    def at(self, step: int, fraction: float) -> float:
        """The learning rate of step `step` (from 0), when `fraction` of the run is done."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        left = 1.0
        if self.decay_from < 1:
            left = min(1.0, max(0.0, (1 - fraction) / (1 - self.decay_from)))
        return warm * (self.floor + (self.peak - self.floor) * left)


class Budget:
    """How long a run goes: a number of steps, or minutes of training.

    With minutes the number of steps depends on the machine's speed: such a run cannot be repeated
    exactly, but it ends in time, its schedule decayed to the end. The time counts over
    interruptions (`elapsed_s` is saved and restored).
    """

    def __init__(
        self,
        *,
        steps: int = 0,
        minutes: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`clock` gives seconds: of the wall, or those that processors have worked."""
        if (steps > 0) == (minutes > 0):
            raise ConfigError(
                f"give either steps or minutes, above 0; got steps={steps} and minutes={minutes}"
            )
        self.steps = steps
        self.seconds = minutes * 60
        self._before_s = 0.0
        self._clock = clock
        self._started = clock()

    def start(self, elapsed_s: float = 0.0) -> None:
        """Begin to count, after `elapsed_s` of earlier sessions of the same run."""
        self._before_s, self._started = elapsed_s, self._clock()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within the block no time passes: what is measured there is no training."""
        elapsed_s = self.elapsed_s
        try:
            yield
        finally:
            self.start(elapsed_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, all sessions together."""
        return self._before_s + self._clock() - self._started

    def fraction(self, step: int) -> float:
        """How much of the run is done before step `step`, 0..1."""
        done = step / self.steps if self.steps else self.elapsed_s / self.seconds
        return min(1.0, done)

    def expected_steps(self, step: int) -> int:
        """How many steps the run will have, as far as can be told at `step`."""
        if self.steps:
            return self.steps
        return max(step, round(step / max(self.fraction(step), 1e-6)))


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Give every parameter group this learning rate (times its `lr_scale`, where it has one)."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("lr_scale", 1.0)
