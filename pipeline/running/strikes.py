"""Strikes: at which segment of a shard a worker died, and when.

A segment at which workers die again and again is not tried any more. What a worker died of long ago
says little: machines are preempted, and memory is short for a while; so strikes are forgotten after
a day, and when their shard was done.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..labelling.attempts import COMMITTING

# A shard is tried again within minutes of a death: what is a day old was another trouble.
STRIKE_S = 24 * 3600.0

Strike = tuple[int, float]
"""A segment, and the Unix time of the death there."""


def counted(strikes: Iterable[Any]) -> list[Strike]:
    """Those that still count, in order. Bare numbers are strikes of before, of now on."""
    now = time.time()
    found = [(one, now) if isinstance(one, int) else (int(one[0]), one[1]) for one in strikes]
    return [strike for strike in found if now - strike[1] < STRIKE_S and strike[0] != COMMITTING]


def given_up(strikes: Sequence[Strike], most: int) -> tuple[int, ...]:
    """The segments that are not to be tried, sorted: workers died there `most` times."""
    deaths = Counter(segment for segment, _ in strikes)
    return tuple(sorted(segment for segment, count in deaths.items() if count >= most))
