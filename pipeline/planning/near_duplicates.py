"""Re-encodes of one video: found by what its pictures look like, so that no play is labelled twice
or crosses splits.

A picture is hashed by whether brightness rises or falls from block to block (64 bits); compression
and size hardly change that. Two videos are near duplicates when they last equally long and the
hashes of 16 pictures differ little on average. Looking is dear (each picture is decoded from the
key frame before it), so it is done only where another video is as long, first at two pictures, and
at all 16 only where those agree. A copy that was cut or shifted in time is not found.

Legend: N videos, P pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.actions.spec import FrameSpec
from ...datasets.video.decoder import Decoder
from ...errors import VideoError

# Of 16 places along the video, a third and two thirds are looked at first.
FIRST = (5, 10)
PLACES = (*FIRST, *(place for place in range(16) if place not in FIRST))
FRAME = FrameSpec(width=72, height=64)  # 9 x 8 blocks of 8 x 8 pixels
# Of 64 that may differ on average: re-encodes differ in about 2, other play in about 30.
MAX_BITS = 6.0
LENGTH_TOLERANCE = 0.005  # of the length: encoders add or lose a frame or two at the ends
MIN_DISTINCT = 4  # of 16 hashes: a video that always shows the same says nothing about what it is
# Videos that share a quarter of a hash and are compared: more share a black picture or a menu.
MAX_CROWD = 32
DIGITS = 16  # hex digits of a hash

Look = Callable[[Sequence[int], int], Mapping[int, str]]
"""`look(videos, pictures)`: the first hashes of each of these videos, without those that cannot
be decoded.
"""


def picture_hashes(
    decoder: Decoder, path: Path, ticks: int, tick_hz: Fraction, pictures: int
) -> str:
    """Hashes of the first `pictures` places of a video, 16 hex digits each; empty where one cannot
    be decoded.

    The decoder must make frames of size `FRAME`.
    """
    hashes = []
    try:
        for place in PLACES[:pictures]:
            tick = (2 * place + 1) * ticks // (2 * len(PLACES))
            for batch in decoder.ticks(path, FRAME, tick_hz, start_tick=tick, end_tick=tick + 1):
                hashes.append(f"{picture_hash(batch.frames[0]):016x}")
    except VideoError:
        return ""  # the damage will be found, and told of, when it is labelled
    return "".join(hashes) if len(hashes) == pictures else ""


def picture_hash(picture: NDArray[np.uint8]) -> int:
    """The hash of a uint8 [64, 72, 3] picture."""
    blocks = picture.reshape(8, 8, 9, 8, 3).mean(axis=(1, 3, 4))  # (8, 9)
    rises = blocks[:, 1:] > blocks[:, :-1]  # (8, 8)
    return int.from_bytes(np.packbits(rises).tobytes(), "big")


def find_near_duplicates(ticks: Sequence[int], look: Look, *, first_new: int = 0) -> dict[int, int]:
    """Find which videos are near duplicates of which.

    Args:
        ticks: length of each video, in order of preference: of several near duplicates the first is
        kept.
        look: decodes and hashes pictures.
        first_new: videos before this one are kept whatever they look like.

    Returns:
        For each near duplicate, the one that is kept.
    """
    lengths = np.asarray(ticks, np.int64)
    glance = look(_as_long_as_another(lengths, first_new), len(FIRST))
    pairs = [
        (a, b)
        for a, b in _candidates(glance)
        if b >= first_new
        and _equally_long(lengths[a], lengths[b])
        and _distance(glance[a], glance[b]) <= MAX_BITS
    ]
    whole = look(sorted({video for pair in pairs for video in pair}), len(PLACES))
    found: dict[int, int] = {}
    for a, b in pairs:
        if a in found or b in found or a not in whole or b not in whole:
            continue
        if _tells(whole[a]) and _distance(whole[a], whole[b]) <= MAX_BITS:
            found[b] = a
    return found


def _equally_long(a: int, b: int) -> bool:
    return abs(int(a) - int(b)) <= LENGTH_TOLERANCE * max(a, b) + 2


def _as_long_as_another(lengths: NDArray[np.int64], first_new: int) -> list[int]:
    """Videos that last as long as another one, where one of the two is new."""
    order = np.argsort(lengths, kind="stable")
    found: set[int] = set()
    for before, after in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if _equally_long(lengths[before], lengths[after]):
            found.update((before, after))
    new = [lengths[video] for video in found if video >= first_new]
    if not new:
        return []
    near = np.sort(np.asarray(new))
    place = np.searchsorted(near, lengths)

    def is_near_new(video: int) -> bool:
        around = near[max(place[video] - 1, 0) : place[video] + 1]
        return any(_equally_long(lengths[video], length) for length in around)

    return sorted(video for video in found if video >= first_new or is_near_new(video))


def _words(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of equal length as uint64 [N, P]."""
    return (
        np.frombuffer(bytes.fromhex("".join(hashes)), ">u8")
        .astype(np.uint64)
        .reshape(len(hashes), -1)
    )


def _distance(a: str, b: str) -> float:
    """How many bits of 64 differ, on average over the pictures."""
    words = _words([a, b])
    return float(np.bitwise_count(words[0] ^ words[1]).mean())


def _tells(hashes: str) -> bool:
    return len({hashes[i : i + DIGITS] for i in range(0, len(hashes), DIGITS)}) >= MIN_DISTINCT


def _candidates(hashes: Mapping[int, str]) -> list[tuple[int, int]]:
    """Pairs (a, b), a < b, that agree in a quarter of a hash of a picture, sorted.

    Where 4 bits of 64 differ, a quarter is the same in one of three, so that 8 quarters hardly ever
    miss a pair.
    """
    videos = sorted(hashes)
    if len(videos) < 2:
        return []
    words = _words([hashes[video] for video in videos])  # (N, P)
    pairs: set[tuple[int, int]] = set()
    for shift in (0, 16, 32, 48):
        for part in ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64).T:  # (P, N)
            order = np.argsort(part, kind="stable")
            edges = np.flatnonzero(np.diff(part[order], prepend=-1, append=-1))
            sizes = np.diff(edges)
            for start, size in zip(edges[:-1][sizes > 1], sizes[sizes > 1], strict=True):
                if size <= MAX_CROWD:
                    members = sorted(order[start : start + size].tolist())
                    pairs.update(
                        (videos[a], videos[b])
                        for k, a in enumerate(members)
                        for b in members[k + 1 :]
                    )
    return sorted(pairs)
