"""Baselines that see no truth."""

import json

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.scores.baselines import (
    LinearModel,
    RatesSampler,
    always_released,
    copy_last,
    difference_features,
)
from vidact.idm.scores.metrics import Truth

from ..conftest import toy_play


def test_sampler_has_the_rates_and_holds_of_training(toy_spec: ActionSpec) -> None:
    # Held for 3, released for 9, again and again; the second button always, the third never.
    pattern = np.tile([1, 1, 1] + [0] * 9, 50)
    buttons = np.stack([pattern, np.ones(600), np.zeros(600)], axis=1).astype(np.uint8)
    camera = np.where(np.arange(600)[:, None] % 2, 4.0, 0.0).astype(np.float32)
    sampler = RatesSampler.fit(
        [Truth(buttons=buttons, camera=camera, valid=np.ones(600, bool))], toy_spec
    )
    sampler = RatesSampler.from_dict(json.loads(json.dumps(sampler.to_dict())), toy_spec)
    drawn = sampler(5000, np.random.default_rng(0))
    assert abs(drawn.buttons[:, 0].mean() - 0.25) < 0.02
    presses = np.flatnonzero(np.diff(drawn.buttons[:, 0].astype(int)) == 1)
    assert (np.diff(presses) == 12).mean() > 0.97
    assert drawn.buttons[:, 1].all()
    assert not drawn.buttons[:, 2].any()
    assert set(np.unique(drawn.camera)) == {0.0, 4.0}


def test_linear_model_learns_what_is_linear(
    toy_spec: ActionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of play 0 two thresholds are about as good, and which is better depends on the processor.
    pictures, lamp, dx = toy_play(400, 5)
    buttons = np.stack([lamp, np.zeros(400), np.zeros(400)], axis=1).astype(np.uint8)
    truth = Truth(buttons=buttons, camera=dx[:, None].astype(np.float32), valid=np.ones(400, bool))
    model = LinearModel.fit([([pictures[:150], pictures[150:]], truth)])
    monkeypatch.setattr("vidact.idm.scores.baselines.THRESHOLD_TICKS", 150)
    some = LinearModel.fit([([pictures], truth)])  # thresholds chosen on every fourth tick
    assert np.allclose(some.weights, model.weights)
    assert abs(some.thresholds[0] - model.thresholds[0]) < 0.2
    assert model.thresholds[1] == np.inf
    labels = model(difference_features([pictures]))
    changes = np.flatnonzero(np.diff(lamp.astype(int)) != 0)
    assert labels.buttons.shape == (400, 3)
    # A lamp going on or off shows in a difference of pictures: those ticks are told apart far
    # better than by chance.
    on, off = (changes[lamp[changes + 1] == state] + 1 for state in (True, False))
    assert labels.buttons_prob[on, 0].mean() > labels.buttons_prob[off, 0].mean() + 0.3


def test_features_do_not_depend_on_batches() -> None:
    pictures = toy_play(50, 1)[0]
    one = difference_features([pictures])
    other = difference_features([pictures[:7], pictures[7:30], pictures[30:]])
    np.testing.assert_array_equal(one, other)


def test_simple_ones(toy_spec: ActionSpec) -> None:
    labels = always_released(4, toy_spec)
    assert labels.buttons.shape == (4, 3)
    assert not labels.buttons.any()
    truth = Truth(
        buttons=np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8),
        camera=np.array([[1.0], [2.0], [3.0]], np.float32),
        valid=np.ones(3, bool),
    )
    copied = copy_last(truth)
    assert copied.buttons.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert copied.camera[:, 0].tolist() == [0, 1, 2]
