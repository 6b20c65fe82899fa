"""Extends a plan by sources that were probed: each content once, re-encodes listed, new shards
beside the old ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ...datasets.shards.commits import split_of_shard
from ..config import LayoutConfig
from .layout import Planned, lay_out
from .near_duplicates import DIGITS, find_near_duplicates
from .plan import Plan
from .probe import SourceRecord


def extend(
    plan: Plan,
    probed: Sequence[SourceRecord],
    layout: LayoutConfig,
    *,
    workers: int,
    taken: Iterable[str] = (),
    splits: Mapping[str, str] | None = None,
    look: Callable[[Sequence[SourceRecord], int], list[str]] | None = None,
) -> Plan:
    """The plan with newly probed sources: each content once, duplicates and near duplicates listed.

    Args:
        taken: names of shards that must not be used again.
        splits: by URI, of sources that were laid out before and are not any more.
        look: hashes the first pictures of sources (`Prober.look`); None leaves near duplicates in.
    """
    planned = {segment.source_sha256: segment.source_uri for segment in plan.segments}
    old = set(planned)
    known = {record.uri: record for record in plan.sources}
    new: list[SourceRecord] = []
    removed = plan.removed
    for record in sorted(probed, key=lambda record: record.uri):
        if record.sha256 in removed:
            known.pop(record.uri, None)
            continue
        known[record.uri] = record
        if record.status != "planned":
            continue
        first = planned.setdefault(record.sha256, record.uri)
        if first != record.uri:
            known[record.uri] = replace(
                record, status="duplicate", reason="same_content", detail=first
            )
        elif record.sha256 not in old:
            new.append(record)
    again = {record.uri for record in probed}  # what lies there now is not what was planned
    before = [
        r for r in plan.sources if r.status == "planned" and r.sha256 in old and r.uri not in again
    ]
    # The best of several re-encodes comes first, and is the one that is kept.
    new.sort(key=lambda r: (-r.frames * r.width * r.height, r.sha256))
    if look is not None:
        known |= {record.uri: record for record in _near_duplicates(before, new, look)}
    split_by_group = {segment.group: segment.split for segment in plan.segments if segment.group}
    split_by_uri = dict(splits or {}) | {
        segment.source_uri: segment.split for segment in plan.segments
    }
    first_shard = plan.free_shards
    for shard in taken:
        split = split_of_shard(shard)
        first_shard[split] = max(
            first_shard.get(split, 0), int(shard.removeprefix(f"{split}-")) + 1
        )
    segments = lay_out(
        [
            Planned(
                uri=r.uri,
                sha256=r.sha256,
                ticks=r.ticks,
                group=r.group,
                licence=r.licence,
                split=split_by_group.get(r.group) or split_by_uri.get(r.uri, ""),
            )
            for r in new
            if known[r.uri].status == "planned"
        ],
        layout,
        workers=workers,
        first_shard=first_shard,
    )
    sources = tuple(known[uri] for uri in sorted(known))
    return replace(plan, sources=sources, segments=(*plan.segments, *segments))


def _near_duplicates(
    before: Sequence[SourceRecord],
    new: Sequence[SourceRecord],
    look: Callable[[Sequence[SourceRecord], int], list[str]],
) -> Iterator[SourceRecord]:
    """The rows that change: hashes where pictures were looked at, status and original of near
    duplicates.
    """
    everyone = [*before, *new]
    hashes = {
        i: record.picture_hashes for i, record in enumerate(everyone) if record.picture_hashes
    }

    def look_at(videos: Sequence[int], pictures: int) -> dict[int, str]:
        lacking = [i for i in videos if len(hashes.get(i, "")) < pictures * DIGITS]
        seen = look([everyone[i] for i in lacking], pictures)
        hashes.update({i: text for i, text in zip(lacking, seen, strict=True) if text})
        return {
            i: hashes[i][: pictures * DIGITS]
            for i in videos
            if len(hashes.get(i, "")) >= pictures * DIGITS
        }

    same = find_near_duplicates(
        [record.ticks for record in everyone], look_at, first_new=len(before)
    )
    for i, text in hashes.items():
        record = replace(everyone[i], picture_hashes=text)
        if i in same:
            record = replace(
                record,
                status="near_duplicate",
                reason="same_pictures",
                detail=everyone[same[i]].uri,
            )
        yield record
