"""A small labelled dataset over bar-coded videos, as `vidact label` would have made it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.shards.clip import Clip, clip_key, clip_meta
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.info import DatasetInfo
from vidact.datasets.shards.writer import ShardWriter
from vidact.datasets.video.probe import probe
from vidact.datasets.video.ticks import decode_ticks

TICKS = 64


def make_dataset(
    folder: Path,
    videos: list[Path],
    *,
    clips: int = 2,
    seed: int = 0,
    doubtful: Sequence[tuple[int, int]] = ((20, 30),),
    less_sure: float = 0.3,
) -> str:
    """A dataset of `clips` clips of 64 ticks of each video; clip i of a video is less certain by
    `less_sure` the larger i is, and each is in doubt about `attack` in the ticks [start, end) of
    `doubtful`.
    """
    spec = ActionSpec.load("doom")
    rng = np.random.default_rng(seed)
    with ShardWriter(str(folder), "train-00000", spec) as writer:
        for path in videos:
            video = probe(path)
            for i in range(clips):
                start = TICKS * i
                batches = list(
                    decode_ticks(
                        path,
                        spec.frame,
                        spec.tick_hz,
                        start_tick=start,
                        end_tick=start + TICKS,
                        probe=video,
                    )
                )
                frames = np.concatenate([batch.frames for batch in batches])
                pts_ns = np.concatenate([batch.pts_ns for batch in batches])
                confidence = np.full(TICKS, max(0.2, 0.95 - less_sure * i))
                probability = rng.uniform(0, 0.15, (TICKS, spec.num_buttons))
                probability[10:40, 0] = 0.9
                for begin, end in doubtful:
                    confidence[begin:end] = 0.3
                    probability[begin:end, spec.button_names.index("attack")] = 0.45
                camera_prob = np.zeros((TICKS, spec.num_axes, max(spec.num_bins)))
                for a, bins in enumerate(spec.num_bins):
                    camera_prob[:, a, bins // 2] = 1
                writer.add(
                    Clip(
                        key=clip_key(video.sha256, start),
                        frames=frames,
                        buttons=(probability > 0.5).astype(np.uint8),
                        buttons_prob=probability.astype(np.float16),
                        camera=np.zeros((TICKS, spec.num_axes), np.float32),
                        camera_prob=camera_prob.astype(np.float16),
                        confidence=confidence.astype(np.float16),
                        valid=np.ones(TICKS, bool),
                        meta=clip_meta(
                            source_uri=str(path),
                            source_sha256=video.sha256,
                            episode_id=f"{video.sha256[:12]}-0",
                            start_tick=start,
                            pts_ns=pts_ns,
                            spec_sha256=spec.sha256,
                            split="train",
                            idm_sha256="cd" * 32,
                        ),
                    )
                )
        writer.commit({})
    Dataset(folder).compact(DatasetInfo(name="toy", spec=spec, description="Bar codes."))
    return str(folder)
