"""From source frames to ticks: which frame is on screen at each tick, by timestamps alone.

Tick k is the moment k / tick_hz after the first visible frame (plus a phase). Its frame is the last
one whose time has come, whatever the source's rate, so that a variable rate needs no special case.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

NS = 1_000_000_000


def tick_times_ns(first: int, end: int, tick_hz: Fraction, phase_ns: int = 0) -> NDArray[np.int64]:
    """Return the times of ticks [first, end), int64 ns after the first visible frame.

    They are exact over centuries.
    """
    ticks = np.arange(first, end, dtype=np.int64)
    numerator, denominator = NS * tick_hz.denominator, tick_hz.numerator
    # k * NS would pass 2**63 after some months of ticks; whole seconds first stay far below.
    whole, rest = np.divmod(ticks, denominator)
    return whole * numerator + rest * numerator // denominator + phase_ns


def count_ticks(
    duration_ns: int, tick_hz: Fraction, phase_ns: int = 0, tolerance_ns: int = 1000
) -> int:
    """Return how many ticks begin before `duration_ns`.

    At least 1 for a video that has a frame at the phase.
    """
    room = duration_ns - phase_ns - tolerance_ns
    if room <= 0:
        return 1 if duration_ns > phase_ns else 0
    period = Fraction(NS) / tick_hz
    return int(-(-room // period))  # ceiling


def frame_slots(
    frame_times_ns: NDArray[np.int64], tick_times: NDArray[np.int64], tolerance_ns: int = 1000
) -> NDArray[np.int64]:
    """Return the index of the frame on screen at each tick, int64 [ticks].

    Args:
        frame_times_ns: rising times of the frames after the first one, int64 [N], the first 0.
        tick_times: times of the ticks, int64 [ticks].
        tolerance_ns: a frame stamped this much after a tick still counts as there; half a unit of a
            coarse time base.
    """
    slots = np.searchsorted(frame_times_ns, tick_times + tolerance_ns, side="right") - 1
    return np.maximum(slots, 0)
