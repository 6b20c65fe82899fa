"""RecordingLoader: lanes of play with the recording's own actions, resumed exactly in the
middle of a video.
"""

from __future__ import annotations

import itertools
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.recordings import RecordingLoader
from vidact.datasets.recordings.recording import Recording
from vidact.datasets.recordings.stream import TickStream
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.errors import ConfigError, DatasetError, RecordingError


@pytest.fixture(scope="module")
def spec():
    return ActionSpec.load("doom")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recordings of 200, 300, 120 and 90 frames at 35 frames/s: 100, 150, 60 and 45 ticks."""
    folder = tmp_path_factory.mktemp("play")
    for number, frames in enumerate((200, 300, 120, 90)):
        with RecordingWriter(
            folder / f"play{number}", fps=Fraction(35), size=(64, 48), meta={}
        ) as writer:
            for i in range(frames):
                picture = np.full((48, 64, 3), 20 + (i + 50 * number) % 200, np.uint8)
                writer.write(
                    picture, DeviceState(keys=("key.keyboard.w",) if i % 20 < 6 else (), dx=i % 5)
                )
    return str(folder)


def test_rows_are_the_recordings_own_ticks(folder, spec):
    loader = RecordingLoader([folder], spec, batch_size=2, ticks=32, drop_last=False)
    lanes = [[], []]
    for batch in loader:
        assert batch.frames.shape == (2, 32, 128, 128, 3)
        for row, key in enumerate(batch.keys):
            if not key:
                assert not batch.valid[row].any()
                assert batch.ticks[row] == 0
                continue
            name, _, begin = key.split(":")
            recording = Recording.open(f"{folder}/{name}")
            actions = recording.actions(spec)
            ticks = slice(int(begin), min(int(begin) + 32, len(actions.valid)))
            count = ticks.stop - ticks.start
            assert batch.ticks[row] == count
            frames = np.concatenate([t.frames for t in recording.frames(spec)])
            assert np.array_equal(batch.frames[row, :count], frames[ticks])
            assert not batch.frames[row, count:].any()
            assert np.array_equal(batch.buttons[row, :count], actions.buttons[ticks])
            assert np.array_equal(batch.camera[row, :count], actions.camera[ticks])
            assert np.array_equal(batch.valid[row, :count], actions.valid[ticks])
            lanes[row].append((name, int(begin), bool(batch.first[row, 0])))
    seen = sorted((name, begin) for lane in lanes for name, begin, _ in lane)
    assert seen == sorted(
        (f"play{n}", b) for n, ticks in enumerate((100, 150, 60, 45)) for b in range(0, ticks, 32)
    )
    for lane in lanes:
        for before, after in itertools.pairwise(lane):
            assert after[2] == (before[:2] != (after[0], after[1] - 32))


def test_resume_gives_the_same_bytes_on_other_ranks_and_threads(folder, spec):
    def loader(**options):
        return RecordingLoader([folder], spec, batch_size=2, ticks=32, seed=3, **options)

    whole = list(itertools.islice(loader(threads=1, prefetch=0).batches(), 10))  # 6 steps an epoch
    first = loader(threads=3, prefetch=3)
    run = first.batches()
    for step in range(2):
        assert np.array_equal(next(run).frames, whole[step].frames)
    run.close()
    ranks = [loader(rank=rank, world_size=2) for rank in range(2)]
    for one in ranks:
        one.load_state_dict(first.state_dict())
    runs = [one.batches() for one in ranks]
    for step in range(2, 10):
        parts = [next(one) for one in runs]
        for name in ("frames", "buttons", "camera", "valid", "first", "confidence"):
            assert np.array_equal(
                np.concatenate([getattr(p, name) for p in parts]), getattr(whole[step], name)
            ), name
        assert [key for part in parts for key in part.keys] == whole[step].keys
    for one in runs:
        one.close()


def test_both_phases(folder, spec):
    loader = RecordingLoader([f"{folder}/play3"], spec, batch_size=1, ticks=64, all_phases=True)
    assert {batch.keys[0] for batch in loader} == {"play3:0:0", "play3:1:0"}


def test_a_stream_hands_out_rising_ticks_once(folder, spec):
    recording = Recording.open(f"{folder}/play1")
    frames = np.concatenate([t.frames for t in recording.frames(spec)])
    stream = TickStream(recording, spec, start_tick=20)
    out = np.empty((70, 128, 128, 3), np.uint8)
    pts_ns = stream.take(25, out)
    assert np.array_equal(out, frames[25:95])
    assert np.abs(np.diff(pts_ns) - 2e9 / 35).max() < 1e6
    with pytest.raises(ValueError, match="tick 90 was handed out before, now at 95"):
        stream.take(90, out)
    with pytest.raises(RecordingError, match="ends at tick 150"):
        stream.take(95, out)


def test_paths_and_open_recordings(folder, spec):
    loader = RecordingLoader(
        [Path(folder) / "play1", Recording.open(f"{folder}/play3")], spec, batch_size=1
    )
    assert sorted(recording.name for recording in loader.recordings) == ["play1", "play3"]


def test_state_of_other_labels_is_refused(folder, spec, tmp_path):
    for suffix in (".mp4", ".jsonl"):
        shutil.copy(f"{folder}/play3{suffix}", tmp_path)
    state = RecordingLoader([str(tmp_path)], spec, batch_size=1, ticks=32).state_dict()
    lines = (tmp_path / "play3.jsonl").read_text()
    (tmp_path / "play3.jsonl").write_text(lines.replace("key.keyboard.w", "key.keyboard.s"))
    with pytest.raises(DatasetError, match="its content or the filters changed"):
        RecordingLoader([str(tmp_path)], spec, batch_size=1, ticks=32).load_state_dict(state)


def test_mistakes(folder, spec):
    with pytest.raises(RecordingError, match="13 stretches of 32 ticks, fewer than batch_size 14"):
        RecordingLoader([folder], spec, batch_size=14, ticks=32)
    with pytest.raises(ConfigError, match="prefetch must be 0 or more"):
        RecordingLoader([folder], spec, batch_size=1, prefetch=-1)
    state = RecordingLoader([folder], spec, batch_size=1).state_dict()
    with pytest.raises(DatasetError, match="its content or the filters changed"):
        RecordingLoader([f"{folder}/play1"], spec, batch_size=1).load_state_dict(state)
