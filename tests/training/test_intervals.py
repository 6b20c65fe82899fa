"""Intervals by the bootstrap."""

import numpy as np
import pytest
from vidact.training.intervals import interval_words, mean_interval


def test_interval_of_the_mean():
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    low, high = mean_interval(np.arange(100.0).tolist())
    # The standard error is 28.87 / 10; 1.96 of it to each side of 49.5.
    assert (low, high) == (pytest.approx(49.5 - 5.66, abs=0.3), pytest.approx(49.5 + 5.66, abs=0.3))
    assert mean_interval([1.0, 5.0]) == mean_interval([1.0, 5.0])
    assert mean_interval([7.0]) is None  # an interval without width would claim to be sure
    assert interval_words(None) == "no interval of one episode"
    assert interval_words((1.0, 2.25)) == "1.0 to 2.2"
