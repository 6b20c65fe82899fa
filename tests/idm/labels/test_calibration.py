"""Calibration finds what was put in, and what it says comes true."""

import json
from dataclasses import replace

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import CheckpointError, RecordingError
from vidact.idm.fitting.fit_calibration import LabelledWindow, fit, fit_logistic
from vidact.idm.labels.calibration import Calibration, likeliest, local_mean, sigmoid, softmax
from vidact.idm.labels.windows import EDGE, STRIDE, WINDOW, WindowLogits


def toy_windows(spec: ActionSpec, count: int = 40, seed: int = 0) -> list[LabelledWindow]:
    """Windows whose lamp logits are twice as sure as they should be, shifted by one; the axis
    logits likewise.
    """
    generator = np.random.default_rng(seed)
    windows = []
    for i in range(count):
        true_log_odds = generator.normal(0, 1.5, (WINDOW, 3))
        held = generator.random((WINDOW, 3)) < sigmoid(true_log_odds)
        held[:, 2] = False
        axis = generator.normal(0, 2, (WINDOW, 9))
        p = softmax(axis)
        bins = np.array([generator.choice(9, p=row) for row in p])
        keep = slice(EDGE, EDGE + STRIDE)
        windows.append(
            LabelledWindow(
                logits=WindowLogits(
                    first_tick=i * STRIDE,
                    keep=(EDGE, EDGE + STRIDE),
                    present=np.ones(WINDOW, bool),
                    buttons=(2 * true_log_odds + 1).astype(np.float32),
                    axes=((2 * axis).astype(np.float32),),
                ),
                buttons=held[keep].astype(np.uint8),
                camera=spec.bin_centres(0)[bins[keep]][:, None],
                valid=np.ones(STRIDE, bool),
                known=np.ones((STRIDE, 4), bool),
                recording="one",
            )
        )
    return windows


def test_fit_undoes_a_known_distortion(toy_spec: ActionSpec) -> None:
    calibration = fit(toy_windows(toy_spec), toy_spec, np.ones(3))
    assert calibration.slope[0] == pytest.approx(0.5, abs=0.05)
    assert calibration.offset[0] == pytest.approx(-0.5, abs=0.12)
    assert calibration.temperature[0] == pytest.approx(2.0, abs=0.25)
    assert calibration.threshold[2] == 0.0  # never pressed in validation: left alone
    assert calibration.switch_cost[2] == 0.0


def test_confidence_comes_true_on_other_play(toy_spec: ActionSpec) -> None:
    from vidact.idm.fitting.fit_calibration import all_right

    calibration = fit(toy_windows(toy_spec), toy_spec, np.ones(3))
    confidence, right = [], []
    for window in toy_windows(toy_spec, seed=1):
        labels = calibration.labels(window.logits, toy_spec)
        confidence.append(labels.confidence)
        right.append(all_right(labels.buttons, labels.camera, window, toy_spec))
    said, so = np.concatenate(confidence), np.concatenate(right)
    assert abs(said.mean() - so.mean()) < 0.03
    sure = said > np.quantile(said, 0.7)
    assert so[sure].mean() > so[~sure].mean() + 0.1
    assert abs(said[sure].mean() - so[sure].mean()) < 0.06


def test_labels_have_the_promised_shapes(toy_spec: ActionSpec) -> None:
    window = toy_windows(toy_spec, 1)[0].logits
    labels = Calibration.neutral(toy_spec).labels(replace(window, keep=(40, 45)), toy_spec)
    assert labels.buttons.shape == labels.buttons_prob.shape == (5, 3)
    assert labels.camera.shape == (5, 1)
    assert labels.camera_prob.shape == (5, 1, 9)
    assert labels.confidence.shape == (5,)
    np.testing.assert_allclose(labels.camera_prob.sum(-1), 1, atol=1e-5)
    assert labels.buttons.dtype == np.uint8
    assert {labels.buttons_prob.dtype, labels.camera.dtype, labels.confidence.dtype} == {
        np.dtype(np.float32)
    }


def test_neutral_takes_back_training_weights(toy_spec: ActionSpec) -> None:
    calibration = Calibration.neutral(toy_spec, np.array([1.0, 4.0, 1.0]))
    np.testing.assert_allclose(sigmoid(calibration.log_odds(np.array([0.0, np.log(4), 0.0]))), 0.5)


def test_local_mean_by_hand() -> None:
    centres = np.array([-2.0, 0.0, 1.0, 5.0])
    p = np.array([[0.1, 0.2, 0.4, 0.3]])
    assert local_mean(p, centres, 0).tolist() == [1.0]
    assert local_mean(p, centres, 1)[0] == pytest.approx((0.4 * 1 + 0.3 * 5) / 0.9)
    assert local_mean(p, centres, 9)[0] == pytest.approx(-0.2 + 0.4 + 1.5)


def test_logistic_regression_recovers_weights() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20_000, 1))
    y = generator.random(20_000) < sigmoid(0.7 - 1.3 * x[:, 0])
    np.testing.assert_allclose(fit_logistic(x, y, np.array([0.0, 1.0])), [0.7, -1.3], atol=0.06)


def test_round_trip_and_refusals(toy_spec: ActionSpec) -> None:
    calibration = fit(toy_windows(toy_spec, 6), toy_spec, np.ones(3))
    assert (
        Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())), toy_spec)
        == calibration
    )
    with pytest.raises(CheckpointError, match="calibration"):
        Calibration.from_dict({**calibration.to_dict(), "slope": [1.0]}, toy_spec)
    one_for_all = {name: [1.0] for name in ("slope", "offset", "threshold", "switch_cost")}
    for altered in (one_for_all, {"slope": [float("nan")] * 3}, {"slope": ["x"] * 3}):
        with pytest.raises(CheckpointError, match="calibration"):
            Calibration.from_dict({**calibration.to_dict(), **altered}, toy_spec)
    with pytest.raises(RecordingError, match="no tick with a valid label"):
        fit(
            [replace(w, valid=np.zeros(STRIDE, bool)) for w in toy_windows(toy_spec, 1)],
            toy_spec,
            np.ones(3),
        )


def test_of_what_excludes_each_other_the_likeliest_is_held() -> None:
    p = np.array(
        [
            [0.40, 0.30, 0.05],  # none of them reaches one half, and "none" has 0.25
            [0.40, 0.05, 0.05],  # "none" has 0.5
            [0.60, 0.30, 0.05],
            [0.10, 0.10, 0.10],
        ]
    )
    log_odds = np.log(p / (1 - p))
    easier = log_odds + np.array([0.0, 0.0, 2.5])
    held = easier > 0
    assert likeliest(log_odds > 0, log_odds, log_odds).argmax(1).tolist() == [0, 0, 0, 0]
    assert likeliest(log_odds > 0, log_odds, log_odds).any(1).tolist() == [True, False, True, False]
    held[2, 2] = True  # both it and the first: the likelier one after the shift stays
    chosen = likeliest(held, log_odds, easier)
    assert chosen.sum(1).max() == 1
    assert chosen[2].tolist() == [True, False, False]


def test_exclusive_decisions_are_recorded_only_where_they_are(toy_spec: ActionSpec) -> None:
    plain, exclusive = (Calibration.neutral(toy_spec, exclusive=one) for one in (False, True))
    assert "exclusive" not in plain.to_dict()
    again = Calibration.from_dict(json.loads(json.dumps(exclusive.to_dict())), toy_spec)
    assert again.exclusive
