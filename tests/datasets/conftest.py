"""Toy clips and datasets whose content can be computed from their key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.clip import Clip, clip_key, clip_meta, clip_ranges
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter

TOY_SPEC = {
    "name": "toy",
    "version": 1,
    "tick_hz": "20",
    "frame": {"width": 32, "height": 16, "resize": "area"},
    "buttons": {"go": ["key.keyboard.w"], "fire": ["mouse.0"]},
    "groups": [{"members": ["go"]}, {"members": ["fire"]}],
    "solo": [],
    "axes": [
        {
            "name": "yaw",
            "kind": "relative",
            "input": "dx",
            "degrees_per_pixel": 0.5,
            "quantiser": {"max_deg": 10, "bins": 5, "mu": 4},
        }
    ],
}


@pytest.fixture(scope="session")
def toy_spec() -> ActionSpec:
    return ActionSpec.from_dict(TOY_SPEC)


def source_hash(number: int) -> str:
    return f"{number:012x}".ljust(64, "0")


@pytest.fixture(scope="session")
def toy_clip(toy_spec: ActionSpec) -> Callable[..., Clip]:
    """`toy_clip(source, start, end)`: `go` is held in odd ticks, grey level and yaw follow the
    tick.
    """

    def make(
        source: int, start: int, end: int, *, split: str = "train", confidence: float = 1.0, **meta
    ) -> Clip:
        ticks = np.arange(start, end)
        grey = ((ticks * 3 + source * 40) % 200 + 20).astype(np.uint8)
        frames = np.broadcast_to(grey[:, None, None, None], (len(ticks), 16, 32, 3)).copy()
        buttons = np.stack([ticks % 2, np.zeros_like(ticks)], axis=1).astype(np.uint8)
        camera = toy_spec.dequantise((ticks % 5)[:, None])
        return Clip(
            key=clip_key(source_hash(source), start),
            frames=frames,
            buttons=buttons,
            buttons_prob=buttons.astype(np.float16),
            camera=camera,
            camera_prob=np.eye(5, dtype=np.float16)[ticks % 5][:, None],
            confidence=np.full(len(ticks), confidence, np.float16),
            valid=np.ones(len(ticks), bool),
            meta=clip_meta(
                source_uri=f"video{source}.mp4",
                source_sha256=source_hash(source),
                episode_id=meta.pop("episode_id", f"{source:012x}"),
                start_tick=start,
                pts_ns=ticks * 50_000_000,
                spec_sha256=toy_spec.sha256,
                split=split,
                **meta,
            ),
        )

    return make


@pytest.fixture(scope="session")
def toy_dataset(toy_spec: ActionSpec, toy_clip: Callable[..., Clip]) -> Callable[..., str]:
    """`toy_dataset(uri, {"train": [300, 100]})`: a source of so many ticks each, two sources a
    shard.
    """

    def make(
        uri: str,
        splits: dict[str, Sequence[int]],
        *,
        sources_a_shard: int = 2,
        first_source: int = 1,
        length: int = 64,
    ) -> str:
        source = first_source
        for split, lengths in splits.items():
            for shard, begin in enumerate(range(0, len(lengths), sources_a_shard)):
                with ShardWriter(uri, f"{split}-{shard:05d}", toy_spec) as writer:
                    for ticks in lengths[begin : begin + sources_a_shard]:
                        for a, b in clip_ranges(0, ticks, length):
                            writer.add(toy_clip(source, a, b, split=split))
                        source += 1
                    writer.commit()
        Dataset(uri).compact(DatasetInfo(name="Toy", spec=toy_spec))
        return uri

    return make
