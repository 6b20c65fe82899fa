"""Ranges of lambda, from which settings are drawn: what ADR moves, or shares of the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .entropy import nats_per_dimension
from .parameters import Boundary, Suite


@dataclass(frozen=True)
class Ranges:
    """For each parameter of a suite, the lowest and the highest lambda, 0 between them."""

    suite: Suite
    bounds: Mapping[str, tuple[float, float]]

    @classmethod
    def of_share(cls, suite: Suite, share: float) -> Ranges:
        """This share of the limits on each side that there is: 0 varies nothing, 1 everything."""
        bounds = {
            name: (share * parameter.ends[0] + 0.0, share * parameter.ends[1])  # no -0.0
            for name, parameter in suite.parameters.items()
        }
        return cls(suite, bounds)

    @classmethod
    def of_plain(cls, suite: Suite, bounds: Mapping[str, Any]) -> Ranges:
        """The ranges that `to_plain` gave, in the suite's order, by which numbers are dealt out."""
        pairs = {name: (float(low), float(high)) for name, (low, high) in bounds.items()}
        return cls(suite, {name: pairs[name] for name in suite.parameters})

    def to_plain(self) -> dict[str, list[float]]:
        """The bounds as JSON holds them."""
        return {name: list(ends) for name, ends in self.bounds.items()}

    def draw(self, generator: np.random.Generator) -> dict[str, float]:
        """Lambda of each parameter, uniform in its range and independent of the others."""
        drawn = generator.random(len(self.bounds))
        return {
            name: low + (high - low) * float(part)
            for (name, (low, high)), part in zip(self.bounds.items(), drawn, strict=True)
        }

    def boundaries(self) -> list[Boundary]:
        """All ends that can move."""
        return [
            Boundary(name, side)
            for name, parameter in self.suite.parameters.items()
            for side in parameter.sides
        ]

    def at(self, boundary: Boundary) -> float:
        """Where a boundary stands, as lambda."""
        return self.bounds[boundary.parameter][boundary.side == "high"]

    def moved(self, boundary: Boundary, by: float) -> Ranges:
        """With a boundary further out by `by` (further in where that is negative).

        It stops at the limit, and at nominal, which every range keeps.
        """
        low, high = self.bounds[boundary.parameter]
        # Rounded, so that ten steps of a tenth end at the limit and not beside it.
        if boundary.side == "low":
            low = round(min(max(low - by, -1.0), 0.0), 9) + 0.0
        else:
            high = round(min(max(high + by, 0.0), 1.0), 9)
        return Ranges(self.suite, {**self.bounds, boundary.parameter: (low, high)})

    def nats(self, delta: float) -> float:
        """Nats a dimension, see `nats_per_dimension`."""
        return nats_per_dimension(self.bounds, delta)

    def in_units(self) -> dict[str, tuple[float, float]]:
        """The ranges as values in the parameters' own units."""
        return {
            name: (
                self.suite.parameters[name].value(low),
                self.suite.parameters[name].value(high),
            )
            for name, (low, high) in self.bounds.items()
        }

    def said(self) -> str:
        """The ranges in one line, in their own units."""
        return ", ".join(
            f"{name} {low:.3g}..{high:.3g}" for name, (low, high) in self.in_units().items()
        )
