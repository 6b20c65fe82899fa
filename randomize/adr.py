"""Automatic domain randomization: Akkaya et al., 'Solving Rubik's Cube with a Robot Hand' (2019),
algorithms 1 and 2.

Algorithm 2, for training: lambda is drawn from the ranges. Algorithm 1, for a test: lambda is drawn
from the ranges, then one boundary is drawn and its parameter set to it; the scores go into that
boundary's own buffer, and once it holds enough of them, the boundary moves out, in or not at all,
and the buffer is emptied. All boundaries advance in parallel and none is ever locked.

Here thresholds are parts of the score on play as it was recorded, where the paper has constants;
and as in its vision models nothing is trained on boundaries.

Everything is a pure function of the seed, the numbers of draws and tests, and the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import CheckpointError
from ..training.chance import Use, chance
from .config import ADRConfig
from .parameters import Boundary, Side, Suite
from .ranges import Ranges

# Times `samples`: the nominal scores whose mean counts are the newest so many. More would be surer,
# and of weights so old that a model that still learns seems to do well at every boundary.
NOMINAL_WINDOW = 4
FOR_TRAINING, FOR_TESTS = 0, 1  # streams of chance
Outcome = Literal["widened", "narrowed", "kept"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided about a boundary, and from what."""

    test: int
    """The number of the test after which it was decided."""
    parameter: str
    side: Side
    samples: int
    score: float
    """Mean of the samples, 0..1."""
    interval: tuple[float, float]
    """95 % of that mean."""
    nominal: float
    """The score on play as recorded."""
    outcome: Outcome
    before: float
    """Where the boundary stood, lambda."""
    after: float
    value: float
    """Where it stands now, in the parameter's unit."""
    nats: float
    """Of all ranges then, nats a dimension."""

    def to_dict(self) -> dict[str, Any]:
        """As a line of the log: `from` and `to` are Python's words."""
        plain = {**vars(self), "interval": list(self.interval)}
        moved = {"from": plain.pop("before"), "to": plain.pop("after")}
        return plain | moved


@dataclass(frozen=True)
class BoundaryTest:
    """One test to make."""

    number: int
    boundary: Boundary
    places: tuple[dict[str, float], ...]
    """Lambda for each clip; the boundary's parameter is the same in all."""


class ADR:
    """The state of the algorithm.

    Args:
        suite: the parameters that are varied.
        config: thresholds and step.
        seed: of all draws.
        ranges: to begin with; by default nothing is varied yet.
    """

    def __init__(self, suite: Suite, config: ADRConfig, *, seed: int, ranges: Ranges | None = None):
        self.suite, self.config, self.seed = suite, config, seed
        self.ranges = ranges or Ranges.of_share(suite, 0.0)
        self.tests = 0
        self.buffers: dict[str, list[float]] = {
            boundary.name: [] for boundary in self.ranges.boundaries()
        }
        self.nominal_scores: list[float] = []
        self.idle_scores: list[float] = []

    @property
    def nats(self) -> float:
        """Nats a dimension of the ranges."""
        return self.ranges.nats(self.config.delta)

    @property
    def nominal(self) -> float | None:
        """The running score on play as recorded; None before there is one."""
        return _mean(self.nominal_scores)

    @property
    def waits(self) -> str:
        """Why nothing can be decided yet, or nothing."""
        nominal, idle = self.nominal, _mean(self.idle_scores)
        if nominal is None or idle is None:
            return "no nominal score yet"
        if nominal < idle + self.config.margin:
            return f"nominal score {nominal:.2f}, saying nothing {idle:.2f}"
        return ""

    def draw(self, number: int, count: int) -> list[dict[str, float]]:
        """Algorithm 2: lambda for each of `count` clips of the batch of a number."""
        generator = chance(Use.ADR, self.seed, number, FOR_TRAINING)
        return [self.ranges.draw(generator) for _ in range(count)]

    def next_test(self) -> BoundaryTest:
        """Algorithm 1: the boundary that is tested next, with lambda for each clip."""
        generator = chance(Use.ADR, self.seed, self.tests, FOR_TESTS)
        boundaries = self.ranges.boundaries()
        boundary = boundaries[int(generator.integers(len(boundaries)))]
        there = {boundary.parameter: self.ranges.at(boundary)}
        places = [self.ranges.draw(generator) | there for _ in range(self.config.samples)]
        return BoundaryTest(self.tests, boundary, tuple(places))

    def record(
        self,
        test: BoundaryTest,
        scores: Sequence[float],
        *,
        nominal: Sequence[float] = (),
        idle: Sequence[float] = (),
    ) -> Decision | None:
        """Take in the scores of a test, 0..1; what was decided, if there were enough.

        Args:
            test: the newest of `next_test`.
            scores: of its clips; those without a label give none, and are waited for.
            nominal: of clips as they were recorded.
            idle: what saying that nothing was done scores on these.
        """
        if test.number != self.tests:
            raise ValueError(f"test {test.number} is not the next one, {self.tests}")
        self.tests += 1
        window = NOMINAL_WINDOW * self.config.samples
        self.nominal_scores = [*self.nominal_scores, *map(float, nominal)][-window:]
        self.idle_scores = [*self.idle_scores, *map(float, idle)][-window:]
        buffer = self.buffers[test.boundary.name]
        if self.waits:
            # A score of weights that could not do anything yet says nothing of later ones.
            buffer.clear()
            return None
        buffer.extend(map(float, scores))
        return self._decide(test, buffer) if len(buffer) >= self.config.samples else None

    def _decide(self, test: BoundaryTest, buffer: list[float]) -> Decision:
        samples, nominal = len(buffer), self.nominal or 0.0
        score, spread = mean_and_spread(buffer)
        buffer.clear()
        by, outcome = 0.0, "kept"
        if score >= self.config.widen * nominal:
            by, outcome = self.config.delta, "widened"
        elif score <= self.config.narrow * nominal:
            by, outcome = -self.config.delta, "narrowed"
        boundary, before = test.boundary, self.ranges.at(test.boundary)
        self.ranges = self.ranges.moved(boundary, by)
        after = self.ranges.at(boundary)
        return Decision(
            test=test.number,
            parameter=boundary.parameter,
            side=boundary.side,
            samples=samples,
            score=round(score, 6),
            interval=(round(score - spread, 6), round(score + spread, 6)),
            nominal=round(nominal, 6),
            outcome=outcome if after != before else "kept",  # type: ignore[arg-type]
            before=before,
            after=after,
            value=self.suite.parameters[boundary.parameter].value(after),
            nats=round(self.nats, 6),
        )

    def state_dict(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        return {
            "suite": self.suite.sha256,
            "ranges": self.ranges.to_plain(),
            "tests": self.tests,
            "buffers": {name: list(scores) for name, scores in self.buffers.items()},
            "nominal_scores": list(self.nominal_scores),
            "idle_scores": list(self.idle_scores),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises CheckpointError where it is of another suite or not whole."""
        if missing := sorted(self.state_dict().keys() - state.keys()):
            raise CheckpointError(
                f"the state of ADR lacks {', '.join(missing)}: going on without it would begin "
                "with ranges of no width"
            )
        if state["suite"] != self.suite.sha256:
            raise CheckpointError("the state of ADR is of other parameters than this run's")
        self.ranges = Ranges.of_plain(self.suite, state["ranges"])
        self.tests = int(state["tests"])
        self.buffers = {name: list(state["buffers"][name]) for name in self.buffers}
        self.nominal_scores = list(state["nominal_scores"])
        self.idle_scores = list(state["idle_scores"])


def mean_and_spread(scores: Sequence[float]) -> tuple[float, float]:
    """The mean of some clips, and how far its 95 % interval reaches to each side."""
    values = np.array(scores)
    mean, spread = float(values.mean()), 0.0
    if len(values) > 1:
        spread = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return mean, spread


def _mean(scores: Sequence[float]) -> float | None:
    return float(np.mean(scores)) if scores else None
