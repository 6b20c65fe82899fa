"""The mu-law quantiser: VPT's bins to the letter, and the properties any quantiser must have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.actions.quantiser import Even, MuLaw
from vidact.errors import SpecError

VPT = MuLaw(max_deg=10, bins=11, mu=10)
quantisers = st.builds(
    MuLaw,
    max_deg=st.floats(1, 180),
    bins=st.integers(1, 40).map(lambda half: 2 * half + 1),
    mu=st.floats(0.5, 50),
)


def edges_of(quantiser: MuLaw) -> np.ndarray:
    """The degrees between neighboring bins, float64 [bins - 1]."""
    companded = (np.arange(quantiser.bins - 1) + 0.5) / quantiser.null_bin - 1.0
    size = (1.0 + quantiser.mu) ** np.abs(companded) - 1.0
    return np.sign(companded) * size / quantiser.mu * quantiser.max_deg


def test_vpt_centres_and_edges() -> None:
    half = [0.61539, 1.60950, 3.21537, 5.80948, 10.0]
    np.testing.assert_allclose(VPT.centres(), [-x for x in half[::-1]] + [0.0] + half, atol=5e-6)
    assert VPT.centres()[5] == 0.0
    edges = [0.27098, 1.05314, 2.31662, 4.35766, 7.65473]
    np.testing.assert_allclose(edges_of(VPT), [-x for x in edges[::-1]] + edges, atol=5e-6)


def test_vpt_bins_of_every_pixel_count() -> None:
    # Raw mouse pixels at which the bin changes (0.15 degrees a pixel): 1.81, 7.02, 15.44, 29.05,
    # 51.03.
    pixels = np.arange(0, 100)
    expected = 5 + np.digitize(pixels, [1.81, 7.02, 15.44, 29.05, 51.03])
    np.testing.assert_array_equal(VPT.quantise(pixels * 0.15), expected)
    np.testing.assert_array_equal(VPT.quantise(-pixels * 0.15), 10 - expected)


def test_small_moves_are_not_cut_off() -> None:
    assert VPT.quantise(2 * 0.15) == 6  # integer truncation of degrees would say "no motion"
    assert VPT.quantise(1 * 0.15) == 5


@given(quantisers)
def test_centres_come_back(quantiser: MuLaw) -> None:
    np.testing.assert_array_equal(
        quantiser.quantise(quantiser.centres()), np.arange(quantiser.bins)
    )


@given(quantisers, st.lists(st.floats(-500, 500), min_size=2, max_size=50))
def test_monotone_odd_and_nearest(quantiser: MuLaw, values: list[float]) -> None:
    degrees = np.sort(np.array(values))
    bins = quantiser.quantise(degrees)
    assert (np.diff(bins) >= 0).all()
    assert bins.min() >= 0
    assert bins.max() < quantiser.bins
    inner = np.searchsorted(edges_of(quantiser), degrees)
    off_edge = np.abs(edges_of(quantiser)[:, None] - degrees).min(0) > 1e-6
    np.testing.assert_array_equal(bins[off_edge], inner[off_edge])
    np.testing.assert_array_equal(
        quantiser.quantise(-degrees)[off_edge], quantiser.bins - 1 - bins[off_edge]
    )


@pytest.mark.parametrize(
    "wrong", [{"max_deg": 0}, {"bins": 10}, {"bins": 1}, {"mu": 0}, {"max_deg": float("nan")}]
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        MuLaw(**({"max_deg": 10, "bins": 11, "mu": 10} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("even", "null_bin", "values", "bins"),
    [
        (
            Even(low=-1, high=1, bins=21),
            10,
            [-1.2, -1, -0.94, 0.04, 0.06, 1],
            [0, 0, 1, 10, 11, 20],
        ),
        (Even(low=0, high=1, bins=11), 0, [-0.1, 0.0, 0.26, 0.96, 2.0], [0, 0, 3, 10, 10]),
        (Even(low=-3, high=3, bins=7), 3, [-5, -1, 0, 2.4], [0, 2, 3, 5]),  # a wheel's notches
    ],
)
def test_even_bins(even: Even, null_bin: int, values: list[float], bins: list[int]) -> None:
    assert even.null_bin == null_bin
    assert even.centres()[null_bin] == 0
    assert even.quantise(values).tolist() == bins
    np.testing.assert_array_equal(even.quantise(even.centres()), np.arange(even.bins))


@pytest.mark.parametrize(
    "wrong", [{"low": 1}, {"bins": 1}, {"bins": 20}, {"low": 0.5}, {"low": float("nan")}]
)
def test_even_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=r"quantiser (low|bins)"):
        Even(**({"low": -1, "high": 1, "bins": 21} | wrong))  # type: ignore[arg-type]
