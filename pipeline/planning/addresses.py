"""Where planned videos lie: what was moved is labelled from its new place, since the content is
what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ...signed_addresses import without_keys
from .plan import Plan
from .probe import SourceRecord
from .sources import Source
from .tables import Row


def with_addresses(
    plan: Plan, moved: Mapping[str, str], marks: Mapping[str, str | None] | None = None
) -> Plan:
    """The plan with other URIs for some of its sources; their segments and copies follow.

    What was known under a new URI (as a copy) goes: it is the source itself now.

    Args:
        moved: the new URIs by the old ones.
        marks: the signs of what lies at new URIs, as far as they are known.
    """
    if not moved:
        return plan
    known = {record.uri: record for record in plan.sources}
    copies = set(moved.values())
    kept = {
        uri: _moved(record, moved, known, marks or {})
        for uri, record in known.items()
        if uri in moved or uri not in copies
    }
    sources = {record.uri: record for record in kept.values()}
    segments = tuple(
        replace(s, source_uri=moved[s.source_uri]) if s.source_uri in moved else s
        for s in plan.segments
    )
    return replace(plan, sources=tuple(sources[uri] for uri in sorted(sources)), segments=segments)


def _moved(
    record: SourceRecord,
    moved: Mapping[str, str],
    known: Mapping[str, SourceRecord],
    marks: Mapping[str, str | None],
) -> SourceRecord:
    """A source at its new URI, if it has one, or a copy of what is at a new URI now."""
    if record.uri in moved:
        uri = moved[record.uri]
        mark = marks.get(uri) or known.get(uri, record).fingerprint
        return replace(record, uri=uri, fingerprint=mark)
    if record.status in ("duplicate", "near_duplicate") and record.detail in moved:
        return replace(record, detail=moved[record.detail])
    return record


def moved_sources(
    plan: Plan, present: Collection[str], is_gone: Callable[[str], bool]
) -> dict[str, str]:
    """Planned sources that are gone while a copy is there: their URIs, and the copies'.

    Args:
        present: URIs that were found now.
        is_gone: whether there is nothing at a URI.
    """
    planned = {record.uri for record in plan.sources if record.status == "planned"}
    moved: dict[str, str] = {}
    for record in plan.sources:
        original = record.detail
        if (
            record.status == "duplicate"
            and record.uri in present
            and original in planned
            and original not in present
            and original not in moved
            and is_gone(original)
        ):
            moved[original] = record.uri
    return moved


def renewed_addresses(plan: Plan, sources: Sequence[Source]) -> dict[str, str]:
    """Signed addresses that were given anew with another signature: what they were, and are."""
    now = {without_keys(source.uri): source.uri for source in sources}
    return {
        record.uri: now[public]
        for record in plan.sources
        if (public := without_keys(record.uri)) in now and now[public] != record.uri
    }


def with_details(
    plan: Plan, sources: Sequence[Source], committed: Collection[str]
) -> tuple[Plan, list[str]]:
    """The plan with groups and licences that were given later, and what there is to say about them.

    They are laid down in the clips, so only what is not labelled yet can get them; and a source
    stays in the split in which it lies.

    Args:
        committed: shards that are labelled already.
    """
    given = {source.uri: source for source in sources if source.group or source.licence}
    records = [_detailed(record, given.get(record.uri)) for record in plan.sources]
    changed = {
        after.uri
        for before, after in zip(plan.sources, records, strict=True)
        if before is not after
    }
    if not changed:
        return plan, []
    mine = [segment.source_uri in changed for segment in plan.segments]
    late = {s.source_uri for s, own in zip(plan.segments, mine, strict=True) if own} & {
        s.source_uri for s in plan.segments if s.shard in committed
    }
    segments = [
        _detailed(segment, given[segment.source_uri])
        if own and segment.shard not in committed
        else segment
        for segment, own in zip(plan.segments, mine, strict=True)
    ]
    said = [f"{len(changed):,} known sources have another group or licence now"]
    if late:
        said.append(
            f"{len(late):,} of them are labelled, wholly or in part: what is labelled keeps what "
            "it had; `vidact relabel` into another dataset takes the new ones"
        )
    if any(given[uri].group for uri in changed):
        said.append("a source that is laid out stays in its split, whatever its group is now")
    return replace(plan, sources=tuple(records), segments=tuple(segments)), said


def _detailed(row: Row, source: Source | None) -> Row:
    """A row of either table with the group and the licence of a source, where they are given."""
    if source is None or getattr(row, "status", "") == "removed":
        return row
    group, licence = source.group or row.group, source.licence or row.licence
    if (group, licence) == (row.group, row.licence):
        return row
    return replace(row, group=group, licence=licence)
