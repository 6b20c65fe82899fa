"""What a recording does not know is neither learned, nor calibrated on, nor measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import ConfigError
from vidact.idm.config import EvalIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.fitting.fit_calibration import fit
from vidact.idm.network.config import AugmentConfig
from vidact.idm.play.clips import ClipSampler, rare_presses
from vidact.idm.play.frame_cache import Track
from vidact.idm.play.training_play import camera_scale, press_rates
from vidact.idm.scores.baselines import LinearModel, RatesSampler
from vidact.idm.scores.metrics import Labelling, Sums, Truth
from vidact.idm.train_idm import train_idm

from .labels.test_calibration import toy_windows
from .toy_training import settings

LAMP = 0


def masked(known: np.ndarray, *columns: int) -> np.ndarray:
    known = known.copy()
    known[:, columns] = False
    return known


def test_figures_are_of_what_is_known(toy_spec: ActionSpec) -> None:
    draw = np.random.default_rng(0)
    buttons = (draw.random((50, 3)) < 0.5).astype(np.uint8)
    camera = draw.normal(size=(50, 1)).astype(np.float32)
    truth = Truth(buttons=buttons, camera=camera, valid=np.ones(50, bool))
    some = replace(truth, known=masked(truth.known, 1, 3))
    wrong = buttons.copy()
    wrong[:, 1] ^= 1
    labels = Labelling(
        buttons=wrong, buttons_prob=wrong * 0.8 + 0.1, camera=camera + 3, confidence=np.ones(50)
    )
    sums = Sums.of(labels, some, toy_spec)
    assert sums.confusion.sum(1).tolist() == [50, 0, 50]
    assert sums.scores.sum((1, 2)).tolist() == [50, 0, 50]
    assert (sums.transitions[1] == 0).all()
    assert (sums.motion == 0).all()
    assert (sums.binned_motion == 0).all()
    assert sums.confidence[-1].tolist() == [50, 50, 50]  # right in all that is known
    whole = Sums.of(labels, truth, toy_spec)
    assert whole.confidence[-1, 2] == 0
    assert (sums.confusion[[0, 2]] == whole.confusion[[0, 2]]).all()


def test_calibration_is_fitted_to_what_is_known(toy_spec: ActionSpec) -> None:
    windows = toy_windows(toy_spec, count=6)
    half = np.arange(64) < 32
    wrong = [replace(one, buttons=one.buttons ^ ~half[:, None]) for one in windows]
    one = fit([replace(window, valid=half) for window in wrong], toy_spec, np.ones(3))
    columns = np.repeat(half[:, None], 4, axis=1)
    other = fit([replace(window, known=columns) for window in wrong], toy_spec, np.ones(3))
    assert (other.slope, other.offset) == (one.slope, one.offset)
    assert (other.temperature, other.reach) == (one.temperature, one.reach)
    assert (other.threshold, other.switch_cost) == (one.threshold, one.switch_cost)
    unknown = [replace(window, known=masked(window.known, 0, 3)) for window in windows]
    left = fit(unknown, toy_spec, np.ones(3))
    assert (left.slope[0], left.offset[0]) == pytest.approx((1.0, 0.0))
    assert left.temperature == (1.0,)


def test_baselines_are_fitted_to_what_is_known(toy_spec: ActionSpec) -> None:
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (60, 24, 24, 3), dtype=np.uint8)
    buttons = (draw.random((60, 3)) < 0.5).astype(np.uint8)
    camera = draw.normal(size=(60, 1)).astype(np.float32)
    half = Truth(buttons=buttons, camera=camera, valid=np.arange(60) < 30)
    other = Truth(buttons=buttons, camera=camera, valid=np.ones(60, bool))
    other.known[30:, LAMP] = False
    only = LinearModel.fit([([frames], half)])
    both = LinearModel.fit([([frames], other)])
    np.testing.assert_allclose(both.weights[:, LAMP], only.weights[:, LAMP], atol=1e-9)
    assert not np.allclose(both.weights[:, 1], only.weights[:, 1])
    nothing = replace(other, known=masked(other.known, 3))
    rates = RatesSampler.fit([nothing], toy_spec)
    assert rates.motions.tolist() == [[0.0]]
    assert sum(rates.held[LAMP]) == buttons[:30, LAMP].sum()


def track(toy_spec: ActionSpec, path: Path) -> Track:
    ticks, shape = 40, (toy_spec.frame.height, toy_spec.frame.width, 3)
    path.write_bytes(bytes(ticks * shape[0] * shape[1] * 3))
    buttons = np.zeros((ticks, 3), np.uint8)
    buttons[20:, 1] = 1
    return Track(
        recording="a",
        name="a",
        phase=0,
        phases=(path,),
        buttons=buttons,
        camera=np.full((ticks, 1), 100.0, np.float32) * (np.arange(ticks)[:, None] % 2),
        valid=np.ones(ticks, bool),
        known=np.ones((ticks, 4), bool),
        frame_shape=shape,
        tick_hz=10.0,
    )


def test_batches_and_rates_carry_the_mask(
    toy_spec: ActionSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = track(toy_spec, tmp_path / "frames")
    some = replace(whole, known=masked(whole.known, 2, 3))
    some.known[30:, 1] = False
    assert press_rates([some]).tolist() == [0.0, 10 / 30, 0.0]
    finest = np.diff(toy_spec.bin_centres(0)).min() / 2
    assert camera_scale([some], toy_spec).tolist() == pytest.approx([finest])
    assert some.first(35).known.shape == (35, 4)
    seldom = replace(some, buttons=np.eye(40, 3, -20, dtype=np.uint8), known=whole.known)
    monkeypatch.setattr("vidact.idm.play.clips.COMMON", 0.5)
    assert [one.tolist() for one in rare_presses([seldom])] == [[[0, 20]], [[0, 21]], [[0, 22]]]
    partly = replace(seldom, known=masked(seldom.known, 1))
    assert [one.tolist() for one in rare_presses([partly])] == [[[0, 20]], [[0, 22]]]


class NoInputs:
    """In place of what makes a network's inputs."""

    radius = 0

    def __call__(self, *_: object, **__: object) -> None:
        return None


def test_mirrored_clips_mirror_the_mask(toy_spec: ActionSpec, tmp_path: Path) -> None:
    some = track(toy_spec, tmp_path / "frames")
    some = replace(some, known=masked(some.known, 2))
    augment = AugmentConfig(mirror=1.0, mirror_buttons=(("left", "right"),))
    sampler = ClipSampler(
        [some], toy_spec, NoInputs(), batch_clips=1, clip_ticks=8, augment=augment, seed=0
    )
    assert sampler.batch(0).known[0, 0].tolist() == [True, False, True, True]


def test_training_and_measuring_on_keys_alone(
    trained: Path, spec_file: str, tmp_path: Path, record_toy: Callable[..., Path]
) -> None:
    folder = tmp_path / "keys"
    for seed in range(2):
        stem = record_toy(folder, f"keys-{seed}", frames=60, seed=20 + seed)
        meta = stem.with_suffix(".meta.json")
        content = json.loads(meta.read_text()) | {"known": ["key.keyboard.w"]}
        meta.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"no recording knows left, right, yaw .*--init"):
        train_idm(settings(folder, tmp_path / "refused", spec_file, steps=2))
    out = tmp_path / "scores"
    config = EvalIDMConfig(
        checkpoint=str(trained), recordings=(str(folder),), out=str(out), bootstrap=10
    )
    assert eval_idm(config) == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["mouse_r2"] == {"yaw": None}
    assert found["per_button"]["left"]["accuracy"] is None
    assert found["per_button"]["lamp"]["f1"] is not None
