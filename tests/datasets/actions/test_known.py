"""`known`: of which buttons and axes a label is truth."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState, TickActions, actions_of
from vidact.datasets.actions.known import known_mask
from vidact.datasets.actions.mirror import Mirror
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.errors import RecordingError

DOOM = ActionSpec.load("doom")
MINECRAFT = ActionSpec.load("minecraft")
NAMES = (*DOOM.button_names, *DOOM.axis_names)
KEYS = ("key.keyboard.w", "key.keyboard.a")


def names(mask: np.ndarray) -> list[str]:
    return [name for name, known in zip(NAMES, mask, strict=True) if known]


def test_names_are_inputs_buttons_or_axes() -> None:
    assert known_mask(DOOM, None).all()
    assert names(known_mask(DOOM, (*KEYS, "dx"))) == ["forward", "left", "yaw"]
    assert names(known_mask(DOOM, ("attack", "mouse.0", "pitch", "other"))) == ["attack", "pitch"]
    assert not known_mask(DOOM, ()).any()


def test_a_button_of_several_inputs_is_known_by_all_of_them() -> None:
    spec = ActionSpec.from_dict(
        DOOM.to_dict()
        | {
            "buttons": [
                {"name": "jump", "inputs": ["key.keyboard.space", "mouse.1"]},
            ],
            "groups": [{"members": ["jump"]}],
        }
    )
    assert not known_mask(spec, ("mouse.1",))[0]
    assert known_mask(spec, ("mouse.1", "key.keyboard.space"))[0]
    assert known_mask(spec, ("jump",))[0]


def test_a_tick_knows_what_all_its_lines_know() -> None:
    states = [
        DeviceState(keys=KEYS[:1], known=KEYS),
        DeviceState(known=KEYS[:1]),
        DeviceState(),
        DeviceState(known=()),
    ]
    actions = actions_of(DOOM, states, [0, 2, 3, 4])
    assert [names(row) for row in actions.known] == [["forward"], list(NAMES), []]
    assert actions.valid.tolist() == [True, True, False]
    assert actions.whole.tolist() == [False, True, False]
    everything = TickActions(actions.buttons, actions.camera, actions.valid)
    assert everything.known.all()


def test_lines_keep_it_and_those_of_before_know_everything() -> None:
    state = DeviceState(keys=KEYS[:1], known=KEYS, label_source="overlay")
    assert DeviceState.from_json(state.to_json(0)) == state
    assert DeviceState.from_json(DeviceState().to_json(0)).known is None
    assert "known" not in json.loads(DeviceState().to_json(0))
    for wrong in ("w", ["w", 3], [""], {"w": 1}):
        with pytest.raises(ValueError, match="known must be a list"):
            DeviceState.from_content({"mouse": {}, "known": wrong})


def test_a_mirrored_clip_knows_the_other_side() -> None:
    mirror = Mirror.of(DOOM, [("left", "right")], ["yaw"])
    known = known_mask(DOOM, (*KEYS, "dx"))
    assert names(mirror.apply_known(known[None])[0]) == ["forward", "right", "yaw"]


def write(stem: Path, states: list[DeviceState], **meta: object) -> Path:
    with RecordingWriter(stem, fps=Fraction(35, 2), size=(32, 32), meta=meta) as writer:
        for state in states:
            writer.write(np.zeros((32, 32, 3), np.uint8), state)
    return stem


def test_the_meta_file_speaks_for_all_lines_that_do_not(tmp_path: Path) -> None:
    states = [DeviceState(keys=KEYS), DeviceState(keys=KEYS, known=("dy",)), DeviceState()]
    plain = Recording.open(write(tmp_path / "plain", states))
    some = Recording.open(write(tmp_path / "some", states, known=list(KEYS)))
    rows = [names(row) for row in some.actions(DOOM).known]
    assert rows == [["forward", "left"], ["pitch"], ["forward", "left"]]
    assert plain.actions(DOOM).known[[0, 2]].all()
    # What is truth decides what is learned: digests differ, and stay what they were without it.
    assert some.labels_sha256 != plain.labels_sha256
    (tmp_path / "plain.meta.json").unlink()
    assert Recording.open(tmp_path / "plain").labels_sha256 == plain.labels_sha256


def test_latency_moves_what_is_known_with_what_was_done(tmp_path: Path) -> None:
    states = [DeviceState(known=("dx",)), DeviceState(), DeviceState(), DeviceState()]
    late = Recording.open(write(tmp_path / "late", states, latency_ms=2000 / 35))
    actions = late.actions(DOOM)
    assert actions.valid.tolist() == [False, True, True, True]
    assert names(actions.known[1]) == ["yaw"]
    assert actions.known[2:].all()


def test_what_is_no_list_of_names_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "bad", [DeviceState()], known="all")
    with pytest.raises(RecordingError, match=r"bad\.meta\.json: known must be a list"):
        Recording.open(tmp_path / "bad")
