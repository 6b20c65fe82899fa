"""Shifts of labels against pictures, in play whose pictures follow from its labels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.config import SpecCheckConfig
from vidact.datasets.recordings.alignment import (
    FOLDS,
    MAX_SHIFT,
    SIDE,
    decide,
    explained,
    find_shift,
    picture_changes,
)
from vidact.datasets.recordings.recording import Recording, as_seen
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.datasets.spec_check import spec_check

SPEC = ActionSpec.load("minecraft")
TICKS, FRAME = 400, 96


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strip of scenery that the mouse moves past, and that flashes while the button is held."""
    rng = np.random.default_rng(0)
    strip = np.kron(rng.integers(0, 200, (FRAME // 8, 500, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    stem, place, dx, fire = tmp_path_factory.mktemp("play") / "r", 2000, 0, False
    with RecordingWriter(stem, fps=Fraction(20), size=(FRAME, FRAME)) as writer:
        for _ in range(TICKS):
            picture = strip[:, place : place + FRAME] + np.uint8(50 * fire)
            dx = int(rng.integers(-9, 10)) if rng.random() < 0.3 else dx
            fire = fire if rng.random() < 0.8 else not fire
            state = DeviceState(dx=dx * 6.0, buttons=(0,) if fire else ())
            writer.write(np.ascontiguousarray(picture), state)
            place = int(np.clip(place + dx, 0, strip.shape[1] - FRAME))
    return stem


@pytest.mark.parametrize(("moved", "told"), [(0, 0), (1, 0), (2, -2), (4, -4), (-3, 3)])
def test_labels_that_are_moved_are_found(play: Path, moved: int, told: int) -> None:
    recording = Recording.open(play)
    recording.states = as_seen(recording.states, moved)  # labels come later than pictures
    shift = find_shift([recording], SPEC)
    assert (shift.ticks, shift.best_ticks) == (told, -moved)


def test_the_verb_says_what_to_do(play: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"recordings": (str(play),), "spec": "minecraft"}
    assert spec_check(SpecCheckConfig(**words)) == 0
    assert "labels and pictures: not shifted" in capsys.readouterr().out
    meta = play.with_suffix(".meta.json")
    whole = meta.read_text()
    meta.write_text(whole.replace("{", '{"latency_ms": 150,', 1))
    try:
        assert spec_check(SpecCheckConfig(**words)) == 1
        assert "Take 150 ms from latency_ms" in capsys.readouterr().out
        assert spec_check(SpecCheckConfig(look_at_pictures=False, **words)) == 0
        assert "shifted" not in capsys.readouterr().out
    finally:
        meta.write_text(whole)


def test_labels_that_have_nothing_to_do_with_pictures_tell_nothing(play: Path) -> None:
    recording = Recording.open(play)
    rng = np.random.default_rng(5)
    recording.states = [
        DeviceState(dx=float(rng.normal()), buttons=(0,) if rng.random() < 0.3 else ())
        for _ in recording.states
    ]
    assert find_shift([recording], SPEC).ticks is None
    recording.states = [DeviceState()] * len(recording.states)
    assert find_shift([recording], SPEC).ticks is None
    assert find_shift([], SPEC).ticks is None
    # What little has a label lies in one part: nothing is left to fit to.
    valid = np.arange(TICKS) < TICKS // FOLDS // 2
    labels = rng.normal(size=(TICKS, 2))
    assert not explained(rng.normal(size=(TICKS, 3)), labels, valid).any()


def test_motion_is_that_of_the_whole_picture() -> None:
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(0, 255, (20, 20)), np.ones((8, 8)))
    frames = np.stack(
        [wide[20 + y : 20 + y + SIDE, 20 + x : 20 + x + SIDE] for x, y in [(0, 0), (3, 0), (3, -5)]]
    )
    assert picture_changes(frames)[:, :2].tolist() == [[-3, 0], [0, 5]]


def test_a_tick_is_no_shift_and_doubt_is_none() -> None:
    found = np.ones((2 * MAX_SHIFT + 1, 10)) + np.linspace(0, 0.1, 10)
    found[MAX_SHIFT + 1] += 5
    assert decide(found).ticks == 0
    found[MAX_SHIFT + 3] += np.linspace(8, 9, 10)
    assert decide(found).ticks == 3
    found[MAX_SHIFT + 3] = np.where(np.arange(10) < 2, 60, 0)  # in two parts of ten alone
    assert decide(found).ticks in (None, 0)
