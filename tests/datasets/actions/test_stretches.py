"""Runs of a mask: half-open ranges, whatever begins or ends at the border."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.actions.stretches import stretches


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([0, 1, 1, 0, 1], [[1, 3], [4, 5]]),
        ([1], [[0, 1]]),
        ([1, 1, 1], [[0, 3]]),
        ([1, 0, 0, 1], [[0, 1], [3, 4]]),
        ([0, 0], []),
        ([], []),
        ([3, 0, 2], [[0, 1], [2, 3]]),
    ],
)
def test_half_open_ranges(mask, expected):
    found = stretches(mask)
    assert found.tolist() == expected
    assert found.shape == (len(expected), 2)
    assert found.dtype == np.int64
    assert stretches(np.array(mask, bool)).tolist() == expected


@given(st.lists(st.booleans(), max_size=50))
def test_they_say_all_of_the_mask_and_never_touch(mask):
    again = np.zeros(len(mask), bool)
    ranges = stretches(mask).tolist()
    for start, end in ranges:
        assert start < end
        again[start:end] = True
    assert again.tolist() == mask
    assert all(end < start for (_, end), (start, _) in pairwise(ranges))
