"""Settings of automatic domain randomization. Loads no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from ..settings import require, settings


@settings()
class ADRConfig:
    """How ranges grow.

    The constants of 'Solving Rubik's Cube with a Robot Hand' (2019) suit a cluster; these reach a
    limit in ten steps, and have a decision about every boundary some ten times in an hour.
    """

    delta: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How far a boundary moves at once, as a share of the way from nominal to the limit."""
    samples: Annotated[int, Field(ge=2)] = 24
    """Clips that a boundary must have been tested with before anything is decided."""
    widen: Annotated[float, Field(gt=0, le=1)] = 0.92
    """A range widens where the score at its boundary is at least this part of the nominal score."""
    narrow: Annotated[float, Field(ge=0, lt=1)] = 0.75
    """It narrows where that is at most this part."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Nothing is decided before the nominal score is so much above that of saying that nothing was
    done: a model that knows nothing is as good at every boundary.
    """
    test_every: PositiveInt = 10
    """Steps of training between two tests of a boundary."""

    def __post_init__(self) -> None:
        between = self.narrow < self.widen
        require(between, "narrow", self.narrow, f"below widen, which is {self.widen}")
