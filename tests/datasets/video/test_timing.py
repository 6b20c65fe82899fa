"""Ticks from timestamps: counts, the frame on screen, and agreement with exact fractions for
any rate.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.video.timing import NS, count_ticks, frame_slots, tick_times_ns

rates = st.builds(Fraction, st.integers(1, 240_000), st.sampled_from([1, 2, 1000, 1001]))


def stamps(rate: Fraction, frames: int) -> np.ndarray:
    return np.array([round(i * NS / rate) for i in range(frames)], np.int64)


def slots_of(rate: str, hz: str, frames: int, first: int = 0) -> list[int]:
    tick_hz = Fraction(hz)
    times = stamps(Fraction(rate), frames)
    ticks = count_ticks(round(frames * NS / Fraction(rate)), tick_hz, int(times[first]))
    return frame_slots(times, tick_times_ns(0, ticks, tick_hz, int(times[first]))).tolist()


def test_written_out() -> None:
    assert slots_of("35", "35/2", 8) == [0, 2, 4, 6]
    assert slots_of("35", "35/2", 8, first=1) == [1, 3, 5, 7]
    assert slots_of("35", "35/2", 7) == [0, 2, 4, 6]
    assert slots_of("30", "20", 9) == [0, 1, 3, 4, 6, 7]
    assert slots_of("60", "20", 9) == [0, 3, 6]
    assert slots_of("20", "20", 4) == [0, 1, 2, 3]
    assert slots_of("15", "20", 6) == [0, 0, 1, 2, 3, 3, 4, 5]
    assert slots_of("30000/1001", "20", 7) == [0, 1, 2, 4, 5]  # frame 3 comes 0.1 ms after tick 2


def test_variable_rate_shows_what_stands() -> None:
    times = np.array([0, 10, 300, 310, 320], np.int64) * 1_000_000
    ticks = tick_times_ns(0, 8, Fraction(20))
    assert frame_slots(times, ticks).tolist() == [0, 1, 1, 1, 1, 1, 2, 4]


def test_coarse_stamps_within_tolerance_have_come() -> None:
    # 35 frames/s in whole milliseconds: frame 8 is stamped 229 ms, but tick 4 of 17.5 Hz is at
    # 228.57 ms.
    times = np.round(np.arange(10) * 1000 / 35).astype(np.int64) * 1_000_000
    tick = tick_times_ns(4, 5, Fraction(35, 2))
    assert frame_slots(times, tick, tolerance_ns=1000).tolist() == [7]
    assert frame_slots(times, tick, tolerance_ns=501_000).tolist() == [8]


@given(rates, st.integers(0, 10**8), st.integers(0, 3), st.integers(0, 10**9))
def test_tick_times_are_exact(rate: Fraction, second: int, length: int, phase: int) -> None:
    # To the nanosecond below, after up to three years.
    first = int(second * rate)
    times = tick_times_ns(first, first + length, rate, phase)
    assert times.tolist() == [int(k * NS / rate) + phase for k in range(first, first + length)]


@given(rates, st.integers(0, 10**15))
def test_count_covers_the_duration(rate: Fraction, duration: int) -> None:
    ticks = count_ticks(duration, rate)
    if ticks > 1:
        assert (ticks - 1) * NS / rate < duration  # the last tick begins before the end
    if ticks:
        assert ticks * NS / rate >= duration - 1000  # and no further one would


@given(rates, rates, st.integers(1, 60))
def test_slots_agree_with_fractions(rate: Fraction, hz: Fraction, frames: int) -> None:
    times = stamps(rate, frames)
    ticks = min(count_ticks(round(frames * NS / rate), hz), 200)
    slots = frame_slots(times, tick_times_ns(0, ticks, hz))
    assert (np.diff(slots) >= 0).all()
    for k, slot in enumerate(slots):
        moment = k * NS / hz
        assert times[slot] <= moment + 1000
        if slot + 1 < frames:
            assert times[slot + 1] > moment + 1000 - 1


@pytest.mark.parametrize(
    ("duration", "phase", "ticks"),
    [(0, 0, 0), (1, 0, 1), (NS, 0, 20), (NS + 2000, 0, 21), (NS, NS, 0)],
)
def test_count_at_the_edges(duration: int, phase: int, ticks: int) -> None:
    assert count_ticks(duration, Fraction(20), phase) == ticks
