"""Play as somebody else would have recorded it: late frames come from between the ticks, squeezed
ones stay put.
"""

from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.recording import find_recordings
from vidact.datasets.video.capture import squeeze
from vidact.errors import ConfigError
from vidact.idm.config import AugmentConfig
from vidact.idm.play.capture import RATES, Recorder, draw_recorder
from vidact.idm.play.frame_cache import Track, open_tracks

EXACT = Recorder(fps=0.0, offset=0.0, bar=(0.0, 1.0), crf=0)


@pytest.fixture(scope="module")
def tracks(
    toy_folder: Path, toy_spec: ActionSpec, tmp_path_factory: pytest.TempPathFactory
) -> list[Track]:
    """Both phases of one recording: its even frames and its odd ones."""
    return open_tracks(
        find_recordings([toy_folder])[:1], toy_spec, tmp_path_factory.mktemp("cache")
    )


def test_a_recorder_has_the_last_picture_that_it_took() -> None:
    """Counted by hand: a screen of 35 frames/s, a recorder of 24 that begins with it."""
    delays = Recorder(fps=24.0, offset=0.0, bar=(0.0, 1.0), crf=0).delays(np.arange(8), 35.0)
    # Pictures are taken at frames 0, 1.458, 2.917, 4.375, 5.833, 7.29 of the screen and show 0, 1,
    # 2, 4, 5, 7.
    assert delays.tolist() == [0, 1, 1, 1, 2, 1, 1, 2]


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 35.0, 60.0])
@pytest.mark.parametrize("offset", [0.0, 0.3, 0.99])
def test_no_picture_is_older_than_one_frame_of_each(fps: float, offset: float) -> None:
    delays = Recorder(fps=fps, offset=offset, bar=(0.0, 1.0), crf=0).delays(np.arange(10_000), 35.0)
    assert delays.min() >= 0
    assert delays.max() <= 35 / fps + 1


def test_late_frames_come_from_the_other_phase(tracks: list[Track]) -> None:
    even, odd = tracks
    whole = np.stack([even.frames(0, 40), odd.frames(0, 40)], axis=1).reshape(80, *even.frame_shape)
    recorder = Recorder(
        fps=13.0, offset=0.4, bar=(0.0, 1.0), crf=0
    )  # the toy has 20 frames a second
    for track in tracks:
        wanted = np.arange(track.phase, 80, 2)
        shown = np.maximum(wanted - recorder.delays(wanted, 2 * track.tick_hz), 0)
        assert {1, 2} <= set(wanted - shown) <= {0, 1, 2}
        np.testing.assert_array_equal(track.frames(0, 40, recorder), whole[shown])
        np.testing.assert_array_equal(track.frames(7, 20, recorder), whole[shown][7:20])
    np.testing.assert_array_equal(even.frames(-3, 43, EXACT), even.frames(-3, 43))
    assert not even.frames(-3, 5, recorder)[:3].any()


def test_squeezed_frames_stay_where_they_are(tracks: list[Track]) -> None:
    frames = tracks[0].frames(-2, 30)
    fine, coarse = (
        tracks[0].frames(-2, 30, Recorder(fps=0.0, offset=0.0, bar=(0.0, 1.0), crf=crf))
        for crf in (20, 40)
    )
    assert not fine[:2].any()  # ticks outside stay black

    def error(one: np.ndarray, shift: int) -> float:
        return float(np.abs(one[3:30].astype(int) - frames[3 + shift : 30 + shift]).mean())

    assert 0 < error(fine, 0) < error(coarse, 0)
    assert error(fine, 0) < min(error(fine, -1), error(fine, 1))
    np.testing.assert_array_equal(
        squeeze(frames, 30), squeeze(frames, 30)
    )  # a resumed run sees the same


def test_a_larger_status_bar_covers_what_was_above_it(tracks: list[Track]) -> None:
    as_it_is = tracks[0].frames(5, 25)
    height, width = as_it_is.shape[1:3]
    rows, covered = round(0.125 * height), round(round(0.125 * height) * 1.5)
    seen = tracks[0].frames(5, 25, Recorder(fps=0.0, offset=0.0, bar=(0.125, 1.5), crf=0))
    np.testing.assert_array_equal(seen[:, : height - covered], as_it_is[:, : height - covered])
    middle = as_it_is[:, height - rows :, round(width / 6) : width - round(width / 6)]
    np.testing.assert_allclose(
        seen[:, height - covered :].mean((1, 2)), middle.mean((1, 2)), atol=3
    )


def test_draws_follow_the_settings() -> None:
    generator = np.random.default_rng(0)
    off = [draw_recorder(AugmentConfig(), generator) for _ in range(20)]
    assert {(one.fps, one.bar, one.crf) for one in off} == {(0.0, (0.0, 1.0), 0)}
    config = AugmentConfig(late_frames=0.5, compressed=0.25, status_bar=0.5)
    some = [draw_recorder(config, generator) for _ in range(400)]
    bars = [one.bar for one in some if one.bar[0]]
    assert 150 < len(bars) < 250
    assert all(0.08 <= share <= 0.18 and 1.1 <= factor <= 1.6 for share, factor in bars)
    rates, qualities = [one.fps for one in some if one.fps], [one.crf for one in some if one.crf]
    assert 150 < len(rates) < 250
    assert 60 < len(qualities) < 140
    assert RATES[0] <= min(rates) < 26
    assert 58 < max(rates) <= RATES[1]
    assert (min(qualities), max(qualities)) == (23, 40)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"late_frames must be within 0\.\.1"):
        AugmentConfig(late_frames=1.5)
    with pytest.raises(ConfigError, match="crf must be two numbers"):
        AugmentConfig(crf=(40, 23))
