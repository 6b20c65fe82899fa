"""Re-encodes of one video are found, other play is not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from vidact.datasets.video.decoder import InProcessDecoder
from vidact.pipeline.config import DecoderConfig, LayoutConfig
from vidact.pipeline.planning.near_duplicates import (
    find_near_duplicates,
    picture_hash,
    picture_hashes,
)

from .conftest import HZ, moving_picture, plan_here, write_video


def test_hash_written_out() -> None:
    picture = np.zeros((64, 72, 3), np.uint8)
    assert picture_hash(picture) == 0
    picture[:8, 8:16] = 200  # the second block of the first row is brighter than the first
    assert picture_hash(picture) == 1 << 63
    picture[56:, 64:] = 9  # the last block of the last row is brighter than the one before
    assert picture_hash(picture) == (1 << 63) | 1


def _video(seed: int, flips: int = 0) -> str:
    """Hashes of a random video, of which each has some bits flipped."""
    rng, other = random.Random(seed), random.Random(seed + 10_000 + flips)
    words = [rng.getrandbits(64) for _ in range(16)]
    for i in range(16):
        for bit in other.sample(range(64), flips):
            words[i] ^= 1 << bit
    return "".join(f"{word:016x}" for word in words)


def test_pairs() -> None:
    hashes = [
        _video(1),
        _video(2),
        _video(1, flips=2),
        _video(2, flips=4),
        _video(1, flips=12),
        "",
        "0" * 256,
        "0" * 256,
    ]
    looked: list[tuple[tuple[int, ...], int]] = []

    def look(videos: Sequence[int], pictures: int) -> dict[int, str]:
        looked.append((tuple(videos), pictures))
        return {i: hashes[i][: 16 * pictures] for i in videos if hashes[i]}

    assert find_near_duplicates([1000] * 8, look) == {2: 0, 3: 1}  # black videos say nothing
    assert looked == [(tuple(range(8)), 2), ((0, 1, 2, 3, 6, 7), 16)]
    looked.clear()
    lengths = [1000, 1000, 1003, 2000, 3000, 4000, 5000, 6000]
    assert find_near_duplicates(lengths, look) == {2: 0}  # 3 is twice as long as 1
    assert looked == [((0, 1, 2), 2), ((0, 2), 16)]
    assert find_near_duplicates([1000] * 8, look, first_new=3) == {3: 1}  # 2 was planned before
    looked.clear()
    assert find_near_duplicates([1000, 1000, 2000], look, first_new=2) == {}
    assert looked == [((), 2), ((), 16)]  # nothing new is as long as anything


def test_re_encodes_on_disk(tmp_path: Path) -> None:
    play = moving_picture(600, seed=11)
    half = play.reshape(600, 48, 2, 48, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    write_video(tmp_path / "videos" / "good.mp4", play)
    write_video(tmp_path / "videos" / "half-size.mp4", half)
    write_video(tmp_path / "videos" / "other.mp4", moving_picture(600, seed=12))
    write_video(tmp_path / "videos" / "later.mp4", moving_picture(900, seed=11)[300:])
    layout = LayoutConfig(val_fraction=0.0)
    plan = plan_here(tmp_path / "videos", tmp_path / "data", layout=layout)
    by_name = {Path(record.uri).name: record for record in plan.sources}
    assert {name: record.status for name, record in by_name.items()} == {
        "good.mp4": "planned",
        "half-size.mp4": "near_duplicate",
        "other.mp4": "planned",
        "later.mp4": "planned",
    }
    assert by_name["half-size.mp4"].detail == by_name["good.mp4"].uri
    assert {Path(segment.source_uri).name for segment in plan.segments} == {
        "good.mp4",
        "other.mp4",
        "later.mp4",
    }
    # A re-encode that comes later is known too, even though it is the better one.
    write_video(tmp_path / "videos" / "better.mp4", play.repeat(2, axis=1).repeat(2, axis=2))
    again = plan_here(tmp_path / "videos", tmp_path / "data", layout=layout)
    assert again.segments == plan.segments
    assert {Path(r.uri).name: r.status for r in again.sources}["better.mp4"] == "near_duplicate"


def test_what_cannot_be_decoded_has_no_hash(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_picture(120))
    decoder = InProcessDecoder(DecoderConfig().max_pixels)
    assert len(picture_hashes(decoder, path, 70, HZ, 16)) == 256
    path.write_bytes(b"gone")
    assert picture_hashes(decoder, path, 70, HZ, 2) == ""
