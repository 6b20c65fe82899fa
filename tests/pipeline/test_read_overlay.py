"""`vidact read-overlay`: a video with keys on it becomes a recording of them, and what cannot be
read is left out and told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from vidact.datasets.actions.devices import actions_of
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording
from vidact.pipeline.overlays.config import ReadOverlayConfig
from vidact.pipeline.overlays.drawings import drawn_layout
from vidact.pipeline.overlays.timing import moved
from vidact.pipeline.read_overlay import lines, read_overlay

from .conftest import write_video
from .overlay_videos import FPS, game, overlaid, pressed

read_overlay_module = import_module("vidact.pipeline.read_overlay")

LAYOUT = drawn_layout("keycaps")
FRAMES, LATE = 180, 3


class Knows:
    """In place of an IDM: it knows what was pressed, for nine ticks in ten."""

    sha256 = "0" * 64

    def __init__(self, held: np.ndarray):
        self.spec, self.held = ActionSpec.load("doom"), held

    def predict(self, frames: Iterable[np.ndarray], **ranges: object) -> Iterator[SimpleNamespace]:
        ticks = sum(len(batch) for batch in frames)
        starts = (np.arange(ticks) * FPS / float(self.spec.tick_hz) + 1e-6).astype(int)
        everywhere = np.ones_like(self.held)
        states = lines(LAYOUT.inputs, self.held, everywhere, everywhere[:, 0])
        true = actions_of(self.spec, states, [*starts, len(states)]).buttons
        wrong = np.random.default_rng(0).random(true.shape) < 0.1
        yield SimpleNamespace(buttons_prob=np.where(wrong, 1 - true, true) * 0.8 + 0.1)


def test_videos_become_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos, out = tmp_path / "videos", tmp_path / "play"
    videos.mkdir()
    held = pressed(FRAMES, len(LAYOUT.inputs), never=(2,))
    late = moved(held, -LATE)
    write_video(videos / "keys.mp4", overlaid(game(FRAMES), LAYOUT, late, (10, 100), 0.35))
    monkeypatch.setattr(read_overlay_module, "load_idm", lambda name: name)
    monkeypatch.setattr(read_overlay_module.Predictor, "load", lambda name: Knows(held))
    write_video(videos / "plain.mp4", game(FRAMES, seed=1))
    (videos / "broken.mp4").write_bytes(b"no video")
    config = ReadOverlayConfig(
        videos=(str(videos),), layout=("glass", "keycaps"), out=str(out), idm="knows"
    )
    assert read_overlay(config) == 0
    report = json.loads((out / "import_report.json").read_text())
    assert report["recordings"] == {"imported": 1, "left_out": 2}
    assert report["left_out_by_reason"]["no_overlay"] == 1

    recording = Recording.open(out / "keys")
    assert recording.num_frames == FRAMES
    assert recording.meta["known"] == list(LAYOUT.inputs)
    assert recording.meta["overlay"]["delay_by_idm"]
    assert abs(recording.meta["overlay"]["delay_frames"] - LATE) <= 1
    assert recording.meta["spec"] == "doom"
    assert {state.label_source for state in recording.states} == {"overlay"}
    read = np.array(
        [[name in state.inputs() for name in LAYOUT.inputs] for state in recording.states]
    )
    off = recording.meta["overlay"]["delay_frames"] - LATE
    assert (read == moved(held, off))[LATE + 1 : -LATE - 1].mean() > 0.99
    valid = [state.valid for state in recording.states]
    assert all(valid[: FRAMES - LATE - 1])
    assert not valid[-1]  # what was done then is not shown any more
    spec = ActionSpec.load("doom")
    known = recording.actions(spec).known.mean(0) > 0.9
    names = [n for n, k in zip((*spec.button_names, *spec.axis_names), known, strict=True) if k]
    assert names == ["forward", "back", "left", "right", "run", "attack", "use"]
    # Nothing of the overlay is left: where it was, the picture moves like the rest.
    frames = next(recording.frames(spec)).frames.astype(int)
    box = frames[:, 72:124, 6:50]
    assert np.abs(np.diff(box, axis=0)).mean() > 2

    assert read_overlay(config) == 0  # again: what is there stays
    report = json.loads((out / "import_report.json").read_text())
    assert report["recordings"] == {"present": 1, "left_out": 2}
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
