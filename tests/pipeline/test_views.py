"""A part of the pictures is looked at: as the user says, or as the model knows its game."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.datasets.shards.codec import decode_clip
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.video.config import DecoderConfig
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.datasets.video.view import View
from vidact.datasets.video.view_decoder import ViewDecoder, view_reader
from vidact.errors import ConfigError, DatasetError
from vidact.pipeline.labelling.views import USUAL, view_of

from .conftest import HZ, config, moving_picture, run_label, write_video


def test_views_by_hand() -> None:
    middle = View.parse("0.125,0,0.875,1")
    assert middle == View.middle(0.75)
    assert str(middle) == "0.125,0,0.875,1"
    assert View.parse("").is_whole
    frame = FrameSpec(12, 8)
    whole = middle.around(frame)
    assert (whole.width, whole.height) == (16, 8)
    columns = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None], (2, 8, 16, 3))
    assert middle.of(columns, frame)[0, 0, :, 0].tolist() == list(range(2, 14))
    for wrong in ("0.4,0,0.6,1", "0,0,1", "a,b,c,d", "0,0,1,2"):
        with pytest.raises(ValueError, match=r"shares|leaves|convert"):
            View.parse(wrong)


def test_a_part_is_what_the_part_alone_would_be(tmp_path: Path, spec: ActionSpec) -> None:
    play = moving_picture(60, size=96)
    write_video(tmp_path / "whole.mp4", play)
    write_video(tmp_path / "part.mp4", np.ascontiguousarray(play[:, :, 12:84]))
    decoder = InProcessDecoder()

    def frames(name: str, view: View) -> np.ndarray:
        batches = ViewDecoder(decoder, view).ticks(
            tmp_path / name, spec.frame, HZ, start_tick=0, end_tick=35
        )
        return np.concatenate([batch.frames for batch in batches])

    part = frames("whole.mp4", View.middle(0.75))
    alone = frames("part.mp4", View())
    assert part.shape == alone.shape
    # Columns of 43 pixels instead of 42.7 for all of it, and two encodings.
    assert np.abs(part.astype(int) - alone.astype(int)).mean() < 12
    assert np.abs(frames("whole.mp4", View()).astype(int) - alone.astype(int)).mean() > 20


class Knows:
    """Knows pictures whose middle is brighter than their sides by so much."""

    radius = 1

    def __init__(self, spec: ActionSpec, wanted: float):
        self.game, self.spec, self.wanted = self, spec, wanted

    def log_odds(self, clips: np.ndarray) -> np.ndarray:
        bright = clips[:, 1].mean(axis=(1, 3)) > 128  # (N, W)
        return -np.abs(bright.mean(axis=1) - self.wanted)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0), (0.6, 1), (2 / 3, 2)])
def test_what_looks_most_like_the_game_is_measured(
    share: float, expected: int, tmp_path: Path, spec: ActionSpec
) -> None:
    pictures = np.full((90, 96, 96, 3), 20, np.uint8)
    pictures[:, :, 24:72] = 220  # half of the columns: of a narrower part more
    write_video(tmp_path / "a.mp4", pictures)
    knows, decoder = Knows(spec, share), InProcessDecoder()

    def read(view: View, start: int, end: int) -> np.ndarray:
        path = tmp_path / "a.mp4"
        reader = view_reader(decoder, view, path, frame=spec.frame, tick_hz=HZ, end_tick=end)
        return reader.read(start, end)[0]

    assert view_of("auto", read, knows, 50) == USUAL[expected]  # type: ignore[arg-type]
    assert view_of("", read, knows, 50).is_whole  # type: ignore[arg-type]


def test_label_looks_at_a_part_and_says_so(idm: str, tmp_path: Path) -> None:
    write_video(tmp_path / "films" / "a.mp4", moving_picture(150, seed=3))
    out = tmp_path / "out"
    child = DecoderConfig()  # the usual decoder, whose frames are of the spec's size
    options = {"view": "0.125,0,0.875,1", "verify": False, "decoder": child}
    job = config(tmp_path / "films", idm, out, **options)
    assert run_label(job) == 0
    dataset = Dataset(out)
    (row,) = dataset.manifest().to_pylist()[:1]
    assert decode_clip(row["key"], dataset.read_sample(row)).meta["view"] == "0.125,0,0.875,1"
    assert json.loads((out / "dataset.json").read_bytes())["options"]["view"] == job.view
    with pytest.raises(DatasetError, match="view"):
        run_label(replace(job, view=""))
    with pytest.raises(ConfigError, match="only with an IDM that knows"):
        run_label(replace(job, out=str(tmp_path / "auto"), view="auto"))
    with pytest.raises(ConfigError, match="view must be auto, or left,top,right,bottom"):
        replace(job, view="4:3")
