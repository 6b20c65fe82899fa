"""How wide ranges are, in nats a dimension.

Uniform independent ranges have the entropy (1/d) sum log(width_i) ('Solving Rubik's Cube with a
Robot Hand', 2019, section 5.2). Widths are of lambda: 2 for a parameter whose whole range is open
on both sides, 1 where it has one side only; so the highest entropy is log 2 = 0.693, or 0 where all
have one side. It compares models under one suite only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping


def nats_per_dimension(ranges: Mapping[str, tuple[float, float]], delta: float) -> float:
    """The entropy of ranges of lambda, by parameter; 0 where there are none.

    A width below `delta`, the step of ADR, counts as `delta`: a range of no width would have
    minus infinity. Parameters that are not varied are not to be given: they belong neither into the
    sum nor into the number that divides it.
    """
    logs = [math.log(max(high - low, delta)) for low, high in ranges.values()]
    return sum(logs) / len(logs) if logs else 0.0
