"""Measures on toys whose answers are written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.scores.figures import (
    Figures,
    auroc,
    average_precision,
    confidence_curves,
    lowest_kept,
    risk_coverage,
    surest,
)
from vidact.idm.scores.metrics import (
    SCORE_BINS,
    SCORE_LIMIT,
    Labelling,
    Sums,
    Truth,
    transition_counts,
)
from vidact.training.intervals import bootstrap_weights, interval


def bits(text: str) -> np.ndarray:
    return np.array([c == "1" for c in text])


def counts(predicted: str, true: str, valid: str = "", segments: str = "") -> tuple[int, int, int]:
    n = len(true)
    ok = bits(valid) if valid else np.ones(n, bool)
    where = np.array([int(c) for c in segments]) if segments else np.zeros(n, np.int64)
    return transition_counts(bits(predicted), bits(true), ok, where)


def test_transitions_by_hand() -> None:
    assert counts("0011100", "0011100") == (2, 2, 2)
    assert counts("0000111000", "0011100000") == (2, 2, 2)  # two ticks late still count
    assert counts("00000111000", "0011100000" + "0") == (0, 2, 2)  # three do not
    assert counts("0101000000", "0100000000") == (2, 4, 2)  # each true one is found once
    assert counts("1100000", "0011000") == (1, 1, 2)  # a release two ticks early


def test_transitions_need_the_same_direction() -> None:
    assert counts("1111000", "0001111") == (0, 1, 1)


def test_transitions_end_at_cuts_and_holes() -> None:
    assert counts("000111", "000111", segments="000111") == (0, 0, 0)
    assert counts("000111", "000111", valid="110111") == (0, 0, 0)
    # A press at the end of one segment does not match one at the start of the next.
    assert counts("0001000", "0000001", segments="0000111") == (0, 1, 1)


@given(
    st.lists(st.booleans(), min_size=2, max_size=40),
    st.lists(st.booleans(), min_size=2, max_size=40),
)
def test_transition_counts_are_bounded(one: list[bool], other: list[bool]) -> None:
    n = min(len(one), len(other))
    a, b = np.array(one[:n]), np.array(other[:n])
    found, said, were = transition_counts(a, b, np.ones(n, bool), np.zeros(n, np.int64))
    assert found <= min(said, were)
    assert said == np.abs(np.diff(a.astype(int))).sum()
    assert transition_counts(b, a, np.ones(n, bool), np.zeros(n, np.int64)) == (found, were, said)


def histogram(scores: list[int], held: list[int]) -> np.ndarray:
    result = np.zeros((6, 2))
    for score, so in zip(scores, held, strict=True):
        result[score, so] += 1
    return result


def test_average_precision_by_hand() -> None:
    # By falling score: held, released, held, held -> precisions at the held ones 1, 2/3, 3/4.
    assert average_precision(histogram([5, 4, 3, 2], [1, 0, 1, 1])) == pytest.approx(
        (1 + 2 / 3 + 3 / 4) / 3
    )
    # All alike: the share of held ones.
    assert average_precision(histogram([1, 1, 1, 1], [1, 0, 0, 0])) == pytest.approx(0.25)
    assert np.isnan(average_precision(histogram([1, 2], [0, 0])))


def test_auroc_by_hand() -> None:
    assert auroc(histogram([5, 4, 1, 0], [1, 1, 0, 0])) == 1.0
    assert auroc(histogram([3, 3], [1, 0])) == 0.5
    assert auroc(histogram([5, 2, 4], [1, 1, 0])) == 0.5


def test_risk_coverage_by_hand() -> None:
    kept, wrong = risk_coverage(histogram([5, 4, 3, 2], [1, 1, 0, 1]))
    assert kept.tolist() == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(wrong, [0, 0, 1 / 3, 0.25, 0.25, 0.25])


def figures(
    held: list[list[int]],
    camera: list[float],
    true: list[list[int]],
    true_camera: list[float],
    spec: ActionSpec,
):
    n = len(true)
    p = np.where(np.array(held) > 0, 0.9, 0.1)
    labels = Labelling(
        buttons=np.array(held, np.uint8),
        buttons_prob=p,
        camera=np.array(camera)[:, None],
        confidence=np.full(n, 0.5),
    )
    truth = Truth(
        buttons=np.array(true, np.uint8),
        camera=np.array(true_camera, np.float32)[:, None],
        valid=np.ones(n, bool),
    )
    sums = Sums.stack([Sums.of(labels, truth, spec)]).weighted(np.ones((1, 1)))
    return Figures.of(sums, spec, sums.press_rates()[0])


def test_whole_report_by_hand(toy_spec: ActionSpec) -> None:
    got = figures(
        held=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]],
        true=[[1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]],
        camera=[1.0, 1.0, -1.0, -1.0],
        true_camera=[2.0, 0.0, -2.0, 0.0],
        spec=toy_spec,
    )
    one = {name: values[0] for name, values in got.per_button.items()}
    assert one["pressed"].tolist() == [0.5, 0.0, 0.0]
    assert one["accuracy"].tolist() == [0.5, 0.75, 1.0]
    assert one["precision"][0] == 0.5
    assert one["recall"][0] == 0.5
    assert one["f1"][0] == 0.5
    assert one["f1"][1] == 0.0  # pressed once, wrongly
    assert np.isnan(one["f1"][2])  # neither pressed nor said to be
    assert got.headline["keypress_accuracy"][0] == 9 / 12
    assert got.headline["macro_f1"][0] == 0.5  # only the lamp occurs
    assert got.headline["macro_ap"][0] == 0.5
    assert got.motion_r2[0, 0] == pytest.approx(1 - 4 / 8)
    assert got.motion_error_deg[0, 0] == 1.0
    assert got.per_button["ece"][0, 0] == pytest.approx((abs(2 * 0.9 - 1) + abs(2 * 0.1 - 1)) / 4)
    assert (
        got.confidence["right"][0] == 0.5
    )  # the first and the last: right keys, and a motion beside the true bin


def test_rare_buttons_count_in_the_mean_but_not_in_that_over_common_ones(
    toy_spec: ActionSpec,
) -> None:
    """In 100 ticks the first button is held in half of them, the second in two, the third in one,
    and never found.
    """
    true = np.zeros((100, 3), np.uint8)
    true[:50, 0], true[:2, 1], true[:1, 2] = 1, 1, 1
    held = true.copy()
    held[:, 2] = 0
    got = figures(held=held, camera=[0.0] * 100, true=true, true_camera=[0.0] * 100, spec=toy_spec)
    assert got.headline["macro_f1"][0] == pytest.approx(2 / 3)
    assert got.headline["macro_f1_common"][0] == 1.0
    assert got.headline["transition_f1_common"][0] == 1.0


def test_r2_is_missing_where_the_truth_lies_still(toy_spec: ActionSpec) -> None:
    got = figures([[0, 0, 0]] * 3, [1.0, 0.0, 0.0], [[1, 0, 0]] * 3, [0.0] * 3, toy_spec)
    assert np.isnan(got.motion_r2[0, 0])
    assert np.isnan(got.headline["mouse_r2.yaw"][0])


def test_invalid_ticks_do_not_count(toy_spec: ActionSpec) -> None:
    valid = np.array([True, True, False])
    truth = Truth(
        buttons=np.zeros((3, 3), np.uint8), camera=np.zeros((3, 1), np.float32), valid=valid
    )
    held = np.array([[0, 0, 0], [0, 0, 0], [1, 1, 1]], np.uint8)
    sums = Sums.of(
        Labelling(buttons=held, buttons_prob=held * 1.0, camera=held[:, :1] * 5.0), truth, toy_spec
    )
    assert float(sums.ticks) == 2
    assert sums.confusion.tolist() == [[0, 0, 0, 2]] * 3
    assert sums.motion[0].tolist() == [2, 0, 0, 0, 0, 2]


def test_sums_of_recordings_add_up(toy_spec: ActionSpec) -> None:
    generator = np.random.default_rng(0)

    def draw(n: int) -> tuple[Labelling, Truth]:
        p = generator.random((n, 3))
        return (
            Labelling(
                buttons=(p > 0.5).astype(np.uint8),
                buttons_prob=p,
                camera=generator.normal(size=(n, 1)),
            ),
            Truth(
                buttons=generator.integers(0, 2, (n, 3)).astype(np.uint8),
                camera=generator.normal(size=(n, 1)).astype(np.float32),
                valid=np.ones(n, bool),
            ),
        )

    stacked = Sums.stack([Sums.of(*draw(50), toy_spec) for _ in range(4)])
    twice_first = stacked.weighted(np.array([[2.0, 0, 0, 0]]))
    np.testing.assert_allclose(twice_first.confusion[0], 2 * stacked.confusion[0])
    weights = bootstrap_weights(4, 300, seed=0)
    assert weights.shape == (301, 4)
    assert (weights.sum(1) == 4).all()
    values = Figures.of(stacked.weighted(weights), toy_spec, np.ones(3)).headline[
        "keypress_accuracy"
    ]
    low, high = interval(values)  # type: ignore[misc]
    assert low < values[0] < high
    assert interval(np.array([0.5, np.nan, np.nan])) is None


def test_the_confidence_that_the_surest_have_at_least() -> None:
    ranking = np.zeros((SCORE_BINS, 2))
    for probability, ticks in ((0.9, 8), (0.3, 2)):
        log_odds = np.log(probability / (1 - probability))
        ranking[int((log_odds + SCORE_LIMIT) * SCORE_BINS / (2 * SCORE_LIMIT)), 1] = ticks
    kept, _ = risk_coverage(ranking)
    for share, least in ((0.8, 0.9), (1.0, 0.3)):
        assert lowest_kept()[np.searchsorted(kept, share - 1e-9)] == pytest.approx(least, abs=0.005)


def test_of_the_surest_where_most_are_as_sure_as_can_be() -> None:
    ranking = np.zeros((SCORE_BINS, 2))
    ranking[-1], ranking[0] = (90, 810), (60, 40)
    wrong, least = surest(ranking, np.array([0.5, 0.9, 1.0]))
    assert wrong.tolist() == pytest.approx([0.1, 0.1, 0.15])
    assert least[0] == least[1] > 0.99
    assert np.isnan(surest(np.zeros((SCORE_BINS, 2)), np.array([0.8]))).all()


def test_curves_of_confidence(toy_spec: ActionSpec) -> None:
    held = np.zeros((10, toy_spec.num_buttons), np.uint8)
    said = held.copy()
    said[8:, 0] = 1  # wrong, and not sure of it
    still = np.zeros((10, toy_spec.num_axes), np.float32)
    labels = Labelling(
        buttons=said,
        buttons_prob=said * 0.5,
        camera=still,
        confidence=np.repeat([0.9, 0.3], [8, 2]).astype(np.float32),
    )
    for valid in (True, False):
        truth = Truth(buttons=held, camera=still, valid=np.full(10, valid))
        sums = Sums.stack([Sums.of(labels, truth, toy_spec)]).weighted(np.ones((1, 1)))
        curves = confidence_curves(sums)
        risk, reliability = curves["risk_coverage"], curves["reliability"]
        if not valid:  # nothing to draw
            assert all(points == [] for curve in curves.values() for points in curve.values())
            continue
        assert reliability["ticks"] == [2, 8]
        assert reliability["right"] == [0, 1]
        np.testing.assert_allclose(reliability["confidence"], [0.3, 0.9], atol=1e-6)
        at_80, at_all = int(np.argmin(np.abs(np.array(risk["kept"]) - 0.8))), -1
        assert (risk["wrong"][at_80], risk["wrong"][at_all]) == pytest.approx((0, 0.2), abs=1e-6)
        assert risk["confidence"][at_all] < 0.31
