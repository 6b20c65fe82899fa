"""Kept frames: the same batches as decoded ones, within a budget; what their clips say begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.loading import clips
from vidact.datasets.loading.clips import ClipLoader
from vidact.datasets.loading.frame_cache import FrameCache, Shrink
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter

ARRAYS = ("frames", "buttons", "camera", "confidence", "valid", "first", "ticks")
HALF = Shrink((8, 16), lambda frames: np.ascontiguousarray(frames[:, ::2, ::2]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, toy_dataset: Callable[..., str]) -> str:
    return toy_dataset(str(tmp_path_factory.mktemp("data")), {"train": [160, 100, 64]})


@pytest.mark.parametrize("order", ["clips", "episodes"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 1.0])
def test_batches_are_the_same_from_memory(
    dataset: str, order: str, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    decode = clips.decode_video
    monkeypatch.setattr(clips, "decode_video", lambda *a, **k: decoded.append(1) or decode(*a, **k))
    options = {"batch_size": 2, "ticks": 48, "order": order, "drop_last": False}
    whole = FrameCache(10**9)
    list(ClipLoader([dataset], shrink=HALF, frame_cache=whole, **options))
    cache = FrameCache(round(whole.used_bytes * kept))
    kept_loader = ClipLoader([dataset], shrink=HALF, frame_cache=cache, **options)
    plain_loader = ClipLoader([dataset], **options)
    for epoch in range(3):
        decoded.clear()
        found = list(kept_loader)
        assert len(decoded) == (
            kept_loader.num_clips if epoch == 0 else kept_loader.num_clips - len(cache)
        )
        for one, other in zip(found, plain_loader, strict=True):
            assert one.keys == other.keys
            for name in ARRAYS:
                expected = getattr(other, name)
                expected = expected[:, :, ::2, ::2] if name == "frames" else expected
                np.testing.assert_array_equal(getattr(one, name), expected)
    assert cache.used_bytes <= cache.budget_bytes
    assert (len(cache) == kept_loader.num_clips) == (kept == 1)


def test_probabilities_come_when_asked_for(dataset: str) -> None:
    (batch,) = ClipLoader([dataset], batch_size=6, probabilities=True, frames=False)
    assert batch.buttons_prob is not None
    np.testing.assert_array_equal(batch.buttons_prob > 0.5, batch.buttons > 0)
    assert batch.camera_prob is not None
    assert batch.camera_prob.shape[:2] == batch.valid.shape
    (batch,) = ClipLoader([dataset], batch_size=6, frames=False)
    assert batch.buttons_prob is None


def test_a_clip_that_begins_a_scene_begins_with_an_empty_memory(
    tmp_path: Path, toy_spec, toy_clip
) -> None:
    """Two lives of 96 and 64 ticks in one source, without a gap; the second begins at tick 96."""
    with ShardWriter(str(tmp_path), "train-00000", toy_spec) as writer:
        for start, end in ((0, 64), (64, 96), (96, 160)):
            clip = toy_clip(1, start, end)
            meta = {**clip.meta, "begins_scene": start in (0, 96)}
            writer.add(dataclasses.replace(clip, meta=meta))
        writer.commit()
    Dataset(str(tmp_path)).compact(DatasetInfo(name="lives", spec=toy_spec))
    loader = ClipLoader([str(tmp_path)], batch_size=1, ticks=32, order="episodes")
    starts = {
        (batch.keys[0][-3:], bool(batch.first[0, 0])): batch.first[0, 1:].any() for batch in loader
    }
    assert starts == {  # pieces of 32 ticks: the second ones of a clip go on
        ("000", True): False,
        ("000", False): False,
        ("064", False): False,
        ("096", True): False,
        ("096", False): False,
    }
