"""What a spec loses, on play whose losses can be computed."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import SpecCheckConfig
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.spec_check import check_spec, render, spec_check
from vidact.errors import ConfigError

MINECRAFT = ActionSpec.load("minecraft")


def play(stem: Path, states: list[DeviceState]) -> Recording:
    with RecordingWriter(stem, fps=Fraction(20), size=(64, 64)) as writer:
        for state in states:
            writer.write(np.zeros((64, 64, 3), np.uint8), state)
    return Recording.open(stem)


def test_known_losses(tmp_path: Path) -> None:
    # Yaw alternates between 10 and -10 degrees: exactly bin centres, nothing is lost. Pitch
    # alternates between 20 and -20, twice the largest bin: errors of 10 on a deviation of 20 leave
    # 1 - 100 / 400.
    keys = ("key.keyboard.w", "key.keyboard.s", "key.keyboard.f3")
    states = [
        DeviceState(dx=s * 10 / 0.15, dy=s * 20 / 0.15, keys=keys if i < 25 else ())
        for i, s in enumerate([1, -1] * 50)
    ]
    report = check_spec(MINECRAFT, [play(tmp_path / "r", states)])
    assert report.ticks == 100
    assert report.axes["yaw"].r2_ceiling == pytest.approx(1, abs=1e-6)
    assert report.axes["pitch"].r2_ceiling == pytest.approx(0.75, abs=1e-4)
    assert report.axes["pitch"].clipped_fraction == 1
    assert report.axes["yaw"].sd_deg == pytest.approx(10, abs=1e-4)
    assert report.conflicts == {"back": 0.25, "forward": 0.25}
    assert report.unmapped_inputs == {"key.keyboard.f3": 25}
    assert "R² ceiling 0.7500" in render(report)


def test_no_motion_has_no_ceiling(tmp_path: Path) -> None:
    states = [DeviceState(valid=i < 30) for i in range(40)]
    report = check_spec(MINECRAFT, [play(tmp_path / "r", states)])
    assert (report.ticks, report.invalid_ticks) == (30, 10)
    assert report.axes["yaw"].r2_ceiling is None
    assert report.axes["yaw"].still_fraction == 1
    assert "never moves" in render(report)


def test_what_no_line_knows_is_not_said_to_rest(tmp_path: Path) -> None:
    stands = [DeviceState(axes={"gamepad.left_x": 0.5}), DeviceState(axes={"gamepad.left_x": -0.5})]
    states = [*stands * 20, *[DeviceState()] * 20]
    report = check_spec(ActionSpec.load("gamepad"), [play(tmp_path / "r", states)])
    others = ["left_y", "right_x", "right_y", "left_trigger", "right_trigger"]
    assert report.unknown == others
    # Ticks that do not know where the stick stands are none in which it rests.
    assert (report.axes["left_x"].still_fraction, report.axes["left_x"].sd_deg) == (0, 0.5)
    text = render(report)
    assert "never moves" not in text
    assert f"training refuses them: {', '.join(others)} (" in text


def human_like(
    rng: np.random.Generator, sd: float, still: float, ticks: int = 20_000
) -> np.ndarray:
    """Motion with a share of exact rest and flicks of up to six deviations, in whole counts of
    0.15 degrees.
    """
    motion = rng.standard_t(5, ticks) * (rng.random(ticks) >= still)
    return np.round(np.clip(motion / motion.std(), -6, 6) * sd / 0.15) * 0.15


def test_doom_s_bins_cost_less_than_half_a_percent() -> None:
    rng = np.random.default_rng(0)
    doom = ActionSpec.load("doom")
    camera = np.stack([human_like(rng, 1.2, 0.6), human_like(rng, 8.0, 1 / 3)], -1)
    error = ((doom.dequantise(doom.quantise(camera)) - camera) ** 2).mean(0)
    assert (1 - error / camera.var(0) >= 0.995).all()


def test_minecraft_s_ceiling_is_the_published_one() -> None:
    camera = np.random.default_rng(0).laplace(0, 1, (50_000, 2))
    error = ((MINECRAFT.dequantise(MINECRAFT.quantise(camera)) - camera) ** 2).mean(0)
    np.testing.assert_allclose(1 - error / camera.var(0), 0.951, atol=0.004)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(tmp_path / "r", [DeviceState(dx=i) for i in range(40)])
    assert (
        spec_check(SpecCheckConfig(recordings=(str(tmp_path),), spec="minecraft", json=True)) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["spec"] == "minecraft v1"
    assert report["axes"]["yaw"]["r2_ceiling"] > 0.85
    with pytest.raises(ConfigError, match="recordings"):
        SpecCheckConfig(recordings=())
