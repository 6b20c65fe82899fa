"""The two-state path is the best of all paths."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from vidact.idm.labels.decisions import smooth


def value(path: tuple[int, ...], log_odds: np.ndarray, cost: float) -> float:
    return (
        sum(o for held, o in zip(path, log_odds, strict=True) if held)
        - cost * np.abs(np.diff(path)).sum()
    )


@settings(max_examples=60)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8), st.floats(0, 4))
def test_path_is_the_best_of_all(values: list[float], cost: float) -> None:
    log_odds = np.array(values)
    path = smooth(log_odds[:, None], np.array([cost]), np.ones((len(values), 1), bool))[:, 0]
    best = max(value(p, log_odds, cost) for p in itertools.product((0, 1), repeat=len(values)))
    assert abs(value(tuple(path.astype(int)), log_odds, cost) - best) < 1e-9


def test_without_a_cost_it_is_a_threshold() -> None:
    log_odds = np.array([[0.1], [-0.1], [2.0], [-0.5]])
    assert smooth(log_odds, np.zeros(1), np.ones((4, 1), bool))[:, 0].tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_flicker_goes_and_edges_stay() -> None:
    log_odds = np.array([-2, -2, 0.5, -2, -2, 3, 3, -0.5, 3, -2, -2.0])[:, None]
    path = smooth(log_odds, np.array([1.0]), np.ones((11, 1), bool))[:, 0]
    assert path.astype(int).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0]


def test_absent_ticks_say_nothing() -> None:
    log_odds = np.array([9.0, -1.0, -1.0])[:, None]
    present = np.array([False, True, True])[:, None]
    assert not smooth(log_odds, np.array([5.0]), present).any()
