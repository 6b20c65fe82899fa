"""A dataset in which the picture tells the action.

A light at the right means `go` and turning, at the left `fire`.
"""

from __future__ import annotations

import numpy as np
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.clip import Clip, clip_key, clip_meta
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter

DATA_SPEC = ActionSpec.from_dict(
    {
        "name": "lights",
        "version": 1,
        "tick_hz": "20",
        "frame": {"width": 16, "height": 16},
        "buttons": {"go": "key.keyboard.w", "fire": "mouse.0"},
        "groups": [{"members": ["go"]}, {"members": ["fire"]}],
        "axes": [
            {
                "name": "yaw",
                "input": "dx",
                "degrees_per_pixel": 0.5,
                "quantiser": {"max_deg": 10, "bins": 5, "mu": 4},
            }
        ],
    }
)
LEFT, MIDDLE, RIGHT = range(3)


def lights(where: np.ndarray) -> np.ndarray:
    """int [T] ► frames uint8 [T, 16, 16, 3], each with a light at the left, middle or right."""
    frames = np.full((len(where), 16, 3, 5, 3), 60, dtype=np.uint8)
    frames[np.arange(len(where)), :, where] = 200
    return np.pad(
        frames.reshape(len(where), 16, 15, 3), ((0, 0), (0, 0), (0, 1), (0, 0)), mode="edge"
    )


def lights_clip(source: int, start: int, ticks: int, split: str) -> Clip:
    where = np.random.default_rng(1000 * source + start).integers(3, size=ticks)
    buttons = np.stack([where == RIGHT, where == LEFT], axis=1).astype(np.uint8)
    camera = DATA_SPEC.dequantise(np.where(where == RIGHT, 4, 2)[:, None])
    sha256 = f"{source:012x}".ljust(64, "0")
    return Clip(
        key=clip_key(sha256, start),
        frames=lights(where),
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
    Dataset(uri).compact(DatasetInfo(name="lights", spec=DATA_SPEC))
    return uri
