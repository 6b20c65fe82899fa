"""What is known without looking: rates, and what follows what."""

from __future__ import annotations

import numpy as np
import pytest
from vidact.bc_policy.cloning.baselines import TRUST, NextClass


def test_rates_and_what_follows() -> None:
    """0 and 1 take turns, 2 came once at the start."""
    now = np.array([2, 0, 1, 0, 1, 0, 1, 0])
    before = np.array([-1, 2, 0, 1, 0, 1, 0, 1])
    known = NextClass(4, now, before)
    asked, last = np.array([1, 0, 3, 1]), np.array([0, 0, 0, -1])
    rates = (np.bincount(now, minlength=4) + 0.5) / 10
    by_rate, by_last = known.log_prob(asked, last)
    np.testing.assert_allclose(np.exp(by_rate), rates[asked])
    # After 0 there was 1, three times.
    seen = np.array([3, 0, 0])
    expected = [*((seen + TRUST * rates[asked[:3]]) / (3 + TRUST)), rates[1]]
    np.testing.assert_allclose(np.exp(by_last), expected)
    chances = known.log_prob(np.arange(4), np.zeros(4, int))[1]
    assert np.exp(chances).sum() == pytest.approx(1)


def test_without_training_ticks_every_class_is_as_likely() -> None:
    none = np.zeros(0, int)
    for found in NextClass(5, none, none).log_prob(np.arange(5), np.arange(5)):
        np.testing.assert_allclose(np.exp(found), 0.2)
