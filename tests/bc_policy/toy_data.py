"""A dataset in which the picture tells the action: bright means `go` and turning, dark means `fire`, grey nothing."""

from __future__ import annotations

import numpy as np
from vidact.datasets.actions import ActionSpec
from vidact.datasets.clips import Clip, clip_key, clip_meta
from vidact.datasets.dataset_info import DatasetInfo
from vidact.datasets.manifest import compact
from vidact.datasets.shards import ShardWriter

DATA_SPEC = ActionSpec.from_dict(
    {
        "name": "lights",
        "version": 1,
        "tick_hz": "20",
        "frame": {"width": 16, "height": 16},
        "buttons": {"go": "key.keyboard.w", "fire": "mouse.0"},
        "groups": [{"members": ["go"]}, {"members": ["fire"]}],
        "axes": [
            {"name": "yaw", "input": "dx", "degrees_per_pixel": 0.5, "quantiser": {"max_deg": 10, "bins": 5, "mu": 4}}
        ],
    }
)
LEVELS = np.array([20, 120, 220], dtype=np.uint8)  # dark, grey, bright


def lights_clip(source: int, start: int, ticks: int, split: str) -> Clip:
    mood = np.random.default_rng(1000 * source + start).integers(3, size=ticks)
    buttons = np.stack([mood == 2, mood == 0], axis=1).astype(np.uint8)
    camera = DATA_SPEC.dequantise(np.where(mood == 2, 4, 2)[:, None])
    sha256 = f"{source:012x}".ljust(64, "0")
    return Clip(
        key=clip_key(sha256, start),
        frames=np.broadcast_to(LEVELS[mood][:, None, None, None], (ticks, 16, 16, 3)).copy(),
        buttons=buttons,
        buttons_prob=buttons.astype(np.float16),
        camera=camera,
        camera_prob=np.eye(5, dtype=np.float16)[DATA_SPEC.quantise(camera)],
        confidence=np.linspace(0.5, 1, ticks).astype(np.float16),
        valid=np.ones(ticks, dtype=bool),
        meta=clip_meta(
            source_uri=f"video{source}.mp4",
            source_sha256=sha256,
            episode_id=f"{source:012x}",
            start_tick=start,
            pts_ns=np.arange(start, start + ticks) * 50_000_000,
            spec_sha256=DATA_SPEC.sha256,
            split=split,
        ),
    )


def lights_dataset(uri: str, *, sources: int = 8, clips: int = 2, ticks: int = 32) -> str:
    """`sources` videos of `clips` clips each; the last one is of split val."""
    for source in range(sources):
        split = "val" if source == sources - 1 else "train"
        writer = ShardWriter(uri, f"{split}-{source:05d}", DATA_SPEC)
        for clip in range(clips):
            writer.add(lights_clip(source, clip * ticks, ticks, split))
        writer.commit()
    compact(uri, DatasetInfo(name="lights", spec=DATA_SPEC))
    return uri
