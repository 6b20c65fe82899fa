from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.games.doom.game import DEGREES_PER_PIXEL
from vidact.games.doom.keyboard import HOLD, KeyboardHand
from vidact.games.doom.mouse import MouseHand, Swing


def run_out(hand: MouseHand, tics: int = 120) -> np.ndarray:
    return np.array([hand.tic() for _ in range(tics)])


@given(st.floats(-170, 170), st.floats(-20, 20), st.integers(0, 1000))
def test_a_swing_comes_near_its_aim_and_then_rests(yaw: float, pitch: float, seed: int) -> None:
    hand = MouseHand(np.random.default_rng(seed))
    hand.aim(yaw, pitch, dead_zone=2.0)
    moved = run_out(hand).sum(axis=0) * DEGREES_PER_PIXEL
    if np.hypot(yaw, pitch) < 2.0:
        assert moved.tolist() == [0, 0]
    else:
        # People miss by some per cent and overshoot; one sweep of the pad is at most 110 degrees.
        assert abs(moved[0] - np.clip(yaw, -110, 110)) <= 0.3 * abs(yaw) + 2.5
        assert abs(moved[1] - pitch) <= 0.3 * abs(pitch) + 0.3 * abs(yaw) + 2.5
    assert not hand.swings


def test_a_swing_starts_and_ends_softly() -> None:
    hand = MouseHand(np.random.default_rng(3))
    hand.swings.append(Swing(90.0, 0.0, 20))
    speed = run_out(hand, 20)[:, 0] * DEGREES_PER_PIXEL
    assert speed.argmax() in (9, 10)
    # The peak of minimum jerk is 1.875 times the mean.
    assert speed.max() == pytest.approx(90 / 20 * 1.875, rel=0.05)
    assert max(speed[0], speed[-1]) < 0.5


def test_pixels_are_whole_and_nothing_is_lost_in_rounding() -> None:
    hand = MouseHand(np.random.default_rng(0))
    hand.swings.append(Swing(10.0, 5.0, 30))
    pixels = run_out(hand, 30)
    assert np.array_equal(pixels, np.rint(pixels))
    assert pixels.sum(axis=0) * DEGREES_PER_PIXEL == pytest.approx([10.0, 5.0], abs=1.5)  # tremor


def test_small_errors_are_left_alone_and_rests_are_kept() -> None:
    hand = MouseHand(np.random.default_rng(1))
    hand.aim(1.5, 0.0, dead_zone=2.0)
    assert not hand.swings
    hand.aim(10.0, 0.0, dead_zone=2.0)
    run_out(hand, hand.swings[0].tics)
    assert hand.pause > 0
    hand.aim(5.0, 0.0, dead_zone=2.0)
    assert not hand.swings  # still resting
    hand.aim(60.0, 0.0, dead_zone=2.0)
    assert hand.swings  # a surprise ends the rest


def test_pursuit_follows_a_little_behind() -> None:
    hand = MouseHand(np.random.default_rng(0))
    for _ in range(40):
        hand.pursue(2.0)
        hand.tic()
    moved = sum(hand.tic()[0] * DEGREES_PER_PIXEL for _ in range(50)) / 50
    assert moved == pytest.approx(1.8, abs=0.15)
    for _ in range(30):
        hand.pursue(0.0)
    assert run_out(hand, 5).tolist() == [[0.0, 0.0]] * 5


def test_keys_are_held_and_rested_for_a_human_time() -> None:
    hand = KeyboardHand()
    downs = []
    for tic in range(200):
        hand.want("forward", tic % 2 == 0)  # a script that cannot decide
        downs.append("forward" in hand.tic())
    changes = np.flatnonzero(np.diff(np.array(downs, int))) + 1
    lengths = np.diff(changes)
    hold, rest = HOLD["forward"]
    assert len(lengths) > 3
    assert min(lengths[0::2].min(), lengths[1::2].min()) >= min(hold, rest)
    assert {int(n) for n in lengths} <= {hold, hold + 1, rest, rest + 1}


def test_a_reflex_needs_no_waiting() -> None:
    hand = KeyboardHand()
    hand.want("forward", True)
    assert hand.tic() == ("forward",)
    hand.want("forward", False)
    assert hand.is_down("forward")
    hand.want("forward", False, now=True)
    assert hand.tic() == ()
