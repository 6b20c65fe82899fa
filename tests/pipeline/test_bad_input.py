"""Mutated videos: bit flips, cuts, spliced headers, absurd sizes and rates, bombs, other formats
under video names.

Whatever a file holds, the job ends well, and every tick of it is in a clip, was dropped with a
reason, or is a dead letter; a file that cannot be read at all is a dead letter. The seeded tenth
runs with every test run, all 300 in `make soak`.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from vidact.datasets.shards.codec import encode_video
from vidact.datasets.shards.dataset import Dataset
from vidact.datasets.shards.dataset_checks import check_dataset
from vidact.pipeline.config import DecoderConfig, LabelConfig, LayoutConfig
from vidact.pipeline.label import label
from vidact.pipeline.planning.plan import read_plan

from .conftest import moving_picture, plain_loop

Mutation = Callable[[bytes, random.Random], bytes]


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice([1, 8, 64, 512])):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def hole(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    length = rng.randrange(1, len(data) // 4)
    return data[:start] + bytes(length) + data[start + length :]


def cut_end(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def cut_start(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(1, len(data)) :]


def twice(data: bytes, rng: random.Random) -> bytes:
    return data + data[rng.randrange(len(data)) :]


def splice_head(data: bytes, rng: random.Random) -> bytes:
    heads = [
        b"\x1aE\xdf\xa3",
        b"RIFF\xff\xff\xff\xffAVI ",
        b"FLV\x01\x05",
        b"OggS",
        b"#EXTM3U\n",
        b"\x47" * 188,
        b"GIF89a",
    ]
    return rng.choice(heads) + data[rng.randrange(64) :]


def patch_box(name: bytes, offset: int, value: int) -> Mutation:
    """Overwrite 32 bits at `offset` behind each box of this name."""

    def patch(data: bytes, rng: random.Random) -> bytes:
        out, at = bytearray(data), data.find(name)
        while at >= 0:
            if at + offset + 4 <= len(out):
                out[at + offset : at + offset + 4] = struct.pack(">I", value)
            at = data.find(name, at + 1)
        return bytes(out)

    return patch


def other_format(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"",
            b"\0",
            b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n",
            b"ffconcat version 1.0\nfile /etc/passwd\n",
            b"<html><body>not found</body></html>",
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            b"PK\x03\x04" + bytes(100),
            b"\x7fELF" + bytes(100),
            rng.randbytes(5000),
        ]
    )


MUTATIONS: list[Mutation] = [
    *[flip_bits] * 4,
    *[hole] * 2,
    *[cut_end] * 3,
    cut_start,
    twice,
    splice_head,
    other_format,
    patch_box(b"mdhd", 16, 1),  # ticks a second of the track
    patch_box(b"mdhd", 16, 0xFFFFFFFF),
    patch_box(b"mdhd", 16, 0),
    patch_box(b"stts", 12, 0x7FFFFFFF),  # samples of one length
    patch_box(b"stts", 16, 0x7FFFFFFF),  # the length of a sample
    patch_box(b"stts", 16, 0),
    patch_box(b"stsz", 12, 0xFFFFFFFF),  # number of samples
    patch_box(b"avc1", 28, 0xFFFFFFFF),  # width and height
    patch_box(b"avc1", 28, 0x00010001),
    patch_box(b"stco", 12, 0xFFFFFFF0),  # where the samples lie
    patch_box(b"elst", 12, 0x7FFFFFFF),
]


def write_mutants(folder: Path, count: int, seed: int) -> None:
    """Mutants of three small videos, two good videos, and two bombs."""
    rng = random.Random(seed)
    folder.mkdir()
    videos = [
        encode_video(moving_picture(90 + 30 * i, seed=40 + i), Fraction(30)) for i in range(3)
    ]
    for number in range(count):
        mutation = (
            MUTATIONS[number % len(MUTATIONS)] if number < len(MUTATIONS) else rng.choice(MUTATIONS)
        )
        (folder / f"mutant-{number:03d}.mp4").write_bytes(mutation(rng.choice(videos), rng))
    (folder / "good-0.mp4").write_bytes(videos[0])
    (folder / "good-1.mp4").write_bytes(videos[1])
    frames = np.zeros((6000, 16, 16, 3), np.uint8)
    (folder / "bomb-of-frames.mp4").write_bytes(encode_video(frames, Fraction(30)))
    (folder / "bomb-of-pixels.mp4").write_bytes(
        encode_video(np.zeros((2, 2048, 2048, 3), np.uint8), Fraction(30))
    )


@pytest.mark.parametrize(
    "count",
    [30, pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
    ids=["tenth", "all"],
)
def test_every_tick_is_accounted_for(idm: str, tmp_path: Path, count: int) -> None:
    videos, out = tmp_path / "videos", tmp_path / "data"
    write_mutants(videos, count, seed=count)
    config = LabelConfig(
        sources=(str(videos),),
        idm=idm,
        out=str(out),
        device="cpu",
        workers=1,
        layout=LayoutConfig(val_fraction=0.0, near_duplicates=False),
        decoder=DecoderConfig(max_pixels=2000 * 2000, stall_s=10, memory_gib=2),
    )
    assert label(config, runner=plain_loop) == 0
    assert check_dataset(Dataset(out)).problems == []
    plan = read_plan(Dataset(out))
    assert plan is not None
    assert len(plan.sources) == count + 4
    letters = Dataset(out).dead_letters().to_pylist()
    rows = Dataset(out).manifest().to_pylist()
    dropped = sum(sum(record.drops.values()) for record in list(Dataset(out).commits()))
    lost = sum(
        letter["end_tick"] - letter["start_tick"]
        for letter in letters
        if letter["stage"] == "decode"
    )
    assert sum(row["frames"] for row in rows) + dropped + lost == sum(
        segment.ticks for segment in plan.segments
    )
    status = {Path(record.uri).name: record for record in plan.sources}
    unreadable = {record.uri for record in plan.sources if record.status == "unreadable"}
    assert {
        letter["source_uri"]
        for letter in letters
        if letter["stage"] == "probe" and not letter["source_sha256"]
    } == unreadable
    assert all(letter["reason"] for letter in letters)
    assert not {row["source_uri"] for row in rows} & unreadable
    assert status["bomb-of-pixels.mp4"].reason == "too_large"
    assert "bomb-of-frames.mp4" not in {Path(row["source_uri"]).name for row in rows}  # black
    good = {Path(row["source_uri"]).name for row in rows} | {
        Path(record.uri).name for record in plan.sources if record.status == "duplicate"
    }
    assert {"good-0.mp4", "good-1.mp4"} <= good
