"""Settings of automatic domain randomization. Loads no torch."""

from __future__ import annotations

from typing import Annotated

import tyro
from pydantic import Field, PositiveInt

from ..options import NONE_BY_DEFAULT
from ..settings import LocalPath, require, settings


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


@settings()
class AdrShowConfig:
    """Show how the ranges of automatic domain randomization went.

    Prints each parameter's range, and writes a page with the ranges over time. The run may still be
    going on.

    Example:
      vidact adr show runs/idm
    """

    run: Annotated[LocalPath, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The folder of a training with `--randomize adr`, or of `vidact robustness`."""
    out: Annotated[str, NONE_BY_DEFAULT] = ""
    """The page; by default RUN/adr.html."""
