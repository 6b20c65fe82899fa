"""Which ticks of which video go into which shard: pure arithmetic on the content, the same on every
machine.

Sources are ordered by content hash, cut into near-equal segments at multiples of 64 ticks, and
packed into shards of near-equal length. Nothing depends on file names, on the number of workers up
to eight, or on the time of day.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...datasets.shards.commits import SegmentKey
from ...datasets.shards.lengths import CLIP_TICKS
from ...datasets.shards.splits import SPLITS, fractions_of, split_of
from ...signed_addresses import without_keys
from ..config import LayoutConfig

# Below this the halo of 64 ticks on each side costs more than half of the work.
MIN_SEGMENT_TICKS = 256
FULL_ENOUGH = 0.75  # of a shard's length: near-equal parts of an extension stay over a half


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A source as the layout needs it."""

    uri: str
    sha256: str
    ticks: int
    group: str = ""
    """Sources of one group share a split (a channel, a player); empty for the content itself."""
    licence: str = ""
    split: str = ""
    """Where its group, or what it was before it changed, lies already; empty for what has no
    place yet.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """Ticks `[start_tick, end_tick)` of one source: the unit of decoding and of damage."""

    shard: str
    segment: int
    """Position in its shard, from 0."""
    split: str
    source_uri: str
    source_sha256: str
    episode_id: str
    """First 12 hex digits of the content hash."""
    start_tick: int
    end_tick: int
    source_ticks: int
    """Length of the whole video, ticks."""
    group: str = ""
    licence: str = ""

    @property
    def ticks(self) -> int:
        """The length in ticks."""
        return self.end_tick - self.start_tick

    @property
    def shown_uri(self) -> str:
        """Where the video lies, as lineage may keep it: an address without its signature."""
        return without_keys(self.source_uri)

    @property
    def key(self) -> SegmentKey:
        """What it is, wherever its video lies: what a shard's record keeps of it."""
        return self.source_sha256, self.start_tick, self.end_tick


def segment_bounds(ticks: int, longest: int) -> list[tuple[int, int]]:
    """Cut `[0, ticks)` into the fewest near-equal ranges of at most `longest` ticks.

    Starts are multiples of 128 (so of the grid of 64 too, and every clip but a video's last is
    full); ranges differ by at most 128 ticks, but for the last, which ends where the video ends.
    """
    if ticks <= 0:
        return []
    units = math.ceil(ticks / CLIP_TICKS)
    count = math.ceil(units / (longest // CLIP_TICKS))
    starts = [CLIP_TICKS * (i * units // count) for i in range(count)]
    return list(zip(starts, [*starts[1:], ticks], strict=True))


def pack(lengths: Sequence[int], bins: int) -> list[int]:
    """Deal consecutive items to at most `bins` bins of near-equal total length.

    Returns the bin of each item; bins are numbered from 0 without gaps, in the order of the items.
    """
    total = sum(lengths)
    if total <= 0:
        return [0] * len(lengths)
    numbers: dict[int, int] = {}
    places, before = [], 0
    for length in lengths:
        place = (2 * before + length) * bins // (2 * total)  # where the item's middle falls
        places.append(numbers.setdefault(place, len(numbers)))
        before += length
    return places


def lay_out(
    sources: Iterable[Planned],
    config: LayoutConfig,
    *,
    workers: int = 1,
    first_shard: dict[str, int] | None = None,
) -> list[Segment]:
    """Lay out new sources.

    Args:
        sources: distinct contents; their order does not matter.
        workers: how many workers are expected; more than eight get four shards each.
        first_shard: the first free shard number of each split, where a plan is extended.

    Returns:
        The segments in the order of shards.
    """
    ordered = sorted(sources, key=lambda source: source.sha256)
    total = sum(source.ticks for source in ordered)
    # A plan that is extended every hour must not end as dust: only the first is spread over many.
    min_shards = 1 if first_shard else max(config.min_shards, 4 * workers)
    wanted = total // min_shards // CLIP_TICKS * CLIP_TICKS
    longest = max(min(config.segment_ticks, wanted), MIN_SEGMENT_TICKS)
    fractions = fractions_of(config.val_fraction, config.test_fraction)
    by_split: dict[str, list[Planned]] = {}
    for source in ordered:
        split = source.split or split_of(
            source.group or source.sha256, config.split_seed, fractions
        )
        by_split.setdefault(split, []).append(source)
    segments: list[Segment] = []
    episodes: dict[str, str] = {}
    for split in SPLITS:
        own = by_split.get(split, ())
        # A plan may have millions of segments, so only their lengths are held beside them.
        lengths = array(
            "q", (b - a for source in own for a, b in segment_bounds(source.ticks, longest))
        )
        if not lengths:
            continue
        ticks = sum(lengths)
        share = math.ceil(min_shards * ticks / total)
        if first_shard:  # so many as workers can use, but three quarters full
            share = min(4 * max(workers, 8), int(ticks / (FULL_ENOUGH * config.shard_ticks)))
        bins = min(max(math.ceil(ticks / config.shard_ticks), share), len(lengths))
        first = (first_shard or {}).get(split, 0)
        position: dict[int, int] = {}
        names: dict[int, str] = {}  # equal strings are one object
        pieces = (
            (source, a, b) for source in own for a, b in segment_bounds(source.ticks, longest)
        )
        for (source, start, end), place in zip(pieces, pack(lengths, bins), strict=True):
            index = position.get(place, 0)
            position[place] = index + 1
            segments.append(
                Segment(
                    shard=names.setdefault(place, f"{split}-{first + place:05d}"),
                    segment=index,
                    split=split,
                    source_uri=source.uri,
                    source_sha256=source.sha256,
                    episode_id=episodes.setdefault(source.sha256, source.sha256[:12]),
                    start_tick=start,
                    end_tick=end,
                    source_ticks=source.ticks,
                    group=source.group,
                    licence=source.licence,
                )
            )
    return segments
