"""`vidact read-overlay`: a video with keys on it becomes a recording of them, and what cannot be
read is left out and told.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import Recording
from vidact.pipeline.overlays.config import ReadOverlayConfig
from vidact.pipeline.overlays.drawings import drawn_layout
from vidact.pipeline.read_overlay import read_overlay

from .overlay_videos import game, overlaid, pressed, write

LAYOUT = drawn_layout("keycaps")
FRAMES = 180


def test_videos_become_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos, out = tmp_path / "videos", tmp_path / "play"
    videos.mkdir()
    held = pressed(FRAMES, len(LAYOUT.inputs), never=(2,))
    write(videos / "keys.mp4", overlaid(game(FRAMES), LAYOUT, held, (10, 100), 0.35))
    write(videos / "plain.mp4", game(FRAMES, seed=1))
    (videos / "broken.mp4").write_bytes(b"no video")
    config = ReadOverlayConfig(
        videos=(str(videos),), layout=("glass", "keycaps"), out=str(out), spec="doom"
    )
    assert read_overlay(config) == 0
    report = json.loads((out / "import_report.json").read_text())
    assert report["recordings"] == {"imported": 1, "left_out": 2}
    assert report["left_out_by_reason"]["no_overlay"] == 1

    recording = Recording.open(out / "keys")
    assert recording.num_frames == FRAMES
    assert recording.meta["known"] == list(LAYOUT.inputs)
    assert {state.label_source for state in recording.states} == {"overlay"}
    read = np.array(
        [[name in state.inputs() for name in LAYOUT.inputs] for state in recording.states]
    )
    assert (read == held).mean() > 0.99
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
