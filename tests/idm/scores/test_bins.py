"""Counts and motion in bins of 50 ms, against a plain computation from lists of events in time."""

import statistics
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from vidact.idm.scores.bins import (
    bin_of_ticks,
    binned_events,
    binned_motion,
    correlation_of,
    scale_of,
)


def test_a_tick_lies_in_the_bin_in_which_it_begins() -> None:
    assert bin_of_ticks(4, Fraction(20)).tolist() == [0, 1, 2, 3]
    assert bin_of_ticks(5, Fraction(60)).tolist() == [0, 0, 0, 1, 1]  # 0, 17, 33, 50, 67 ms
    assert bin_of_ticks(3, Fraction(35, 2)).tolist() == [0, 1, 2]  # the empty eighth has no number
    assert bin_of_ticks(0, Fraction(20)).tolist() == []


def test_events_by_hand() -> None:
    # Two bins of three ticks: the label presses a tick late within the first, and misses a tap.
    held, true = (
        np.array([[int(c)] for c in text]) > 0 for text in ("001000" + "111", "010010" + "111")
    )
    found = binned_events(held, true, np.ones((9, 1), bool), bin_of_ticks(9, Fraction(60)))
    # bin 0: press (label) against press and release; bin 1: release against tap; bin 2: press each
    assert found.tolist() == [[3, 1, 3, 1]]


@pytest.mark.parametrize("hz", [Fraction(35, 2), Fraction(20), Fraction(35), Fraction(60)])
def test_as_a_plain_computation(hz: Fraction) -> None:
    draw = np.random.default_rng(int(hz))
    n = 400
    held, true = (np.cumsum(draw.random((n, 2)) < 0.2, axis=0) % 2 == 1 for _ in range(2))
    true[: n // 2] = held[: n // 2]
    valid = (draw.random(n) < 0.97)[:, None]
    camera, motion = draw.normal(size=(n, 1)), draw.normal(size=(n, 1))
    camera += 2 * motion

    place = [int(Fraction(tick) / hz / Fraction(1, 20)) for tick in range(n)]
    whole = sorted(set(place) - {place[tick] for tick in range(n) if not valid[tick]})

    def events(state: np.ndarray, button: int) -> Counter[tuple[int, bool]]:
        return Counter(
            (place[t], bool(state[t, button]))
            for t in range(1, n)
            if valid[t] and valid[t - 1] and state[t, button] != state[t - 1, button]
        )

    expected = []
    for button in range(2):
        one, other = events(held, button), events(true, button)
        kinds = [[(one[b, k], other[b, k]) for k in (False, True)] for b in whole]
        equal = [all(x == y for x, y in of) for of in kinds]
        some = [any(x or y for x, y in of) for of in kinds]
        both = sum(e and s for e, s in zip(equal, some, strict=True))
        expected.append([len(whole), sum(equal), sum(some), both])
    bins = bin_of_ticks(n, hz)
    assert binned_events(held, true, valid, bins).tolist() == expected

    x, y = (
        [sum(float(of[t, 0]) for t in range(n) if place[t] == b) for b in whole]
        for of in (camera, motion)
    )
    sums = binned_motion(camera, motion, valid, bins)
    assert correlation_of(sums)[0] == pytest.approx(statistics.correlation(x, y))
    assert scale_of(sums)[0] == pytest.approx(sum(map(abs, x)) / sum(map(abs, y)))


def test_what_never_moves_has_no_correlation() -> None:
    still, moving = np.zeros((40, 1)), np.sin(np.arange(40.0))[:, None]
    bins, valid = bin_of_ticks(40, Fraction(20)), np.ones((40, 1), bool)
    assert np.isnan(correlation_of(binned_motion(still, moving, valid, bins))[0])
    assert scale_of(binned_motion(still, moving, valid, bins))[0] == 0
    assert np.isnan(scale_of(binned_motion(moving, still, valid, bins))[0])
