"""Segments and shards: pure arithmetic, checked against answers written out and as properties."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vidact.errors import ConfigError
from vidact.pipeline.config import LabelConfig, LayoutConfig
from vidact.pipeline.planning.layout import Planned, lay_out, pack, segment_bounds


def test_segment_bounds_written_out() -> None:
    assert segment_bounds(0, 1024) == []
    assert segment_bounds(100, 1024) == [(0, 100)]
    assert segment_bounds(1024, 1024) == [(0, 1024)]
    assert segment_bounds(1025, 1024) == [(0, 512), (512, 1025)]
    assert segment_bounds(3000, 1024) == [(0, 1024), (1024, 2048), (2048, 3000)]


@given(ticks=st.integers(1, 200_000), longest=st.integers(2, 16).map(lambda n: 128 * n))
def test_segments_tile_the_video_near_equally(ticks: int, longest: int) -> None:
    bounds = segment_bounds(ticks, longest)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == ticks
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    lengths = [b - a for a, b in bounds]
    assert all(a % 128 == 0 for a, _ in bounds)
    assert max(lengths) <= longest
    assert min(lengths) > max(lengths) - 2 * 128 or len(bounds) == 1


def test_pack_written_out() -> None:
    assert pack([10, 10, 10, 10], 2) == [0, 0, 1, 1]
    assert pack([40, 10, 10], 2) == [0, 1, 1]
    assert pack([5, 5], 8) == [0, 1]


@given(lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=60), bins=st.integers(1, 20))
def test_packing_keeps_order_and_leaves_no_gaps(lengths: list[int], bins: int) -> None:
    places = pack(lengths, bins)
    assert places == sorted(places)
    assert sorted(set(places)) == list(range(len(set(places))))
    assert len(set(places)) <= bins
    if len(set(places)) > 1:
        sums = [sum(n for n, p in zip(lengths, places, strict=True) if p == b) for b in set(places)]
        assert max(sums) <= sum(lengths) / bins + max(lengths)


def _sources(count: int, ticks: int = 5000) -> list[Planned]:
    return [
        Planned(uri=f"{i}.mp4", sha256=f"{i * 7919 % 65536:064x}", ticks=ticks + i)
        for i in range(count)
    ]


def test_layout_depends_on_content_only() -> None:
    config = LayoutConfig(val_fraction=0.2)
    segments = lay_out(_sources(20), config)
    assert segments == lay_out(reversed(_sources(20)), config)
    assert segments == lay_out(_sources(20), config, workers=8)
    renamed = [Planned(uri="other" + s.uri, sha256=s.sha256, ticks=s.ticks) for s in _sources(20)]
    assert [s.shard for s in segments] == [s.shard for s in lay_out(renamed, config)]
    assert {s.split for s in segments} == {"train", "val"}


def test_each_tick_is_planned_once_and_a_source_has_one_split() -> None:
    segments = lay_out(_sources(20), LayoutConfig(val_fraction=0.3, test_fraction=0.2))
    for source in _sources(20):
        own = sorted(
            (s for s in segments if s.source_sha256 == source.sha256), key=lambda s: s.start_tick
        )
        assert [s.start_tick for s in own[1:]] == [s.end_tick for s in own[:-1]]
        assert (own[0].start_tick, own[-1].end_tick) == (0, source.ticks)
        assert len({s.split for s in own}) == 1


@pytest.mark.parametrize("workers", [1, 8, 20])
def test_never_fewer_than_four_shards_a_worker(workers: int) -> None:
    segments = lay_out(_sources(20), LayoutConfig(), workers=workers)
    assert len({s.shard for s in segments}) >= 4 * workers


def test_groups_share_a_split() -> None:
    sources = [
        Planned(uri=s.uri, sha256=s.sha256, ticks=s.ticks, group="one channel")
        for s in _sources(20)
    ]
    assert len({s.split for s in lay_out(sources, LayoutConfig(val_fraction=0.5))}) == 1


def test_extension_numbers_go_on() -> None:
    segments = lay_out(_sources(3), LayoutConfig(val_fraction=0), first_shard={"train": 7})
    assert segments[0].shard == "train-00007"


def test_settings_say_which_field_is_wrong() -> None:
    with pytest.raises(
        ConfigError,
        match=r"layout\.segment_ticks must be at least 256 and a multiple of 128, got 300",
    ):
        LayoutConfig(segment_ticks=300)
    with pytest.raises(ConfigError, match="loses data"):
        LabelConfig(sources=("v",), idm="i", out="o", runner="DaskRunner")
